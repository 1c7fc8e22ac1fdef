import { prepared } from '../result-schemas.ts';
import { type Schema, string, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import {
  chainOfNetwork,
  type Submission,
  simulationConfig,
  submissionConfig,
} from '../parameters/network.ts';
import { id } from '../parameters/text.ts';
import { type TransactionBytes, transactionBytes } from '../parameters/transaction.ts';

export const name = 'prepareTransaction';
export const kind = 'read';
export const summary = 'The body of /v1/wallets/prepare: what would be decided. Returns the bytes unaltered.';

export interface Params {
  readonly organizationId: string;
  readonly transaction: TransactionBytes;
  readonly submission: Submission;
  /** Address that pays and signs, as the chain writes it; null when the request names none. */
  readonly account: string | null;
  /** Text of the stamping key as the client shows it; the stamp alone counts. */
  readonly authenticatorPublicKey: string | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { organizationId: id(surface), transaction: transactionBytes, submissionConfig },
      optional: {
        simulationConfig,
        authenticatorPublicKey: string({
          min: 1,
          max: 128,
          pattern: /^[A-Za-z0-9_-]+$/,
          description: 'a public key',
        }),
      },
    }),
    (value) => ({
      organizationId: value.organizationId,
      transaction: {
        chain: chainOfNetwork(value.submissionConfig.network) ?? null,
        bytes: value.transaction,
      },
      submission: value.submissionConfig,
      account: value.simulationConfig?.account ?? null,
      authenticatorPublicKey: value.authenticatorPublicKey ?? null,
    }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = prepared;
