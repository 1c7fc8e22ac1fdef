import { equalBytes } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { Libsecp256k1 } from '@keystead/crypto/libsecp256k1';
import { Libsodium } from '@keystead/crypto/libsodium';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import type { Random } from '@keystead/enclave-runtime/program';

/** The keys of one Ed25519 account that signs: its seed, and what OpenSSL made of it. */
export interface Ed25519Pair {
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly key: ed25519.Ed25519Key;
}

/**
 * What computes the signatures of wallets. Every backend gives the same bytes, and none returns a signature that it has not
 * checked (decision 0017).
 */
export interface SigningBackend {
  /** Libraries by name, for `keystead doctor`. */
  readonly libraries: readonly string[];
  /** 64 bytes. Throws Error when what was computed does not hold. */
  ed25519(pair: Ed25519Pair, message: Uint8Array): Uint8Array;
  /** RFC 6979 over a 32-byte digest, low s. Throws Error when what was computed does not hold. */
  ecdsa(privateKey: Uint8Array, digest: Uint8Array): secp256k1.RecoverableSignature;
  /** 65 bytes, uncompressed. */
  secp256k1PublicKey(privateKey: Uint8Array): Uint8Array;
}

/** Where there is no WebAssembly: OpenSSL signs and verifies, big integers compute what it lacks. */
export const portableBackend: SigningBackend = {
  libraries: ['openssl', 'noble'],
  ed25519({ publicKey, key }, message) {
    const signature = key.sign(message);
    if (!ed25519.verify(publicKey, message, signature)) throw unverified();
    return signature;
  },
  ecdsa: secp256k1.ecdsaSign,
  secp256k1PublicKey: secp256k1.uncompressedPublicKey,
};

/**
 * libsodium and OpenSSL each make the Ed25519 signature, which is deterministic: two that share no code agree or nothing leaves.
 * libsecp256k1 signs ECDSA and checks it against the definition of the signature.
 */
export function nativeCodeBackend(libsodium: Libsodium, libsecp256k1: Libsecp256k1): SigningBackend {
  return {
    libraries: ['openssl', 'libsodium', 'libsecp256k1'],
    ed25519({ seed, publicKey, key }, message) {
      const signature = libsodium.sign(seed, publicKey, message);
      if (!equalBytes(signature, key.sign(message))) throw unverified();
      return signature;
    },
    ecdsa: (privateKey, digest) => libsecp256k1.sign(privateKey, digest),
    secp256k1PublicKey: (privateKey) => libsecp256k1.publicKey(privateKey),
  };
}

/** The fastest backend that this process can run. */
export async function loadSigningBackend(random: Random): Promise<SigningBackend> {
  if (typeof WebAssembly === 'undefined') return portableBackend;
  const [libsodium, libsecp256k1] = await Promise.all([Libsodium.load(), Libsecp256k1.load(random)]);
  return nativeCodeBackend(libsodium, libsecp256k1);
}

const unverified = (): Error => new Error('a signature does not verify');
