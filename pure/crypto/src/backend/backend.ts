/** An Ed25519 key that is ready to sign more than once; it holds what the seed gives and goes with its last reference. */
export interface Ed25519Key {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/**
 * What a backend gives. `#backend` is `node.ts` under Node (condition `node`) and `portable.ts` elsewhere; for the
 * compiler it is this file, so that no caller can lean on one of them. Callers have checked all lengths; results are
 * plain Uint8Arrays that nobody else holds.
 */
export interface Backend {
  /** UTF-8 bytes; undefined when the text holds a lone surrogate. */
  readonly utf8Encode: (text: string) => Uint8Array | undefined;
  /** Writes well-formed text, which has so many bytes in UTF-8, at an offset where there is room for it. */
  readonly utf8Write: (text: string, out: Uint8Array, offset: number, length: number) => void;
  /** Text of strict UTF-8 (RFC 3629), a byte order mark kept; undefined leaves it to the caller to decode or to refuse. */
  readonly utf8Decode: (bytes: Uint8Array) => string | undefined;
  readonly sha256: (data: Uint8Array) => Uint8Array;
  readonly sha512: (data: Uint8Array) => Uint8Array;
  readonly keccak256: (data: Uint8Array) => Uint8Array;
  readonly ripemd160: (data: Uint8Array) => Uint8Array;
  readonly blake2b256: (data: Uint8Array) => Uint8Array;
  /** Over the parts one after the other. */
  readonly hmacSha256: (key: Uint8Array, ...parts: readonly Uint8Array[]) => Uint8Array;
  readonly hmacSha512: (key: Uint8Array, data: Uint8Array) => Uint8Array;
  /** RFC 5869, extract and expand; `length` is 1 to 8160. */
  readonly hkdfSha256: (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number) => Uint8Array;
  readonly pbkdf2HmacSha512: (
    password: Uint8Array,
    salt: Uint8Array,
    iterations: number,
    length: number,
  ) => Uint8Array;
  readonly ed25519Key: (seed: Uint8Array) => Ed25519Key;
  /**
   * Cofactorless: true if and only if encode([S]B - [k]A) equals the first half of the signature and S < L. The caller
   * has refused public keys that are not canonical or of low order.
   */
  readonly ed25519Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
  /** Whether 65 bytes that begin with 4 are the coordinates, below p, of a point of the curve. */
  readonly p256IsPoint: (publicKey: Uint8Array) => boolean;
  /** r and s are in range; a public key that is not on the curve gives false. High s is accepted. */
  readonly p256Verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean;
  readonly x25519PublicKey: (privateKey: Uint8Array) => Uint8Array;
  /** 32 bytes, or undefined when they would all be zero. */
  readonly x25519SharedSecret: (privateKey: Uint8Array, publicKey: Uint8Array) => Uint8Array | undefined;
  readonly chacha20Poly1305Seal: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    data: Uint8Array,
  ) => Uint8Array;
  /** `data` is ciphertext and 16-byte tag; undefined when it does not open. */
  readonly chacha20Poly1305Open: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    data: Uint8Array,
  ) => Uint8Array | undefined;
  /** Key of 16 or 32 bytes. */
  readonly aesGcmSeal: (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array) => Uint8Array;
  readonly aesGcmOpen: (
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    data: Uint8Array,
  ) => Uint8Array | undefined;
}

export declare const utf8Encode: Backend['utf8Encode'];
export declare const utf8Write: Backend['utf8Write'];
export declare const utf8Decode: Backend['utf8Decode'];
export declare const sha256: Backend['sha256'];
export declare const sha512: Backend['sha512'];
export declare const keccak256: Backend['keccak256'];
export declare const ripemd160: Backend['ripemd160'];
export declare const blake2b256: Backend['blake2b256'];
export declare const hmacSha256: Backend['hmacSha256'];
export declare const hmacSha512: Backend['hmacSha512'];
export declare const hkdfSha256: Backend['hkdfSha256'];
export declare const pbkdf2HmacSha512: Backend['pbkdf2HmacSha512'];
export declare const ed25519Key: Backend['ed25519Key'];
export declare const ed25519Verify: Backend['ed25519Verify'];
export declare const p256IsPoint: Backend['p256IsPoint'];
export declare const p256Verify: Backend['p256Verify'];
export declare const x25519PublicKey: Backend['x25519PublicKey'];
export declare const x25519SharedSecret: Backend['x25519SharedSecret'];
export declare const chacha20Poly1305Seal: Backend['chacha20Poly1305Seal'];
export declare const chacha20Poly1305Open: Backend['chacha20Poly1305Open'];
export declare const aesGcmSeal: Backend['aesGcmSeal'];
export declare const aesGcmOpen: Backend['aesGcmOpen'];
