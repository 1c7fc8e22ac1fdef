import type { PublicKeyOf } from '@keystead/crypto/bip32';
import { formatPath } from '@keystead/crypto/derivation-path';
import { hexEncode } from '@keystead/crypto/hex';
import { Recent } from '@keystead/crypto/recent';

/** 33 bytes each, and a name of about 100 characters. */
const maximumKept = 16_384;

/**
 * Public keys on the way from seeds to accounts, by sealed row and path: half of the work of a derivation that is not hardened
 * throughout. Public keys only: neither chain codes nor private keys are ever kept.
 */
export class WalletPublicKeys {
  readonly #kept = new Recent<Uint8Array>(maximumKept);

  get size(): number {
    return this.#kept.size;
  }

  /** For derivations from the row with this hash. */
  of(row: Uint8Array): PublicKeyOf {
    const prefix = hexEncode(row);
    return (path, compute) => {
      const name = `${prefix} ${formatPath(path)}`;
      const kept = this.#kept.get(name);
      if (kept !== undefined) return kept;
      const publicKey = compute();
      this.#kept.set(name, publicKey);
      return publicKey;
    };
  }
}
