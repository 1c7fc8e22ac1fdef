import { guardiansLeafKey, type GuardiansLeaf } from '@keystead/protocol/authority';
import { recoveryLifetimeMilliseconds } from '@keystead/protocol/recovery';
import type { Draft } from './draft.ts';
import { isoTime } from './results.ts';

const noGuardians: GuardiansLeaf = { guardians: [], threshold: 0, delay: 0, recoveries: 0, open: undefined };

/** The guardians and the recovery that runs, as they stand after the decision (spec/guardians.md). */
export function recoveryResult(state: Draft, organizationId: string, time: number): object {
  const found = state.leafAfter(guardiansLeafKey);
  const { guardians, threshold, delay, recoveries, open } = found?.leaf === 'guardians' ? found : noGuardians;
  const cell = state.cell('recovery');
  const runs = open !== undefined && time < open.completesAt + recoveryLifetimeMilliseconds;
  return {
    organizationId,
    guardians,
    threshold,
    delayMs: delay,
    recoveries,
    ...(runs && cell !== undefined
      ? {
          open: {
            recovery: recoveries,
            user: cell.user,
            agreed: open.agreed,
            startedAtMs: isoTime(open.startedAt),
            completesAtMs: isoTime(Math.max(open.completesAt, open.startedAt + delay)),
            endsAtMs: isoTime(open.completesAt + recoveryLifetimeMilliseconds),
          },
        }
      : {}),
  };
}
