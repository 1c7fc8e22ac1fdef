import { chacha20Poly1305Open, chacha20Poly1305Seal } from './aead.ts';
import { blake2s256 } from './blake2s.ts';
import { assertBytes, concatBytes, utf8Encode } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';
import { publicKey, sharedSecret } from './x25519.ts';

/**
 * Noise_NK_25519_ChaChaPoly_BLAKE2s (Noise Protocol Framework, revision 34): the initiator knows the responder's static
 * key and stays anonymous. `-> e, es`, then `<- e, ee`, then transport both ways.
 */

const protocolName = 'Noise_NK_25519_ChaChaPoly_BLAKE2s';
const hashBytes = 32;
const blockBytes = 64;
export const noiseKeyBytes = 32;
/** What a payload grows by. */
export const noiseTagBytes = 16;
const none = new Uint8Array(0);

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  const inner = new Uint8Array(blockBytes).fill(0x36);
  const outer = new Uint8Array(blockBytes).fill(0x5c);
  for (let i = 0; i < key.length; i++) {
    inner[i]! ^= key[i]!;
    outer[i]! ^= key[i]!;
  }
  return blake2s256(concatBytes(outer, blake2s256(concatBytes(inner, data))));
}

/** HKDF of the framework (§4.3) with two outputs. */
function hkdf(chainingKey: Uint8Array, input: Uint8Array): [Uint8Array, Uint8Array] {
  const temporary = hmac(chainingKey, input);
  const first = hmac(temporary, new Uint8Array([1]));
  return [first, hmac(temporary, concatBytes(first, new Uint8Array([2])))];
}

/** One direction of the transport, or the handshake's cipher: a key and its counter (§5.1). */
export class CipherState {
  readonly #key: Uint8Array;
  #counter = 0n;

  /** Takes `key` over. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  seal(plaintext: Uint8Array, associated: Uint8Array = none): Uint8Array {
    const sealed = chacha20Poly1305Seal(this.#key, this.#nonce(), associated, plaintext);
    this.#counter += 1n;
    return sealed;
  }

  /** Throws CryptoError `decryption-failed`; the counter stays then. */
  open(ciphertext: Uint8Array, associated: Uint8Array = none): Uint8Array {
    const plaintext = chacha20Poly1305Open(this.#key, this.#nonce(), associated, ciphertext);
    this.#counter += 1n;
    return plaintext;
  }

  wipe(): void {
    this.#key.fill(0);
  }

  #nonce(): Uint8Array {
    if (this.#counter >= 2n ** 64n - 1n) throw new RangeError('the counter of this key is used up');
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setBigUint64(4, this.#counter, true);
    return nonce;
  }
}

/** What both sides hold after the handshake. */
export interface NoiseTransport {
  /** Initiator to responder. */
  readonly toResponder: CipherState;
  readonly toInitiator: CipherState;
  readonly handshakeHash: Uint8Array;
}

/** SymmetricState (§5.2). */
class Symmetric {
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  #cipher: CipherState | undefined;

  constructor(prologue: Uint8Array) {
    const name = utf8Encode(protocolName);
    this.#hash =
      name.length <= hashBytes
        ? concatBytes(name, new Uint8Array(hashBytes - name.length))
        : blake2s256(name);
    this.#chainingKey = this.#hash;
    this.mixHash(prologue);
  }

  mixHash(data: Uint8Array): void {
    this.#hash = blake2s256(concatBytes(this.#hash, data));
  }

  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#chainingKey, input);
    input.fill(0);
    this.#chainingKey = chainingKey;
    this.#cipher = new CipherState(key);
  }

  sealAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = this.#cipher!.seal(plaintext, this.#hash);
    this.mixHash(ciphertext);
    return ciphertext;
  }

  openAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#cipher!.open(ciphertext, this.#hash);
    this.mixHash(ciphertext);
    return plaintext;
  }

  split(): NoiseTransport {
    const [toResponder, toInitiator] = hkdf(this.#chainingKey, none);
    return {
      toResponder: new CipherState(toResponder),
      toInitiator: new CipherState(toInitiator),
      handshakeHash: this.#hash,
    };
  }
}

/** One handshake message: the sender's ephemeral public key and the sealed payload. */
export interface NoiseMessage {
  readonly ephemeral: Uint8Array;
  readonly payload: Uint8Array;
}

/**
 * The initiator's first message, and what reads the answer. `ephemeralSecret` is 32 fresh random bytes, used once and
 * wiped by `finish`.
 */
export function noiseInitiate(
  responder: Uint8Array,
  ephemeralSecret: Uint8Array,
  payload: Uint8Array,
  prologue: Uint8Array = none,
): {
  message: NoiseMessage;
  finish(answer: NoiseMessage): { payload: Uint8Array; transport: NoiseTransport };
} {
  assertBytes('responder', responder, noiseKeyBytes);
  const symmetric = new Symmetric(prologue);
  symmetric.mixHash(responder);
  const ephemeral = publicKey(ephemeralSecret);
  symmetric.mixHash(ephemeral);
  symmetric.mixKey(sharedSecret(ephemeralSecret, responder));
  const message = { ephemeral, payload: symmetric.sealAndHash(payload) };
  return {
    message,
    finish: (answer) => {
      assertNoiseMessage(answer);
      symmetric.mixHash(answer.ephemeral);
      symmetric.mixKey(sharedSecret(ephemeralSecret, answer.ephemeral));
      ephemeralSecret.fill(0);
      const opened = symmetric.openAndHash(answer.payload);
      return { payload: opened, transport: symmetric.split() };
    },
  };
}

/**
 * The responder reads a first message. Throws CryptoError `decryption-failed` when it was not made for this static key.
 */
export function noiseRespond(
  staticSecret: Uint8Array,
  message: NoiseMessage,
  prologue: Uint8Array = none,
): {
  payload: Uint8Array;
  /** `ephemeralSecret` is 32 fresh random bytes; it is wiped. */
  answer(
    ephemeralSecret: Uint8Array,
    payload: Uint8Array,
  ): { message: NoiseMessage; transport: NoiseTransport };
} {
  assertNoiseMessage(message);
  const symmetric = new Symmetric(prologue);
  symmetric.mixHash(publicKey(staticSecret));
  symmetric.mixHash(message.ephemeral);
  symmetric.mixKey(sharedSecret(staticSecret, message.ephemeral));
  const payload = symmetric.openAndHash(message.payload);
  return {
    payload,
    answer: (ephemeralSecret, answered) => {
      const ephemeral = publicKey(ephemeralSecret);
      symmetric.mixHash(ephemeral);
      symmetric.mixKey(sharedSecret(ephemeralSecret, message.ephemeral));
      ephemeralSecret.fill(0);
      const sealed = symmetric.sealAndHash(answered);
      return { message: { ephemeral, payload: sealed }, transport: symmetric.split() };
    },
  };
}

function assertNoiseMessage({ ephemeral, payload }: NoiseMessage): void {
  if (ephemeral.length !== noiseKeyBytes || payload.length < noiseTagBytes)
    throw new CryptoError('decryption-failed');
}
