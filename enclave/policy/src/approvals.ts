import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';
import { type Approval, approvalSubject } from '@keystead/protocol/approval';
import { KmsError } from '@keystead/protocol/errors';
import { bodyLimits } from '@keystead/protocol/request';
import type { ApprovalCell } from './cells.ts';
import type { Draft } from './draft.ts';
import type { Pending } from './pending.ts';

/** spec/approval.md §4: what waits for others to agree, as cells of the organization. */

const lifetimeMilliseconds = 7 * 24 * 60 * 60 * 1000;
const maximumOpen = 128;
const maximumOpenOfUser = 16;
const maximumSubjectText = 65_536;

/** Opens the subject of a request that was refused with approval-required, so that others can see and approve it. */
export function openSubject(
  pending: Pending,
  draft: Draft,
  requestedBy: string,
  approvalsNeeded: number,
  time: number,
): string {
  const subject = base64urlEncode(approvalSubject(pending.organization, pending.raw.body));
  const known = openCell(draft, subject, time);
  if (known?.rejectedBy !== undefined) throw new KmsError('approval-rejected', {});
  if (known !== undefined) return subject;
  const { method, params } = parseStrictJson(pending.raw.body, bodyLimits) as {
    method: string;
    params: JsonValue;
  };
  if (pending.raw.body.length > maximumSubjectText)
    throw new KmsError('request-too-large', { detail: 'it is larger than what can wait for approvals' });
  const open = dropExpired(draft, time);
  if (
    open.length >= maximumOpen ||
    open.filter((one) => one.requestedBy === requestedBy).length >= maximumOpenOfUser
  )
    throw new KmsError('limit-approvals', {});
  draft.write('approvals', '', { open: [...open, { subject, requestedBy, createdAtMs: time }] });
  draft.write('approval', subject, {
    method,
    params,
    requestedBy,
    approvalsNeeded,
    createdAtMs: time,
    verdicts: [],
  });
  return subject;
}

/** The open subject, or undefined when there is none or its time is over. */
export function openCell(draft: Draft, subject: string, time: number): ApprovalCell | undefined {
  const cell = draft.cell('approval', subject);
  return cell === undefined || time >= cell.createdAtMs + lifetimeMilliseconds ? undefined : cell;
}

/** Approvals that a request carries are each a verdict of its open subject; then the subject is closed. */
export function consumeApprovals(
  pending: Pending,
  draft: Draft,
  approvals: readonly Approval[],
  time: number,
): void {
  if (approvals.length === 0) return;
  const subject = base64urlEncode(approvalSubject(pending.organization, pending.raw.body));
  const cell = openCell(draft, subject, time);
  if (cell === undefined)
    throw new KmsError('approval-invalid', {
      field: 'approvals',
      detail: 'no request waits for these approvals any more: one approval serves one request',
    });
  if (cell.rejectedBy !== undefined) throw new KmsError('approval-rejected', {});
  for (const [index, encoded] of pending.request.approvals.entries())
    if (!cell.verdicts.some(({ approval }) => equalBytes(base64urlDecode(approval), encoded)))
      throw new KmsError('approval-invalid', {
        field: `approvals[${index}]`,
        detail: 'it was not sent with approve, or its user has sent another since',
      });
  closeSubject(draft, subject, time);
}

function closeSubject(draft: Draft, subject: string, time: number): void {
  draft.write('approval', subject, undefined);
  draft.write('approvals', '', { open: dropExpired(draft, time).filter((one) => one.subject !== subject) });
}

/** What is still open; the cells of what is not go. */
function dropExpired(draft: Draft, time: number) {
  const open = draft.cell('approvals')?.open ?? [];
  return open.filter(({ subject, createdAtMs }) => {
    const isOpen = time < createdAtMs + lifetimeMilliseconds;
    if (!isOpen) draft.write('approval', subject, undefined);
    return isOpen;
  });
}
