import type { ReadContext } from '../context.ts';
import { recoveryResult } from '../recovery.ts';

export function read({ state, organizationId, time }: ReadContext<'getRecovery'>): unknown {
  return recoveryResult(state, organizationId, time);
}
