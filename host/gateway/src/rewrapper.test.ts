import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openMemoryStore } from '@keystead/host-storage/memory/store-memory';
import { sealedRowHash, wrapRow, wrappingOf } from '@keystead/protocol/sealed-row';
import { Rewrapper, type RewrapperOptions } from './rewrapper.ts';

/** Rows differ by body and by number; the last byte is `body`. */
const rowOf = (generation: number, body: number, number = 0) =>
  wrapRow(
    { generation, nonce: new Uint8Array(12), wrappedKey: new Uint8Array(48) },
    new Uint8Array(64).fill(body).fill(number, 0, 1),
  );
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** Runs over these rows, with a signer that opens all but those with the body `damaged`, until the second pass is told. */
async function run(rows: readonly Uint8Array[], damaged: number) {
  const store = openMemoryStore();
  const secrets = rows.map((bytes) => ({ hash: sealedRowHash(bytes), bytes }));
  await store.commit([{ entries: [], nodes: [], secrets, owners: [] }]);
  const lines: { event: string; fields: Readonly<Record<string, unknown>> }[] = [];
  const send: RewrapperOptions['send'] = (message) => {
    if (message.type !== 'rewrap') return true;
    const opened = message.rows.filter(({ bytes }) => bytes.at(-1) !== damaged);
    const anew = opened.map(({ hash, bytes }) => ({ hash, bytes: rowOf(2, bytes.at(-1)!) }));
    queueMicrotask(() => rewrapper.rewrapped(message.id, anew));
    return true;
  };
  const told = Promise.withResolvers<void>();
  const rewrapper = new Rewrapper({
    store,
    send,
    settling: 1,
    pause: 1,
    report: (_level, event, fields = {}) => {
      lines.push({ event, fields });
      if (event === 'rewrapped') setImmediate(told.resolve);
    },
  });
  rewrapper.walletKeys({ newest: 2, oldest: 1 });
  await told.promise;
  rewrapper.stop();
  return { store, lines };
}

it('names the rows that open under no wallet key, at most sixteen of them, and wraps all others anew', async () => {
  const whole = [1, 2, 3].map((body) => rowOf(1, body));
  const { store, lines } = await run([...whole, rowOf(1, 99)], 99);
  for (const row of whole) assert.equal(wrappingOf((await store.secret(sealedRowHash(row)))!)?.generation, 2);
  const named = lines.filter(({ event }) => event === 'row-does-not-open');
  assert.deepEqual(
    named.map(({ fields }) => fields.row),
    [hex(sealedRowHash(rowOf(1, 99)))],
  );
  assert.equal(lines.find(({ event }) => event === 'rewrapped')?.fields.older, 1);

  const closed = Array.from({ length: 40 }, (_, index) => rowOf(1, 99, index));
  const { lines: crowded } = await run(closed, 99);
  assert.equal(crowded.filter(({ event }) => event === 'row-does-not-open').length, 16);
  assert.equal(crowded.find(({ event }) => event === 'rewrapped')?.fields.older, 40);
});

it('names none where every row opens', async () => {
  const { lines } = await run([rowOf(1, 1), rowOf(1, 2)], 99);
  assert.deepEqual(
    lines.filter(({ event }) => event === 'row-does-not-open'),
    [],
  );
});
