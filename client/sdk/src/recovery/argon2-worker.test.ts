import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StretchInput } from './argon2.ts';
import { stretchIn } from './argon2-worker.ts';

/** What a page has of a worker, which answers as it is told. */
function workerThat(answers: (worker: Worker) => void) {
  const state = { ended: false };
  const worker = {
    onmessage: null,
    onerror: null,
    postMessage: () => setImmediate(() => answers(worker)),
    terminate: () => {
      state.ended = true;
    },
  } as unknown as Worker;
  return { worker, state };
}

const input = {} as StretchInput;

test('a worker that does not start, or gives nothing, ends the call with an error that has a name, and is ended', async () => {
  for (const answers of [
    (worker: Worker) => worker.onerror!({} as ErrorEvent),
    (worker: Worker) => worker.onmessage!({ data: {} } as MessageEvent),
  ]) {
    const { worker, state } = workerThat(answers);
    await assert.rejects(stretchIn(worker, input), { name: 'RecoveryError', code: 'pin-not-stretched' });
    assert.ok(state.ended);
  }
  // Negative control.
  const stretched = new Uint8Array([1]);
  const { worker } = workerThat((one) => one.onmessage!({ data: { stretched } } as MessageEvent));
  assert.equal(await stretchIn(worker, input), stretched);
});

test('a call that is given up ends its worker', async () => {
  const { worker, state } = workerThat(() => {});
  const giving = new AbortController();
  const waiting = stretchIn(worker, input, giving.signal);
  giving.abort();
  await assert.rejects(waiting, { name: 'RecoveryError', code: 'aborted' });
  assert.ok(state.ended);
});
