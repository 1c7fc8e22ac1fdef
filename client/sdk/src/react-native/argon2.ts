import type { Stretch } from '../recovery/argon2.ts';
import { RecoveryError } from '../recovery/recovery-error.ts';

/**
 * React Native has no worker, no WebAssembly and no thread pool of its own: Argon2 in JavaScript would hold the application
 * up for many seconds. A native module does it, and the application names it.
 */
export const stretch: Stretch = () =>
  Promise.reject(
    new RecoveryError('pin-not-stretched', {
      detail: 'in React Native pass stretch, Argon2id of a native module',
    }),
  );
