import { wallet } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name as displayName, tags } from '../parameters/text.ts';
import { type KeyConstraints, unconstrained } from '../key-constraints.ts';
import { constraintFields } from '../parameters/key-constraints.ts';
import { type WalletParameters, walletFields, walletParameters } from '../parameters/wallet.ts';

export const name = 'createWallet';
export const kind = 'make';
export const summary = 'Makes a wallet: a mnemonic with accounts, or a single key.';

export interface Params {
  readonly organizationId: string;
  readonly walletName: string;
  readonly tags: readonly string[];
  readonly wallet: WalletParameters;
  /** Sealed with the key that is made. */
  readonly constraints: KeyConstraints;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface), walletName: displayName },
      optional: { tags, ...walletFields(surface), ...constraintFields(surface) },
    }),
    (value, path) => ({
      organizationId: value.organizationId,
      walletName: value.walletName,
      tags: value.tags ?? [],
      wallet: walletParameters(value, path),
      constraints: value.constraints ?? unconstrained,
    }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = wallet;
