import { recovery } from '../result-schemas.ts';
import { recoveryOf } from '../parameters/recovery.ts';

export const name = 'startRecovery';
export const kind = 'change';
export const summary =
  'Begins the recovery of an organization whose root keys are lost: as many guardians as it wants agree to a new root user.';

export const native = recoveryOf('native');
export const compatibility = recoveryOf('compatibility');
export const result = recovery;
