import { assertBytes } from './bytes.ts';

/**
 * Secret bytes that never print themselves: every conversion to text gives `REDACTED`, and the only way in is
 * `expose()`, which is easy to search for. JavaScript cannot promise that no copy remains in memory; `wipe()` zeroes ours.
 */
export class SecretBytes {
  #bytes: Uint8Array;

  /** Copies `bytes`; the caller's array stays as it is. */
  constructor(bytes: Uint8Array) {
    assertBytes('bytes', bytes);
    this.#bytes = new Uint8Array(bytes);
  }

  /** Takes ownership: copies `bytes` and zeroes the source. */
  static take(bytes: Uint8Array): SecretBytes {
    const secret = new SecretBytes(bytes);
    bytes.fill(0);
    return secret;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** The bytes themselves, not a copy: do not keep or change them. Throws TypeError after `wipe()`. */
  expose(): Uint8Array {
    if (this.#wiped) throw new TypeError('secret was wiped');
    return this.#bytes;
  }

  /** Zeroes the bytes. Later `expose()` throws. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  #wiped = false;

  toString(): string {
    return 'REDACTED';
  }

  toJSON(): string {
    return 'REDACTED';
  }

  [Symbol.toPrimitive](): string {
    return 'REDACTED';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return 'REDACTED';
  }
}
