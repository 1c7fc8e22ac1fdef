import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FromHeads, maximumHeadsRecordBytes, ToHeads } from '@keystead/protocol/heads';
import { openHeadsStream } from './heads-stream.ts';
import type { FrameStream } from './stream.ts';

/** The certifier's end over a stream whose other end is the test. */
function keeper() {
  const asked: ToHeads[] = [];
  const failures: string[] = [];
  let received: (payloads: readonly Uint8Array[]) => void = () => {};
  let closed: (reason: string) => void = () => {};
  const stream = {
    start: (onPayloads: typeof received, onClosed: typeof closed) => {
      received = onPayloads;
      closed = onClosed;
    },
    send: (payload: Uint8Array) => asked.push(ToHeads.decode(payload)),
  } as unknown as FrameStream;
  const port = openHeadsStream(
    stream,
    () => {},
    (reason) => failures.push(reason),
  );
  return {
    asked,
    failures,
    port,
    answer: (...messages: FromHeads[]) => received(messages.map((message) => FromHeads.encode(message))),
    bytes: (payload: Uint8Array) => received([payload]),
    close: () => closed('end'),
  };
}

describe('the heads port', () => {
  it('joins the parts of a load and of a snapshot', async () => {
    const { port, answer, asked, failures } = keeper();
    const loading = port.load();
    const part = { type: 'loaded' as const, snapshotSequence: 4, records: [], last: false };
    answer({ ...part, snapshot: new Uint8Array([1]) }, { ...part, snapshot: new Uint8Array([2, 3]) });
    const record = { sequence: 5, record: new Uint8Array([9]) };
    answer({ ...part, snapshot: undefined, records: [record], last: true });
    assert.deepEqual(await loading, {
      snapshot: new Uint8Array([1, 2, 3]),
      snapshotSequence: 4,
      records: [record],
    });

    const state = new Uint8Array(maximumHeadsRecordBytes + 1);
    const snapshotting = port.snapshot(5, state);
    const parts = asked.filter((message) => message.type === 'snapshot');
    assert.deepEqual(
      parts.map((message) => [message.bytes.length, message.last]),
      [
        [maximumHeadsRecordBytes, false],
        [1, true],
      ],
    );
    answer({ type: 'snapshotted', sequence: 5 });
    await snapshotting;
    assert.deepEqual(failures, []);
  });

  it('resolves appends in the order they were made', async () => {
    const { port, answer } = keeper();
    const order: number[] = [];
    const first = port.append(1, new Uint8Array([1])).then(() => order.push(1));
    const second = port.append(2, new Uint8Array([2])).then(() => order.push(2));
    answer({ type: 'appended', sequence: 1 });
    await first;
    assert.deepEqual(order, [1]);
    answer({ type: 'appended', sequence: 2 });
    await second;
    assert.deepEqual(order, [1, 2]);
  });

  it('fails on a refusal, a lost keeper, another answer and an answer to nothing', () => {
    const refused = keeper();
    void refused.port.append(1, new Uint8Array([1]));
    refused.answer({ type: 'refused', code: 'sequence', detail: '' });
    assert.deepEqual(refused.failures, ['heads-refused-sequence']);

    const lost = keeper();
    lost.close();
    assert.deepEqual(lost.failures, ['heads-closed']);

    const other = keeper();
    void other.port.append(2, new Uint8Array([1]));
    other.answer({ type: 'appended', sequence: 1 });
    assert.deepEqual(other.failures, ['heads-malformed']);

    const unasked = keeper();
    unasked.answer({ type: 'appended', sequence: 1 });
    assert.deepEqual(unasked.failures, ['heads-unasked']);

    const malformed = keeper();
    malformed.bytes(new Uint8Array([99]));
    assert.deepEqual(malformed.failures, ['heads-malformed']);
  });
});
