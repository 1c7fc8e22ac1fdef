import { wallet } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members } from '../surface.ts';
import { type Derivation, derivations } from '../parameters/derivation.ts';
import { id, tag } from '../parameters/text.ts';
import { accountsOf, walletFields, walletParameters } from '../parameters/wallet.ts';

export const name = 'getWalletWithTag';
export const kind = 'use';
export const summary = 'The wallet with a tag and accounts of it.';

export interface Params {
  readonly organizationId: string;
  readonly tag: string;
  /** Null for the accounts that the wallet was made with. */
  readonly accounts: readonly Derivation[] | null;
}

export const native: Schema<Params> = transform(
  members('native', {
    required: { organizationId: id('native'), tag },
    optional: { accounts: derivations('native') },
  }),
  (value) => ({ organizationId: value.organizationId, tag: value.tag, accounts: value.accounts ?? null }),
);

// Clients may send the members that describe a new wallet; they are checked and have no bearing on one that exists.
export const compatibility: Schema<Params> = transform(
  members('compatibility', {
    required: { organizationId: id('compatibility'), tag },
    optional: walletFields('compatibility'),
  }),
  (value, path) => {
    walletParameters(value, path);
    return { organizationId: value.organizationId, tag: value.tag, accounts: accountsOf(value, path) };
  },
);

export const result = wallet;
