import { base64urlEncode } from '@keystead/crypto/base64url';
import { KmsError } from '@keystead/protocol/errors';
import { openCell } from '../approvals.ts';
import type { ChangeContext } from '../context.ts';
import { approvalResult } from '../results.ts';

const maximumVerdicts = 16;
const maximumApprovalBytes = 8192;

export function change({ request, draft, caller, encoded, time }: ChangeContext<'approve'>): unknown {
  const subject = base64urlEncode(request.params.subject);
  const cell = openCell(draft, subject, time);
  if (cell === undefined || caller === null)
    throw new KmsError('approval-not-found', { field: 'params.subject' });
  if (encoded.length > maximumApprovalBytes)
    throw new KmsError('request-too-large', {
      detail: 'it could not be carried by the request that it approves',
    });
  const { username } = caller.user;
  const { verdict, expiresInMs } = request.params;
  const authenticatorKey = base64urlEncode(caller.authenticator.publicKey);
  const verdicts = [
    ...cell.verdicts.filter((one) => one.authenticatorKey !== authenticatorKey),
    {
      username,
      authenticatorKey,
      verdict,
      expiresAtMs: time + expiresInMs,
      approval: base64urlEncode(encoded),
    },
  ];
  if (verdicts.length > maximumVerdicts) throw new KmsError('limit-approvals', {});
  const updated = { ...cell, verdicts, ...(verdict === 'reject' ? { rejectedBy: username } : {}) };
  draft.write('approval', subject, updated);
  return approvalResult(subject, updated);
}
