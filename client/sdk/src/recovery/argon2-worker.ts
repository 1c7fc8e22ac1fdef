import type { Stretch, StretchInput } from './argon2.ts';
import { stretchHere } from './argon2-here.ts';
import { RecoveryError } from './recovery-error.ts';

/**
 * In a worker where there are workers, and here where there are none. The worker's program is the package's
 * `recovery-worker`; bundlers find it by the form of this expression.
 */
export const stretch: Stretch = async (input, signal) => {
  if (typeof Worker === 'undefined') return await stretchHere(input);
  return await stretchIn(
    new Worker(new URL('./recovery-worker.js', import.meta.url), { type: 'module' }),
    input,
    signal,
  );
};

/** In a worker that an application started; it is ended afterwards. */
export async function stretchIn(
  worker: Worker,
  input: StretchInput,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  try {
    return await new Promise<Uint8Array>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<{ stretched?: Uint8Array }>) =>
        data.stretched === undefined
          ? reject(new RecoveryError('pin-not-stretched', { detail: 'the worker gave nothing' }))
          : resolve(data.stretched);
      worker.onerror = () =>
        reject(new RecoveryError('pin-not-stretched', { detail: 'the worker did not start, or ended' }));
      signal?.addEventListener('abort', () => reject(new RecoveryError('aborted')), { once: true });
      worker.postMessage(input);
    });
  } finally {
    worker.terminate();
  }
}
