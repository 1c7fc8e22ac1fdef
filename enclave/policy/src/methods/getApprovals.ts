import { base64urlEncode } from '@keystead/crypto/base64url';
import { KmsError } from '@keystead/protocol/errors';
import { openCell } from '../approvals.ts';
import type { ReadContext } from '../context.ts';
import { approvalResult } from '../results.ts';

export function read({ request, state, time }: ReadContext<'getApprovals'>): unknown {
  const named = request.params.subject;
  const subjects =
    named === null
      ? (state.cell('approvals')?.open ?? []).map(({ subject }) => subject)
      : [base64urlEncode(named)];
  const approvals = subjects.flatMap((subject) => {
    const cell = openCell(state, subject, time);
    return cell === undefined
      ? []
      : [approvalResult(subject, named === null ? { ...cell, verdicts: [] } : cell)];
  });
  if (named !== null && approvals.length === 0)
    throw new KmsError('approval-not-found', { field: 'params.subject' });
  return { approvals };
}
