import { utf8Decode } from '@keystead/crypto/bytes';
import type { ParsedRequestOf } from '@keystead/protocol/request';
import { formatUuid } from '@keystead/protocol/ids';
import type { ReadContext } from '../context.ts';
import { encodeEffects, keyUseOf } from '../key-use.ts';
import { decideOn } from '../policy-decision.ts';

/** Effects and decision of a transaction that would be signed now; nothing is reserved and nothing is signed. */
export function read(context: ReadContext<'simulateTransaction'>): unknown {
  const { request, pending, state, caller, time } = context;
  const signing: ParsedRequestOf<'signTransaction'> = {
    ...request,
    method: 'signTransaction',
    kind: 'use',
    params: { ...request.params, policyName: null, submission: null },
    submission: null,
  };
  const asked = { ...pending, request: signing };
  const use = keyUseOf(asked, state, context.organizationOf, time);
  const { decision } = decideOn(asked, state, caller, use, time);
  return {
    success: decision.outcome === 'allow',
    simulationId: formatUuid(pending.identity.slice(0, 16)),
    effects: JSON.parse(utf8Decode(encodeEffects(use.effects))),
    decision: { outcome: decision.outcome, rule: decision.rule, trace: decision.trace },
    ...(decision.outcome === 'allow' ? {} : { error: decision.trace.at(-1) ?? decision.rule }),
  };
}
