import type { JsonValue } from '@keystead/crypto/strict-json';

/** What the network said: the host's word, which no enclave states. */
export function submissionOf(submission: JsonValue | undefined): {
  readonly hash?: string;
  readonly failure?: { readonly detail: string; readonly hint: string };
} {
  const answer = (submission ?? {}) as { result?: JsonValue; error?: { message?: JsonValue } };
  if (typeof answer.result === 'string') return { hash: answer.result };
  const said = typeof answer.error?.message === 'string' ? `: ${answer.error.message}` : '';
  return {
    failure: {
      detail: `signed, but the network is not known to have taken it${said}`,
      hint: 'look for the transaction on the chain before making another; sending these bytes again does no harm',
    },
  };
}
