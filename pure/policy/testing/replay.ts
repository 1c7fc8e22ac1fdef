import assert from 'node:assert/strict';
import { compilePolicy } from '@keystead/policy/compile-policy';
import {
  type DecisionReceipt,
  receiptText,
  usageOfReceipt,
  verifyReceipt,
} from '@keystead/policy/decision-receipt';
import { EvaluationContext } from '@keystead/policy/evaluation';
import { compileCondition, isTrue } from '@keystead/policy/language/compile-condition';
import type { Condition, PolicyDocument } from '@keystead/policy/language/document';
import { usedAfter } from '@keystead/policy/limits';

/** What the receipt of a counterexample holds is enough to decide again, and to see that it is what was asked for. */
export function assertReplays(
  document: PolicyDocument,
  never: Condition,
  receipt: DecisionReceipt,
  message = '',
): void {
  assert.equal(verifyReceipt(receiptText(receipt)), true, message);
  assert.deepEqual(receipt.policies, [{ name: 'policy', document }], message);
  assert.equal(receipt.decision.outcome, 'allow', message);
  const usage = usageOfReceipt(receipt);
  const policy = compilePolicy('policy', document);
  const context: EvaluationContext = new EvaluationContext(receipt.request, receipt.now, (id) =>
    usedAfter(policy.limitsById.get(id)!, context, usage, 0),
  );
  assert.equal(compileCondition(never, document.lists ?? {})(context), isTrue, message);
}
