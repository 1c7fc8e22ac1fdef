import { recovery } from '../result-schemas.ts';
import { recoveryOf } from '../parameters/recovery.ts';

export const name = 'completeRecovery';
export const kind = 'change';
export const summary = 'Makes the new root user after the delay, unless somebody has cancelled.';

export const native = recoveryOf('native');
export const compatibility = recoveryOf('compatibility');
export const result = recovery;
