import { approvalRequired } from '@keystead/protocol/approval';
import type { Caller } from '@keystead/protocol/authenticate';
import { assertMayAct } from '@keystead/protocol/authority-change/who-may';
import type { PolicyDecision } from '@keystead/policy/decide';
import { delayRequired } from './approvals.ts';
import type { Draft } from './draft.ts';
import { assertWithinConstraints, type Use } from './key-use.ts';
import type { Pending } from './pending.ts';

/**
 * What refuses a signature besides the policies that have let it pass: consent that nobody gave yet, the ceiling of the stamping
 * key, a freeze, the constraints of the wallet's key. Throws KmsError, NeedRows.
 */
export function assertWouldPass(
  signing: Pending,
  state: Draft,
  caller: Caller,
  use: Use,
  { approvalsNeeded, delaySeconds }: PolicyDecision,
  time: number,
): void {
  if (approvalsNeeded > 0) throw approvalRequired(approvalsNeeded, 0, delaySeconds);
  if (delaySeconds > 0) throw delayRequired(delaySeconds, time + delaySeconds * 1000);
  assertWithinConstraints(signing, use);
  assertMayAct({ request: signing.request, caller, approvals: [], read: state.leaf });
}
