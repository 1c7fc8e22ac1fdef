import { KmsError, toKmsError } from '@keystead/protocol/errors';

/** Names of spec/signer.md §3, in order. */
export const checkNames = [
  'ticket-mac',
  'receipt-mac',
  'receipt-age',
  'receipt-item',
  'head',
  'floor',
  'decision',
  'request',
  'body',
  'deployment',
  'authenticator',
  'stamp',
  'expiry',
  'parse',
  'fresh',
  'seen',
  'ceiling',
  'key-use',
  'grant',
  'wallet',
  'row',
  'bytes',
  'frozen',
  'constraint',
] as const;
export type CheckName = (typeof checkNames)[number];

/** The refusal of one check: `signer-refused` with the member `check`. */
export function refusal(check: CheckName, detail: string, cause?: unknown): KmsError {
  // What a later change took back is refused for ever: the caller must not send the same bytes again.
  const code =
    check === 'floor' ? 'request-superseded' : check === 'constraint' ? 'key-constraint' : 'signer-refused';
  return new KmsError(code, { detail, cause, extra: { check } });
}

/** Runs `test` as part of a check: what it throws becomes the check's refusal, with the code of the reason. */
export function within<T>(check: CheckName, test: () => T): T {
  try {
    return test();
  } catch (cause) {
    if (cause instanceof KmsError && (cause.code === 'signer-refused' || cause.code === 'request-superseded'))
      throw cause;
    const { code, detail } = toKmsError(cause);
    throw refusal(
      check,
      code === 'internal' ? 'What the check needs is not there.' : `${detail} (${code})`,
      cause,
    );
  }
}
