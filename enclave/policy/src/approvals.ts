import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';
import { type Approval, approvalSubject, requesterOf } from '@keystead/protocol/approval';
import type { Caller } from '@keystead/protocol/authenticate';
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
  caller: Caller,
  waits: { readonly approvalsNeeded: number; readonly delaySeconds: number },
  time: number,
): string {
  const requester = requesterOf(caller);
  const requestedBy = requester.username;
  const subject = subjectOf(pending, caller);
  const known = openCell(draft, subject, time);
  if (known?.rejectedBy !== undefined) throw new KmsError('approval-rejected', {});
  const { approvalsNeeded, delaySeconds } = waits;
  // Who saw it wait for approvals alone did not see that it would pass by itself: a delay begins when it is announced.
  if (known !== undefined && (delaySeconds === 0 || known.delaySeconds !== undefined)) return subject;
  const { method, params } = parseStrictJson(pending.raw.body, bodyLimits) as {
    method: string;
    params: JsonValue;
  };
  if (pending.raw.body.length > maximumSubjectText)
    throw new KmsError('request-too-large', { detail: 'it is larger than what can wait for approvals' });
  const delayed = delaySeconds === 0 ? {} : { delaySeconds };
  const open = dropExpired(draft, time).filter((one) => one.subject !== subject);
  if (
    open.length >= maximumOpen ||
    open.filter((one) => one.requestedBy === requestedBy).length >= maximumOpenOfUser
  )
    throw new KmsError('limit-approvals', {});
  draft.write('approvals', '', { open: [...open, { subject, requestedBy, createdAtMs: time, ...delayed }] });
  draft.write('approval', subject, {
    method,
    params,
    requestedBy,
    requestedByAuthenticator: requester.authenticatorId,
    approvalsNeeded: Math.max(approvalsNeeded, known?.approvalsNeeded ?? 0),
    ...delayed,
    createdAtMs: time,
    verdicts: known?.verdicts ?? [],
  });
  return subject;
}

/** What waits for a delay is open for as long after it as what waits for approvals only. */
const endOf = (waiting: { readonly createdAtMs: number; readonly delaySeconds?: number }): number =>
  waiting.createdAtMs + (waiting.delaySeconds ?? 0) * 1000 + lifetimeMilliseconds;

/** The open subject, or undefined when there is none or its time is over. */
export function openCell(draft: Draft, subject: string, time: number): ApprovalCell | undefined {
  const cell = draft.cell('approval', subject);
  return cell === undefined || time >= endOf(cell) ? undefined : cell;
}

/** What the request waited for is used up: its approvals, and its delay. Throws KmsError. */
export function consumeWaiting(
  pending: Pending,
  draft: Draft,
  caller: Caller | null,
  approvals: readonly Approval[],
  delaySeconds: number,
  time: number,
): void {
  // Nobody waits for the founding of an organization.
  if (caller === null) return;
  if (approvals.length > 0) consumeApprovals(pending, draft, caller, time);
  else if (delaySeconds > 0) closeSubject(draft, subjectOf(pending, caller), time);
}

const subjectOf = ({ organization, raw }: Pending, caller: Caller): string =>
  base64urlEncode(approvalSubject(organization, requesterOf(caller), raw.body));

/** Approvals that a request carries are each a verdict of its open subject; then the subject is closed. */
function consumeApprovals(pending: Pending, draft: Draft, caller: Caller, time: number): void {
  const subject = subjectOf(pending, caller);
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

/**
 * A request that policies let pass after a delay has waited since its subject was opened with one, and nobody has rejected it.
 * Throws KmsError delay-required.
 */
export function assertWaited(
  pending: Pending,
  draft: Draft,
  caller: Caller | null,
  delaySeconds: number,
  time: number,
): void {
  if (delaySeconds === 0) return;
  const open =
    caller !== null && pending.request.surface === 'native'
      ? openCell(draft, subjectOf(pending, caller), time)
      : undefined;
  const cell = open?.delaySeconds === undefined ? undefined : open;
  const releaseAt = (cell?.createdAtMs ?? time) + delaySeconds * 1000;
  if (cell === undefined || cell.rejectedBy !== undefined || time < releaseAt)
    throw delayRequired(delaySeconds, releaseAt);
}

export function delayRequired(delaySeconds: number, releaseAt: number): KmsError {
  const releaseAtMs = new Date(releaseAt).toISOString();
  return new KmsError('delay-required', {
    detail: `it waits until ${releaseAtMs}`,
    extra: { delaySeconds, releaseAtMs },
  });
}

function closeSubject(draft: Draft, subject: string, time: number): void {
  draft.write('approval', subject, undefined);
  draft.write('approvals', '', { open: dropExpired(draft, time).filter((one) => one.subject !== subject) });
}

/** What is still open; the cells of what is not go. */
function dropExpired(draft: Draft, time: number) {
  const open = draft.cell('approvals')?.open ?? [];
  return open.filter((waiting) => {
    const isOpen = time < endOf(waiting);
    if (!isOpen) draft.write('approval', waiting.subject, undefined);
    return isOpen;
  });
}
