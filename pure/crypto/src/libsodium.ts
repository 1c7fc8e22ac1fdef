import instantiate, { type LibsodiumModule } from 'libsodium';
import { assertBytes } from './bytes.ts';

/**
 * Ed25519 signatures (RFC 8032) by libsodium, which is compiled to WebAssembly and embedded in its package: for whoever signs
 * often and wants a second opinion that shares no code with OpenSSL. Keys lie in its memory only while it signs.
 */
export class Libsodium {
  readonly #module: LibsodiumModule;
  /** 64 bytes each: seed ‖ public key, and a signature. */
  readonly #key: number;
  readonly #signature: number;
  #message: number;
  #room = 4096;

  private constructor(module: LibsodiumModule) {
    this.#module = module;
    this.#key = module._malloc(64);
    this.#signature = module._malloc(64);
    this.#message = module._malloc(this.#room);
  }

  /** Rejects where there is no WebAssembly. */
  static async load(): Promise<Libsodium> {
    return new Libsodium(await instantiate());
  }

  /** All of its memory, for tests that look for what should not be there. */
  get memory(): Uint8Array {
    return this.#module.HEAPU8;
  }

  /**
   * Deterministic signature (64 bytes, R then S). `publicKey` must be that of `seed`: with another one the signature is valid
   * for nothing and, beside a right one, gives the key away. It must not leave unless somebody has checked it.
   */
  sign(seed: Uint8Array, publicKey: Uint8Array, message: Uint8Array): Uint8Array {
    assertBytes('seed', seed, 32);
    assertBytes('publicKey', publicKey, 32);
    assertBytes('message', message);
    this.#makeRoom(message.length);
    const heap = this.#module.HEAPU8;
    heap.set(seed, this.#key);
    heap.set(publicKey, this.#key + 32);
    heap.set(message, this.#message);
    const { length } = message;
    try {
      const done = this.#module._crypto_sign_detached(
        this.#signature,
        0,
        this.#message,
        length,
        0,
        this.#key,
      );
      if (done !== 0) throw new Error('libsodium does not sign');
      return heap.slice(this.#signature, this.#signature + 64);
    } finally {
      heap.fill(0, this.#key, this.#key + 64);
    }
  }

  #makeRoom(length: number): void {
    if (length <= this.#room) return;
    this.#module._free(this.#message);
    this.#room = 0;
    this.#message = this.#module._malloc(length);
    if (this.#message === 0) throw new Error('libsodium has no memory for the message');
    this.#room = length;
  }
}
