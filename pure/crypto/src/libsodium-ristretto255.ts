import instantiate, { type LibsodiumSumoModule } from 'libsodium-sumo';
import { assertBytes } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';
import { elementBytes, type RistrettoGroup, scalarBytes, scalarToBytes } from './ristretto255.ts';

/**
 * Multiplication in ristretto255 by libsodium, compiled to WebAssembly: the same bytes as noble's, several times as fast.
 * Scalars lie in its memory only while it multiplies.
 */
export class LibsodiumRistretto255 implements RistrettoGroup {
  readonly name = 'libsodium';
  readonly #module: LibsodiumSumoModule;
  readonly #scalar: number;
  readonly #element: number;
  readonly #product: number;

  private constructor(module: LibsodiumSumoModule) {
    this.#module = module;
    this.#scalar = module._malloc(scalarBytes);
    this.#element = module._malloc(elementBytes);
    this.#product = module._malloc(elementBytes);
  }

  /** Rejects where there is no WebAssembly. */
  static async load(): Promise<LibsodiumRistretto255> {
    return new LibsodiumRistretto255(await instantiate());
  }

  /** All of its memory, for tests that look for what should not be there. */
  get memory(): Uint8Array {
    return this.#module.HEAPU8;
  }

  assertElement(element: Uint8Array): void {
    this.#place(element);
    if (this.#module._crypto_core_ristretto255_is_valid_point(this.#element) !== 1)
      throw new CryptoError('point-malformed');
  }

  multiply(element: Uint8Array, scalar: bigint): Uint8Array {
    this.#place(element);
    return this.#multiplied(scalar, () =>
      this.#module._crypto_scalarmult_ristretto255(this.#product, this.#scalar, this.#element),
    );
  }

  multiplyBase(scalar: bigint): Uint8Array {
    return this.#multiplied(scalar, () =>
      this.#module._crypto_scalarmult_ristretto255_base(this.#product, this.#scalar),
    );
  }

  #place(element: Uint8Array): void {
    assertBytes('element', element, elementBytes);
    // The identity has the encoding of zeros.
    if (element.every((byte) => byte === 0)) throw new CryptoError('point-malformed', 'identity');
    this.#module.HEAPU8.set(element, this.#element);
  }

  #multiplied(scalar: bigint, multiply: () => number): Uint8Array {
    if (scalar === 0n) throw new RangeError('scalar must not be zero');
    const bytes = scalarToBytes(scalar);
    this.#module.HEAPU8.set(bytes, this.#scalar);
    bytes.fill(0);
    try {
      if (multiply() !== 0) throw new CryptoError('point-malformed');
      return this.#module.HEAPU8.slice(this.#product, this.#product + elementBytes);
    } finally {
      this.#module.HEAPU8.fill(0, this.#scalar, this.#scalar + scalarBytes);
    }
  }
}
