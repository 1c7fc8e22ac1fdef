import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';
import { bodyLimits } from '@keystead/protocol/request';
import type { ChangeContext } from '../context.ts';
import { assertUserPolicy } from '../policy-decision.ts';
import { recoveryResult } from '../recovery.ts';

export function change(context: ChangeContext<'startRecovery'>): unknown {
  const { request, pending, draft, organizationId, time } = context;
  assertUserPolicy(request.params.user.policy, 'params.user.policy');
  const { params } = parseStrictJson(pending.raw.body, bodyLimits) as { params: { user: JsonValue } };
  draft.write('recovery', '', { recovery: request.params.recovery, user: params.user });
  return recoveryResult(draft, organizationId, time);
}
