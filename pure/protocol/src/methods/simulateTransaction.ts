import { preview } from '../result-schemas.ts';
import { oneOf, type Schema, transform } from '../schema.ts';
import { members } from '../surface.ts';
import { integers } from '../parameters/bytes.ts';
import { type Derivation, derivation } from '../parameters/derivation.ts';
import { id } from '../parameters/text.ts';
import {
  boundedTransaction,
  chainName,
  compatibilityTransaction,
  forAccount,
  type TransactionBytes,
  transactionBytes,
} from '../parameters/transaction.ts';

export const name = 'simulateTransaction';
export const kind = 'read';
export const summary =
  'The body of /v1/wallets/simulations, and a method of /v1/rpc: effects and decision, nothing more.';

export interface Params {
  readonly organizationId: string;
  readonly walletId: string;
  readonly transaction: TransactionBytes;
  readonly derivation: Derivation | null;
}

export const native: Schema<Params> = transform(
  members('native', {
    required: {
      organizationId: id('native'),
      walletId: id('native'),
      chain: chainName,
      transaction: transactionBytes,
    },
    optional: { derivationInfo: derivation('native') },
  }),
  (value, path) => {
    const account = value.derivationInfo ?? null;
    return {
      organizationId: value.organizationId,
      walletId: value.walletId,
      transaction: forAccount({ chain: value.chain, bytes: value.transaction }, account, `${path}.chain`),
      derivation: account,
    };
  },
);

const asIntegers: Schema<TransactionBytes> = transform(integers(boundedTransaction), (bytes) => ({
  chain: null,
  bytes,
}));

export const compatibility: Schema<Params> = transform(
  members('compatibility', {
    required: {
      organizationId: id('compatibility'),
      walletId: id('compatibility'),
      transaction: oneOf(asIntegers, compatibilityTransaction),
    },
    optional: { derivationInfo: derivation('compatibility') },
  }),
  (value, path) => {
    const account = value.derivationInfo ?? null;
    return {
      organizationId: value.organizationId,
      walletId: value.walletId,
      transaction: forAccount(value.transaction, account, `${path}.transaction`),
      derivation: account,
    };
  },
);

export const result = preview;
