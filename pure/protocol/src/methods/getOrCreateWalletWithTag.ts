import { wallet } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { id, name as displayName, tag } from '../parameters/text.ts';
import { type KeyConstraints, unconstrained } from '../key-constraints.ts';
import { constraintFields } from '../parameters/key-constraints.ts';
import { type WalletParameters, walletFields, walletParameters } from '../parameters/wallet.ts';

export const name = 'getOrCreateWalletWithTag';
export const kind = 'make';
export const summary = 'The wallet with a tag, made when there is none. Concurrent requests get one wallet.';

export interface Params {
  readonly organizationId: string;
  readonly walletName: string;
  readonly tag: string;
  /** Of the wallet to make; one that exists keeps its kind and length. */
  readonly wallet: WalletParameters;
  /** Sealed with the key that is made. */
  readonly constraints: KeyConstraints;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface), walletName: displayName, tag },
      optional: { ...walletFields(surface), ...constraintFields(surface) },
    }),
    (value, path) => ({
      organizationId: value.organizationId,
      walletName: value.walletName,
      tag: value.tag,
      wallet: walletParameters(value, path),
      constraints: value.constraints ?? unconstrained,
    }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = wallet;
