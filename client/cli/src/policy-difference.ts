import { canonicalize } from '@keystead/crypto/canonical-json';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { type DecisionReceipt, receiptText } from '@keystead/policy/decision-receipt';
import { allowedOnlyBy, type Difference } from '@keystead/policy/difference';
import type { PolicyDocument } from '@keystead/policy/language/document';

export interface PolicyDifference {
  /** The two are the same document. */
  readonly same: boolean;
  /** What the new policy allows and the old one does not. */
  readonly gained: Difference;
  /** What the old policy allows and the new one does not. */
  readonly lost: Difference;
}

export function policyDifference(before: PolicyDocument, after: PolicyDocument): PolicyDifference {
  const textOf = (document: PolicyDocument): string => canonicalize(document as unknown as JsonValue);
  if (textOf(before) === textOf(after))
    return { same: true, gained: { result: 'none' }, lost: { result: 'none' } };
  return { same: false, gained: allowedOnlyBy(after, before), lost: allowedOnlyBy(before, after) };
}

/** With receipts as they are verified: `policy explain --receipt` decides them again. */
export function differenceJson({ same, gained, lost }: PolicyDifference): object {
  const side = (difference: Difference): object =>
    difference.result === 'example'
      ? { result: 'example', allowed: plain(difference.allowed), denied: plain(difference.denied) }
      : difference;
  return { same, gained: side(gained), lost: side(lost) };
}

export function differenceText({ same, gained, lost }: PolicyDifference): string {
  if (same) return 'the same policy';
  return [side('new', gained), side('gone', lost)].join('\n');
}

function side(what: string, difference: Difference): string {
  switch (difference.result) {
    case 'none':
      return `${what}: nothing, proven`;
    case 'unknown':
      return `${what}: not decided: ${difference.why}`;
    case 'example': {
      const { request, now, decision, usage } = difference.denied;
      const spent = usage.spent.filter(({ sum }) => sum !== 0n);
      const facts = { now: new Date(now).toISOString(), request, ...(spent.length === 0 ? {} : { spent }) };
      return `${what}: for example\n${JSON.stringify(facts, integers, 2)}\n  which the other denies: ${decision.trace.at(-1)!}`;
    }
  }
}

const plain = (receipt: DecisionReceipt): object => JSON.parse(receiptText(receipt)) as object;

/** Integers as decimal strings, sets as lists. */
function integers(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Set ? [...value] : value;
}
