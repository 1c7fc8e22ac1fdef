import { utf8Decode } from '@keystead/crypto/bytes';
import type { ParsedRequestOf } from '@keystead/protocol/request';
import { KmsError } from '@keystead/protocol/errors';
import { formatUuid } from '@keystead/protocol/ids';
import type { ReadContext } from '../context.ts';
import { assertWouldPass } from '../dry-run.ts';
import { encodeEffects, keyUseOf } from '../key-use.ts';
import { decideOn, refusalOf } from '../policy-decision.ts';

/** Effects and decision of a transaction that would be signed now; nothing is reserved and nothing is signed. */
export function read(context: ReadContext<'simulateTransaction'>): unknown {
  const { request, pending, state, caller, time } = context;
  const signing: ParsedRequestOf<'signTransaction'> = {
    ...request,
    method: 'signTransaction',
    kind: 'use',
    params: { ...request.params, policyName: null, maximumFee: null, submission: null },
    submission: null,
  };
  const asked = { ...pending, request: signing };
  const use = keyUseOf(asked, state, context.organizationOf, time);
  const { decision } = decideOn(asked, state, caller, use, time);
  const refusal =
    refusalOf(decision) === null ? besidesPolicies(asked, state, caller, use, decision, time) : null;
  const outcome = refusal === null ? decision.outcome : 'deny';
  const rule = refusal === null ? decision.rule : String(refusal.extra?.rule ?? refusal.code);
  const trace = refusal === null ? decision.trace : [...decision.trace, `${rule}: deny: ${refusal.detail}`];
  return {
    success: outcome === 'allow',
    simulationId: formatUuid(pending.identity.slice(0, 16)),
    effects: JSON.parse(utf8Decode(encodeEffects(use.effects))),
    decision: { outcome, rule, trace },
    ...(outcome === 'allow' ? {} : { error: trace.at(-1) ?? rule }),
  };
}

function besidesPolicies(...signing: Parameters<typeof assertWouldPass>): KmsError | null {
  try {
    assertWouldPass(...signing);
    return null;
  } catch (error) {
    if (error instanceof KmsError) return error;
    throw error;
  }
}
