import { signedTransaction } from '../result-schemas.ts';
import { invalid, type Schema, transform } from '../schema.ts';
import { members } from '../surface.ts';
import {
  chainOfNetwork,
  network,
  type Submission,
  simulationConfig,
  submissionConfig,
} from '../parameters/network.ts';
import {
  type SigningParams,
  signingOptional,
  signingParams,
  signingRequired,
} from '../parameters/signing.ts';
import {
  amount,
  chainName,
  checkNetworkChain,
  compatibilityTransaction,
  forAccount,
  type TransactionBytes,
  transactionBytes,
} from '../parameters/transaction.ts';

export const name = 'signTransaction';
export const kind = 'use';
export const summary = 'Signs a transaction; sends it too when a network is named.';

export interface Params extends SigningParams {
  readonly transaction: TransactionBytes;
  /**
   * The highest fee that may be signed, in base units: what an approval allows, which leaves nonce and prices open
   * (spec/approval.md §1). Null leaves nothing open.
   */
  readonly maximumFee: bigint | null;
  /** Null signs without sending. */
  readonly submission: Submission | null;
}

export const native: Schema<Params> = transform(
  members('native', {
    required: { ...signingRequired('native'), chain: chainName, transaction: transactionBytes },
    optional: { ...signingOptional('native'), network, maximumFee: amount },
  }),
  (value, path) => {
    const shared = signingParams(value);
    const named = { chain: value.chain, bytes: value.transaction };
    const transaction = forAccount(named, shared.derivation, `${path}.chain`);
    if (value.network !== undefined) {
      checkNetworkChain(transaction.chain, chainOfNetwork(value.network), `${path}.network`);
    }
    if (value.maximumFee !== undefined && transaction.chain !== 'ethereum')
      throw invalid(`${path}.maximumFee`, 'stands only with a transaction of ethereum');
    return {
      ...shared,
      transaction,
      maximumFee: value.maximumFee ?? null,
      submission: value.network === undefined ? null : { network: value.network },
    };
  },
);

export const compatibility: Schema<Params> = transform(
  members('compatibility', {
    required: { ...signingRequired('compatibility'), transaction: compatibilityTransaction },
    optional: { ...signingOptional('compatibility'), submissionConfig, simulationConfig },
  }),
  (value, path) => {
    const shared = signingParams(value);
    const transaction = forAccount(value.transaction, shared.derivation, `${path}.transaction`);
    const submission = value.submissionConfig ?? null;
    if (submission !== null) {
      checkNetworkChain(transaction.chain, chainOfNetwork(submission.network), `${path}.submissionConfig`);
    }
    return { ...shared, transaction, maximumFee: null, submission };
  },
);

export const result = signedTransaction;
