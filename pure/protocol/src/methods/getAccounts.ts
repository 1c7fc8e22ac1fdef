import { derivedAccount, list } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { type Derivation, derivations } from '../parameters/derivation.ts';
import { id } from '../parameters/text.ts';

export const name = 'getAccounts';
export const kind = 'use';
export const summary = 'Addresses and public keys of a wallet; stated by the signer.';

export interface Params {
  readonly organizationId: string;
  readonly walletId: string;
  /** Empty for a single-key wallet. */
  readonly accounts: readonly Derivation[];
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface), walletId: id(surface), accounts: derivations(surface) },
    }),
    (value) => value,
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = list(derivedAccount);
