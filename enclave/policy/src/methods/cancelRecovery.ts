import type { ChangeContext } from '../context.ts';
import { recoveryResult } from '../recovery.ts';

export function change({ draft, organizationId, time }: ChangeContext<'cancelRecovery'>): unknown {
  draft.write('recovery', '', undefined);
  return recoveryResult(draft, organizationId, time);
}
