import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Store, StoreBatch } from './store.ts';
import { StoreError, type StoreErrorCode } from './store-error.ts';

/** How the suite reaches an adapter. A location is whatever the adapter opens: a path, a database URL. */
export interface StoreTarget {
  /** A fresh, empty place. */
  fresh(): Promise<string>;
  open(location: string): Promise<Store>;
  remove(location: string): Promise<void>;
  /**
   * For stores that outlive their process: URL of a module whose export `openStore(location)` opens one.
   * The suite runs it in a child process that it kills.
   */
  durable?: string;
}

const committer = fileURLToPath(new URL('./conformance-committer.ts', import.meta.url));
const greatestPosition = 2 ** 53 - 1;

/** The behaviour that every Store adapter owes, as node:test cases. */
export function storeConformance(name: string, target: StoreTarget): void {
  describe(`store conformance: ${name}`, () => {
    const inFreshStore = (act: (store: Store) => Promise<void>) => async (context: TestContext) => {
      const location = await target.fresh();
      context.after(() => target.remove(location));
      const store = await target.open(location);
      context.after(() => store.close());
      await act(store);
    };

    it(
      'answers nothing for what was never committed',
      inFreshStore(async (store) => {
        assert.deepEqual(await store.entries(organization(1), 0, 10), []);
        assert.equal(await store.entry(organization(1), 0), undefined);
        assert.equal(await store.newestCheckpoint(organization(1), greatestPosition), undefined);
        assert.equal(await store.node(hash('n')), undefined);
        assert.equal(await store.secret(hash('s')), undefined);
        assert.equal(await store.ownerOf('w'), undefined);
        assert.deepEqual(await store.organizations(undefined, 10), []);
        assert.equal((await store.usage()).entries, 0);
      }),
    );

    it(
      'gives back every kind of row as it was committed',
      inFreshStore(async (store) => {
        await store.commit([
          batch({
            entries: [entry(1, 7, 'seven')],
            nodes: [{ hash: hash('n'), bytes: text('node') }],
            secrets: [{ hash: hash('s'), bytes: text('sealed') }],
            owners: [{ walletId: 'wallet', organization: organization(1) }],
          }),
        ]);
        assertBytes(await store.entry(organization(1), 7), text('seven'));
        assertBytes(await store.node(hash('n')), text('node'));
        assertBytes(await store.secret(hash('s')), text('sealed'));
        assertBytes(await store.ownerOf('wallet'), organization(1));
      }),
    );

    it(
      'keeps nodes and secrets apart, and one organization from another',
      inFreshStore(async (store) => {
        await store.commit([
          batch({ entries: [entry(1, 1, 'a')], nodes: [{ hash: hash('x'), bytes: text('node') }] }),
        ]);
        assert.equal(await store.secret(hash('x')), undefined);
        assert.equal(await store.entry(organization(2), 1), undefined);
        assert.deepEqual(await store.entries(organization(2), 0, 10), []);
        assert.equal(await store.node(hash('y')), undefined);
      }),
    );

    it(
      'pages through secrets in ascending order of hash, and keeps the later of two under one hash',
      inFreshStore(async (store) => {
        const hashes = ['c', 'a', 'e', 'b', 'd'].map(hash);
        const first = hashes.map((each) => ({ hash: each, bytes: text('first') }));
        await store.commit([batch({ secrets: first })]);
        await store.commit([batch({ secrets: [{ hash: hash('b'), bytes: text('second') }] })]);
        const ascending = hashes.sort((a, b) => Buffer.compare(a, b));
        const paged: { hash: Uint8Array; bytes: Uint8Array }[] = [];
        for (;;) {
          const page = await store.secrets(paged.at(-1)?.hash, 2);
          if (page.length === 0) break;
          assert.ok(page.length <= 2);
          paged.push(...page);
        }
        assert.deepEqual(
          paged.map((row) => Buffer.from(row.hash)),
          ascending.map((each) => Buffer.from(each)),
        );
        for (const row of paged)
          assertBytes(row.bytes, text(Buffer.compare(row.hash, hash('b')) === 0 ? 'second' : 'first'));
      }),
    );

    it(
      'answers entries in ascending order of position, from a position, up to a limit',
      inFreshStore(async (store) => {
        const positions = [300, 2, 10, 1, 256, 255, 65536, 9];
        await store.commit(positions.map((at) => batch({ entries: [entry(1, at, `e${at}`)] })));
        await store.commit([batch({ entries: [entry(2, 11, 'other')] })]);
        const ascending = [...positions].sort((a, b) => a - b);
        const all = await store.entries(organization(1), 0, 100);
        assert.deepEqual(
          all.map((row) => row.position),
          ascending,
        );
        for (const row of all) assertBytes(row.bytes, text(`e${row.position}`));
        const some = await store.entries(organization(1), 10, 3);
        assert.deepEqual(
          some.map((row) => row.position),
          [10, 255, 256],
        );
        assert.deepEqual(await store.entries(organization(1), 0, 0), []);
        assert.deepEqual(await store.entries(organization(1), 65537, 5), []);
      }),
    );

    it(
      'keeps positions up to 2^53-1 exactly',
      inFreshStore(async (store) => {
        const positions = [0, 2 ** 31, 2 ** 32, greatestPosition - 1, greatestPosition];
        await store.commit([
          batch({ entries: positions.map((at) => ({ ...entry(1, at, `e${at}`), checkpoint: true })) }),
        ]);
        const all = await store.entries(organization(1), 0, 10);
        assert.deepEqual(
          all.map((row) => row.position),
          positions,
        );
        for (const at of positions) assertBytes(await store.entry(organization(1), at), text(`e${at}`));
        assert.equal(await store.newestCheckpoint(organization(1), greatestPosition), greatestPosition);
        assert.equal(
          await store.newestCheckpoint(organization(1), greatestPosition - 1),
          greatestPosition - 1,
        );
      }),
    );

    it(
      'finds the newest checkpoint at or below a position, of that organization only',
      inFreshStore(async (store) => {
        await store.commit([
          batch({
            entries: [
              ...[1, 2, 3, 4, 5, 6].map((at) => ({ ...entry(1, at, 'e'), checkpoint: at % 2 === 0 })),
              { ...entry(2, 5, 'e'), checkpoint: true },
            ],
          }),
        ]);
        assert.equal(await store.newestCheckpoint(organization(1), 1), undefined);
        assert.equal(await store.newestCheckpoint(organization(1), 2), 2);
        assert.equal(await store.newestCheckpoint(organization(1), 5), 4);
        assert.equal(await store.newestCheckpoint(organization(1), greatestPosition), 6);
        assert.equal(await store.newestCheckpoint(organization(3), 6), undefined);
      }),
    );

    it(
      'replaces a tail that never reached a head, its checkpoint mark included',
      inFreshStore(async (store) => {
        await store.commit([
          batch({ entries: [1, 2, 3].map((at) => ({ ...entry(1, at, `old${at}`), checkpoint: at === 2 })) }),
        ]);
        await store.commit([
          batch({ entries: [2, 3].map((at) => ({ ...entry(1, at, `new${at}`), checkpoint: at === 3 })) }),
        ]);
        assertBytes(await store.entry(organization(1), 1), text('old1'));
        assertBytes(await store.entry(organization(1), 2), text('new2'));
        assertBytes(await store.entry(organization(1), 3), text('new3'));
        assert.equal(await store.newestCheckpoint(organization(1), 2), undefined);
        assert.equal(await store.newestCheckpoint(organization(1), 3), 3);
        assert.equal((await store.usage()).entries, 3);
      }),
    );

    it(
      'keeps the later of two rows with one key, within a commit and across commits',
      inFreshStore(async (store) => {
        await store.commit([
          batch({
            entries: [entry(1, 1, 'first')],
            nodes: [{ hash: hash('n'), bytes: text('damaged') }],
            owners: [{ walletId: 'w', organization: organization(1) }],
          }),
          batch({ entries: [entry(1, 1, 'second')] }),
        ]);
        assertBytes(await store.entry(organization(1), 1), text('second'));
        assert.equal((await store.usage()).entries, 1);
        await store.commit([
          batch({
            nodes: [{ hash: hash('n'), bytes: text('whole') }],
            secrets: [
              { hash: hash('s'), bytes: text('damaged') },
              { hash: hash('s'), bytes: text('whole') },
            ],
            owners: [{ walletId: 'w', organization: organization(2) }],
          }),
        ]);
        assertBytes(await store.node(hash('n')), text('whole'));
        assertBytes(await store.secret(hash('s')), text('whole'));
        assertBytes(await store.ownerOf('w'), organization(2));
      }),
    );

    it(
      'keeps nothing of a commit when one batch of it is refused',
      inFreshStore(async (store) => {
        await store.commit([batch({ entries: [entry(1, 1, 'before')] })]);
        const good = batch({
          entries: [entry(1, 1, 'after'), entry(1, 2, 'after')],
          nodes: [{ hash: hash('n'), bytes: text('node') }],
          secrets: [{ hash: hash('s'), bytes: text('sealed') }],
          owners: [{ walletId: 'w', organization: organization(1) }],
        });
        const short = new Uint8Array(31);
        for (const bad of [
          batch({ entries: [{ ...entry(1, 3, 'x'), organization: new Uint8Array(15) }] }),
          batch({ entries: [entry(1, -1, 'x')] }),
          batch({ entries: [entry(1, 1.5, 'x')] }),
          batch({ entries: [entry(1, greatestPosition + 1, 'x')] }),
          batch({ nodes: [{ hash: short, bytes: text('x') }] }),
          batch({ secrets: [{ hash: short, bytes: text('x') }] }),
          batch({ owners: [{ walletId: 'v', organization: short }] }),
          batch({ owners: [{ walletId: '', organization: organization(1) }] }),
        ]) {
          await assert.rejects(store.commit([good, bad]), refusedWith('store-invalid'));
          assertBytes(await store.entry(organization(1), 1), text('before'));
          assert.equal(await store.entry(organization(1), 2), undefined);
          assert.equal(await store.node(hash('n')), undefined);
          assert.equal(await store.secret(hash('s')), undefined);
          assert.equal(await store.ownerOf('w'), undefined);
          assert.equal((await store.usage()).entries, 1);
        }
        await store.commit([good]);
        assertBytes(await store.entry(organization(1), 1), text('after'));
        assert.equal((await store.usage()).entries, 2);
      }),
    );

    it(
      'refuses arguments of reads that are out of shape',
      inFreshStore(async (store) => {
        const invalid = refusedWith('store-invalid');
        await assert.rejects(store.entry(new Uint8Array(17), 1), invalid);
        await assert.rejects(store.entries(organization(1), -1, 1), invalid);
        await assert.rejects(store.entries(organization(1), 0, Number.NaN), invalid);
        await assert.rejects(store.newestCheckpoint(organization(1), 0.5), invalid);
        await assert.rejects(store.node(new Uint8Array(0)), invalid);
        await assert.rejects(store.secret(new Uint8Array(33)), invalid);
        await assert.rejects(store.ownerOf(''), invalid);
        await assert.rejects(store.organizations(new Uint8Array(1), 1), invalid);
      }),
    );

    it(
      'accepts an empty commit and rows of zero bytes',
      inFreshStore(async (store) => {
        await store.commit([]);
        await store.commit([batch({})]);
        await store.commit([
          batch({ entries: [entry(1, 1, '')], nodes: [{ hash: hash('n'), bytes: text('') }] }),
        ]);
        assertBytes(await store.entry(organization(1), 1), text(''));
        assertBytes(await store.node(hash('n')), text(''));
      }),
    );

    it(
      'pages through organizations in ascending order of their bytes',
      inFreshStore(async (store) => {
        const numbers = [9, 255, 1, 128, 16, 127];
        await store.commit(
          numbers.map((number) => batch({ entries: [entry(number, 1, 'a'), entry(number, 2, 'b')] })),
        );
        await store.commit([batch({ owners: [{ walletId: 'w', organization: organization(50) }] })]);
        const paged: Uint8Array[] = [];
        for (let page = await store.organizations(undefined, 4); page.length > 0; ) {
          assert.ok(page.length <= 4);
          paged.push(...page);
          page = await store.organizations(paged[paged.length - 1], 4);
        }
        assert.deepEqual(
          paged.map((id) => [...id]),
          [...numbers].sort((a, b) => a - b).map((number) => [...organization(number)]),
        );
        assert.deepEqual(await store.organizations(undefined, 0), []);
      }),
    );

    it(
      'keeps copies: a later change of an argument or of an answer changes nothing inside',
      inFreshStore(async (store) => {
        const bytes = text('entry');
        const id = organization(1);
        const name = hash('n');
        await store.commit([
          batch({
            entries: [{ organization: id, position: 1, bytes, checkpoint: false }],
            nodes: [{ hash: name, bytes }],
          }),
        ]);
        for (const argument of [bytes, id, name]) argument.fill(0xff);
        (await store.entry(organization(1), 1))!.fill(0);
        (await store.node(hash('n')))!.fill(0);
        (await store.organizations(undefined, 1))[0].fill(0);
        assertBytes(await store.entry(organization(1), 1), text('entry'));
        assertBytes(await store.node(hash('n')), text('entry'));
        assertBytes((await store.organizations(undefined, 1))[0], organization(1));
      }),
    );

    it(
      'takes a view of a larger buffer as the bytes that it shows',
      inFreshStore(async (store) => {
        const backing = text('..entry..');
        await store.commit([batch({ entries: [{ ...entry(1, 1, ''), bytes: backing.subarray(2, 7) }] })]);
        assertBytes(await store.entry(organization(1), 1), text('entry'));
      }),
    );

    it(
      'keeps 10,000 nodes and finds each, in commits of many batches',
      inFreshStore(async (store) => {
        const before = (await store.usage()).bytes;
        for (let start = 0; start < 10_000; start += 2_500)
          await store.commit(
            Array.from({ length: 25 }, (_, part) =>
              batch({
                nodes: Array.from({ length: 100 }, (_, at) => {
                  const number = start + part * 100 + at;
                  return { hash: hash(`node ${number}`), bytes: text(`body ${number}`.padEnd(200)) };
                }),
              }),
            ),
          );
        for (let number = 0; number < 10_000; number += 1)
          assertBytes(await store.node(hash(`node ${number}`)), text(`body ${number}`.padEnd(200)));
        assert.equal(await store.node(hash('node 10000')), undefined);
        assert.ok((await store.usage()).bytes - before >= 2_000_000);
      }),
    );

    it(
      'keeps a row of four mebibytes',
      inFreshStore(async (store) => {
        const bytes = new Uint8Array(4 * 1024 * 1024).map((_, at) => at % 251);
        await store.commit([batch({ entries: [{ ...entry(1, 1, ''), bytes }] })]);
        assertBytes(await store.entry(organization(1), 1), bytes);
      }),
    );

    it(
      'takes commits that are started together in the order of their start',
      inFreshStore(async (store) => {
        await Promise.all(
          [1, 2, 3, 4, 5].map((number) => store.commit([batch({ entries: [entry(1, 1, `e${number}`)] })])),
        );
        assertBytes(await store.entry(organization(1), 1), text('e5'));
      }),
    );

    it(
      'refuses everything after it was closed, and a second close does nothing',
      inFreshStore(async (store) => {
        await store.close();
        await store.close();
        const closed = refusedWith('store-closed');
        await assert.rejects(store.commit([batch({})]), closed);
        await assert.rejects(store.entry(organization(1), 1), closed);
        await assert.rejects(store.organizations(undefined, 1), closed);
        await assert.rejects(store.usage(), closed);
      }),
    );

    if (target.durable !== undefined) durability(target, target.durable);
  });
}

function durability(target: StoreTarget, module: string): void {
  it('finds everything again after it was closed and opened', async (context) => {
    const location = await target.fresh();
    context.after(() => target.remove(location));
    const first = await target.open(location);
    await first.commit([
      batch({ entries: [entry(1, 1, 'kept')], nodes: [{ hash: hash('n'), bytes: text('n') }] }),
    ]);
    await first.close();
    const second = await target.open(location);
    context.after(() => second.close());
    assertBytes(await second.entry(organization(1), 1), text('kept'));
    assertBytes(await second.node(hash('n')), text('n'));
    assert.equal((await second.usage()).entries, 1);
  });

  it('has every acknowledged commit, whole, after the process that committed was killed', async (context) => {
    const location = await target.fresh();
    context.after(() => target.remove(location));
    let acknowledged = 0;
    for (let cycle = 1; cycle <= 5; cycle += 1) {
      acknowledged = await commitUntilKilled(module, location, acknowledged + 1, 10 * cycle + cycle);
      const store = await target.open(location);
      const found = await store.entries(organization(1), 0, 1_000_000);
      // A commit that was durable before its acknowledgement left may be there as well.
      assert.ok(found.length >= acknowledged, `${found.length} of ${acknowledged} acknowledged commits`);
      for (const [index, row] of found.entries()) {
        assert.equal(row.position, index + 1);
        assertBytes(row.bytes, text(`entry ${row.position}`));
        assertBytes(await store.node(hash(`node ${row.position}`)), text(`node ${row.position}`));
        assertBytes(await store.ownerOf(`wallet ${row.position}`), organization(1));
      }
      assert.equal((await store.usage()).entries, found.length);
      acknowledged = found.length;
      await store.close();
    }
  });
}

/** Starts a child that commits position after position; kills it after `count`; the last acknowledged. */
async function commitUntilKilled(
  module: string,
  location: string,
  from: number,
  count: number,
): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, [committer, module, location, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<NodeJS.Signals | null>((resolve) =>
    child.once('exit', (_code, signal) => resolve(signal)),
  );
  let last = from - 1;
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    // What was written to the pipe before the kill counts as acknowledged too.
    last = Number(line);
    lines += 1;
    if (lines === count) child.kill('SIGKILL');
  }
  assert.equal(await exited, 'SIGKILL');
  assert.ok(lines >= count);
  return last;
}

/** The batch that the committing child makes for a position; the suite knows what to look for. */
export function numberedBatch(position: number): StoreBatch {
  return batch({
    entries: [entry(1, position, `entry ${position}`)],
    nodes: [{ hash: hash(`node ${position}`), bytes: text(`node ${position}`) }],
    owners: [{ walletId: `wallet ${position}`, organization: organization(1) }],
  });
}

function batch(part: Partial<StoreBatch>): StoreBatch {
  return { entries: [], nodes: [], secrets: [], owners: [], ...part };
}

function entry(number: number, position: number, content: string) {
  return { organization: organization(number), position, bytes: text(content), checkpoint: false };
}

function organization(number: number): Uint8Array {
  return new Uint8Array(16).fill(number);
}

function hash(content: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(content).digest());
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function assertBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  assert.ok(actual !== undefined, 'the row is missing');
  assert.ok(Buffer.from(actual).equals(Buffer.from(expected)), 'the row has other bytes');
}

function refusedWith(code: StoreErrorCode) {
  return (error: unknown) => error instanceof StoreError && error.code === code;
}
