import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rootOf, leafHash } from '@keystead/crypto/merkle-tree';
import { KeptRow } from '@keystead/protocol/frames';
import { maximumHeadsRecordBytes } from '@keystead/protocol/heads';
import { TestEngine, testKey } from '../testing/engine.ts';
import { Harness, MemoryHeads, refusal, settled } from '../testing/harness.ts';
import { headsKey, openRecord } from './heads-record.ts';
import { HeadsRefused, leavesOf } from './history.ts';

const root = testKey(1);

/** A log with a start, a founding and four advances of one organization. */
async function written(advances = 4) {
  const engine = new TestEngine();
  const harness = await Harness.started(engine);
  const request = engine.founding(root);
  const organization = engine.organizationOf(request);
  await harness.advance([engine.change(organization, request)]);
  for (let index = 0; index < advances; index++) {
    engine.now += 1000;
    await harness.advance([engine.plain(organization)]);
  }
  return { engine, harness, heads: harness.heads, organization };
}

const copyOf = (heads: MemoryHeads): MemoryHeads => {
  const copy = new MemoryHeads();
  copy.records = heads.records.map(({ sequence, record }) => ({ sequence, record: record.slice() }));
  copy.snapshotBytes = heads.snapshotBytes?.slice();
  copy.snapshotSequence = heads.snapshotSequence;
  return copy;
};

async function refusedStart(engine: TestEngine, heads: MemoryHeads): Promise<HeadsRefused> {
  const { failure, sent } = await Harness.started(engine, heads);
  assert.ok(failure instanceof HeadsRefused, `started with ${heads.records.length} records`);
  assert.deepEqual(sent, []);
  return failure;
}

describe('a start from the heads log', () => {
  it('comes to the same heads and the same tree, and goes on', async () => {
    const { engine, heads, organization } = await written();
    const restarted = await Harness.started(engine, copyOf(heads));
    assert.equal(restarted.failure, undefined);
    assert.deepEqual((await restarted.head(organization.id)).head, organization.head);
    const receipt = await restarted.advance([engine.plain(organization)]);
    assert.deepEqual(receipt.refused, []);
    const key = headsKey(engine.contexts.certifier.seed);
    const leaves = restarted.heads.records.flatMap(({ record }) => leavesOf(openRecord(key, record).body));
    assert.equal(receipt.size, leaves.length);
    assert.deepEqual(receipt.root, rootOf(leaves.map(leafHash)));
  });

  it('stands in the log as a leaf of its own', async () => {
    const { engine, heads } = await written(0);
    const key = headsKey(engine.contexts.certifier.seed);
    const size = openRecord(key, heads.records.at(-1)!.record).body.size;
    await Harness.started(engine, heads);
    const { body } = openRecord(key, heads.records.at(-1)!.record);
    assert.equal(body.size, size + 1);
    assert.equal(body.boot?.[0], 2);
  });

  it('holds back what comes before the log is loaded, and answers it then', async () => {
    const { engine, heads, organization } = await written();
    const early = new Harness(engine, copyOf(heads));
    early.give(engine.order([[engine.plain(organization)]]));
    assert.deepEqual(early.sent, []);
    await settled();
    assert.equal(refusal(early.lastReceipt()), undefined);
  });

  it('refuses an edited record, with its number', async () => {
    const { engine, heads } = await written();
    for (const { sequence } of heads.records) {
      const copy = copyOf(heads);
      const { record } = copy.records[sequence - 1];
      record[record.length - 1] ^= 1;
      assert.equal((await refusedStart(engine, copy)).sequence, sequence);
    }
  });

  it('refuses records in another order, with the first that is out of place', async () => {
    const { engine, heads } = await written();
    const copy = copyOf(heads);
    const [three, four] = [copy.records[2], copy.records[3]];
    copy.records[2] = { sequence: 3, record: four.record };
    copy.records[3] = { sequence: 4, record: three.record };
    assert.equal((await refusedStart(engine, copy)).sequence, 3);
  });

  it('refuses a log from which a record in the middle was dropped, also when the rest was numbered anew', async () => {
    const { engine, heads } = await written();
    const gap = copyOf(heads);
    gap.records.splice(2, 1);
    assert.equal((await refusedStart(engine, gap)).sequence, 4);
    const renumbered = copyOf(heads);
    renumbered.records.splice(2, 1);
    renumbered.records = renumbered.records.map(({ record }, index) => ({ sequence: index + 1, record }));
    assert.equal((await refusedStart(engine, renumbered)).sequence, 3);
  });

  it('refuses a record of another branch of the same history', async () => {
    const { engine, heads, organization } = await written(1);
    const other = copyOf(heads);
    const fork = { ...organization, nodes: new Map(organization.nodes) };
    const first = await Harness.started(engine, heads);
    await first.advance([engine.plain(organization)]);
    engine.now += 5;
    const second = await Harness.started(engine, other);
    await second.advance([engine.plain(fork)]);
    const mixed = copyOf(heads);
    mixed.records[mixed.records.length - 1] = other.records.at(-1)!;
    assert.equal((await refusedStart(engine, mixed)).sequence, mixed.records.length);
  });

  it('refuses the log of another deployment', async () => {
    const { heads } = await written();
    const stranger = new TestEngine();
    const { certifier, signer } = stranger.contexts;
    stranger.contexts.certifier = { ...certifier, seed: signer.seed };
    assert.equal((await refusedStart(stranger, heads)).sequence, 1);
  });

  it('does not notice that the newest records are missing', async () => {
    const { engine, heads, organization } = await written();
    const older = copyOf(heads);
    older.records.splice(-1);
    const restarted = await Harness.started(engine, older);
    assert.equal(restarted.failure, undefined);
    assert.equal((await restarted.head(organization.id)).head?.position, organization.head.position - 1);
  });

  it('uses the newest mark as its time when the clock is behind, and says so', async () => {
    const { engine, heads, organization } = await written();
    const mark = engine.now;
    engine.now -= 3_600_000;
    const restarted = await Harness.started(engine, heads);
    assert.deepEqual(
      engine.log.filter(({ event }) => event === 'clock-behind-mark').map(({ fields }) => fields),
      [{ milliseconds: 3_600_000 }],
    );
    assert.equal((await restarted.head(organization.id)).time, mark);
  });
});

describe('a clock that jumped across a restart', () => {
  const day = 24 * 3_600_000;
  const asked = ({ log }: TestEngine) =>
    log.filter(({ event }) => event === 'operator-needed').map(({ fields }) => fields.accept);
  /** A start on a written log under these settings. */
  const startedAt = (
    { engine, heads }: { engine: TestEngine; heads: MemoryHeads },
    settings: { largestClockJump: number; acceptedMark: number },
  ) => {
    const { certifier } = engine.contexts;
    engine.contexts.certifier = { ...certifier, settings: { ...certifier.settings, ...settings } };
    return Harness.started(engine, heads);
  };

  it('is not believed beyond the bound until the operator names the mark, and asks once', async () => {
    const log = await written();
    const { engine, heads, organization } = log;
    const mark = engine.now;
    engine.now += day + 1;
    const { length } = heads.records;
    const waiting = await startedAt(log, { largestClockJump: day, acceptedMark: mark - 1 });
    assert.deepEqual(asked(engine), [`KEYSTEAD_ACCEPT_CLOCK=${new Date(mark).toISOString()}`]);
    waiting.giveHeadQuery(organization.id);
    await settled();
    assert.deepEqual([waiting.sent, heads.records.length, waiting.failure], [[], length, undefined]);

    const accepted = await startedAt(log, { largestClockJump: day, acceptedMark: mark });
    assert.equal((await accepted.head(organization.id)).time, engine.now);
    // The same answer is good for no second jump.
    engine.now += day + 1;
    await startedAt(log, { largestClockJump: day, acceptedMark: mark });
    assert.equal(asked(engine).length, 2);
  });

  it('is believed up to the bound, and without one', async () => {
    const log = await written();
    log.engine.now += day;
    await startedAt(log, { largestClockJump: day, acceptedMark: 0 });
    log.engine.now += 1000 * day;
    const free = await startedAt(log, { largestClockJump: 0, acceptedMark: 0 });
    assert.deepEqual(asked(log.engine), []);
    assert.equal((await free.head(log.organization.id)).time, log.engine.now);
  });

  it('is none while it runs that gains more than an hour on the time that passes', async () => {
    const log = await written();
    const running = await startedAt(log, { largestClockJump: day, acceptedMark: 0 });
    const before = log.heads.records.length;
    const mark = log.engine.now;
    const jump = async (milliseconds: number) => {
      log.engine.now += milliseconds;
      log.engine.jumped += milliseconds;
      running.give({ type: 'ping', id: 1 });
      await settled();
    };
    await jump(3_600_000);
    assert.deepEqual(asked(log.engine), []);
    await jump(1);
    assert.equal(asked(log.engine).length, 1);
    await jump(5 * day);
    // No mark of that time, and no answer that says it.
    assert.ok(log.heads.records.length <= before + 1);
    assert.ok((await running.head(log.organization.id)).time <= mark + 3_600_000);
    await jump(-5 * day - 3_600_001);
    assert.equal((await running.head(log.organization.id)).time, Math.max(mark, log.engine.now + 3_600_000));
    assert.equal(asked(log.engine).length, 1);
  });

  it('is none after idle hours: a mark is kept every hour', async () => {
    const log = await written();
    const running = await startedAt(log, { largestClockJump: day, acceptedMark: 0 });
    const before = log.heads.records.length;
    for (let hour = 0; hour < 30; hour += 1) {
      log.engine.now += 3_600_000;
      running.give({ type: 'ping', id: hour });
      running.give({ type: 'ping', id: hour });
      await settled();
    }
    assert.equal(log.heads.records.length, before + 30);
    log.engine.now += day;
    await startedAt(log, { largestClockJump: day, acceptedMark: 0 });
    assert.deepEqual(asked(log.engine), []);
  });
});

describe('the tail', () => {
  const node = (byte: number, length = 100) =>
    KeptRow.encode({
      row: 'node',
      hash: new Uint8Array(32).fill(byte),
      bytes: new Uint8Array(length).fill(byte),
    });
  const secret = KeptRow.encode({ row: 'secret', hash: new Uint8Array(32), bytes: new Uint8Array(90) });
  const owner = KeptRow.encode({
    row: 'owner',
    walletId: new Uint8Array(16),
    organization: new Uint8Array(16),
  });
  const tailOf = async (engine: TestEngine, heads: MemoryHeads) => {
    const tail = (await Harness.started(engine, heads)).frames('tail');
    assert.deepEqual(
      tail.map(({ last }) => last),
      tail.map((_, index) => index === tail.length - 1),
    );
    return tail.flatMap(({ rows }) => rows);
  };

  it('gives the rows of accepted orders of the last ten minutes, and no entry that is none of theirs', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const request = engine.founding(root);
    const organization = engine.organizationOf(request);
    const old = engine.change(organization, request);
    harness.give({ ...engine.order([[old]]), rows: [node(1)] });
    await settled();
    engine.now += 5 * 60_000;
    const kept = engine.plain(organization, 2);
    const order = engine.order([[kept]]);
    const [first] = kept.entries;
    const stranger = { organization: organization.id, position: 3, checkpoint: false };
    harness.give({
      ...order,
      rows: [
        ...order.rows,
        KeptRow.encode({ row: 'entry', ...stranger, bytes: new Uint8Array(332) }),
        engine.keptRowOf(organization.id, first.position + 1, first.hash),
        engine.keptRowOf(new Uint8Array(16), first.position, first.hash),
        KeptRow.encode({
          row: 'entry',
          organization: organization.id,
          position: first.position,
          bytes: engine.rowOf(first.hash),
          checkpoint: true,
        }),
        new Uint8Array([9]),
        node(2),
        secret,
        owner,
      ],
    });
    await settled();
    const fork = { ...organization, nodes: new Map(organization.nodes), head: kept.from };
    const refused = engine.order([[engine.plain(fork)]]);
    harness.give({ ...refused, rows: [...refused.rows, node(3)] });
    await settled();
    assert.equal(refusal(harness.lastReceipt()), 'head-moved');
    engine.now += 5 * 60_000 + 1;
    const newest = engine.plain(organization);
    const bad = engine.order([[engine.plain(fork)], [newest]]);
    harness.give({ ...bad, rows: [...bad.rows, node(4)] });
    await settled();

    assert.deepEqual(await tailOf(engine, harness.heads), [
      node(4),
      engine.keptRowOf(organization.id, newest.to.position, newest.to.hash),
      owner,
      secret,
      node(2),
      ...order.rows.toReversed(),
    ]);
  });

  it('gives the newest rows however long nothing followed them: the store may lack just those', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const request = engine.founding(root);
    const organization = engine.organizationOf(request);
    await harness.advance([engine.change(organization, request)]);
    engine.now += 10 * 60_000 + 1;
    const order = engine.order([[engine.plain(organization)]]);
    harness.give(order);
    await settled();
    const { heads } = harness;
    // Marks, snapshots that could be due, and starts without an end of the store's trouble.
    for (let start = 0; start < 3; start += 1) {
      const { snapshotSequence } = heads;
      const running = await Harness.started(engine, heads);
      for (let hour = 0; hour < 3; hour += 1) {
        engine.now += 3_600_000;
        running.give({ type: 'ping', id: hour });
        await settled();
      }
      assert.deepEqual(await tailOf(engine, heads), order.rows.toReversed());
      // One snapshot may cover them; before another one, the keeper drops nothing that this one covers.
      if (start > 0) assert.equal(heads.snapshotSequence, snapshotSequence);
    }
  });

  it('has the rows of orders that left together, although a snapshot came between their records', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const request = engine.founding(root);
    const organization = engine.organizationOf(request);
    await harness.advance([engine.change(organization, request)]);
    engine.now += 10 * 60_000 + 1;
    const { heads } = harness;
    const orders = [1, 2, 3].map(() => engine.order([[engine.plain(organization)]]));
    // The second is on its way to the keeper while the first is covered, the third comes after that.
    heads.held = true;
    for (const order of orders.slice(0, 2)) harness.give(order);
    heads.release(1);
    await settled();
    const covered = heads.snapshotSequence;
    assert.ok(covered > 0, 'a snapshot covers the first');
    heads.held = false;
    heads.release();
    engine.now += 20;
    harness.give(orders[2]!);
    await settled();
    for (let start = 0; start < 3; start += 1) {
      const running = start === 0 ? harness : await Harness.started(engine, heads);
      for (let hour = 0; hour < 3; hour += 1) {
        engine.now += 3_600_000;
        running.give({ type: 'ping', id: hour });
        await settled();
      }
      // With another one, the keeper would drop the file of the first.
      assert.equal(heads.snapshotSequence, covered);
    }
    assert.deepEqual(await tailOf(engine, heads), orders.flatMap(({ rows }) => rows).toReversed());
    const last = await Harness.started(engine, heads);
    engine.now += 60_000;
    await last.advance([engine.plain(organization)]);
    assert.ok(heads.snapshotSequence > covered, 'what comes later shows that the store has them');
  });

  it('keeps more rows than a frame or a record has room for, ahead of the record that names the head', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const request = engine.founding(root);
    const organization = engine.organizationOf(request);
    const { length } = harness.heads.records;
    const ahead = Array.from({ length: 50 }, (_, index) => node(index, 262144));
    harness.give({ type: 'rows', rows: ahead.slice(0, 25) }, { type: 'rows', rows: ahead.slice(25) });
    assert.equal(harness.heads.records.length, length);
    const order = engine.order([[engine.change(organization, request)]]);
    harness.heads.held = true;
    harness.give({ ...order, rows: [...order.rows, secret] });
    // The head is told when its own record is durable, which is the last one.
    harness.giveHeadQuery(organization.id);
    const { waiting } = harness.heads;
    assert.ok(waiting > 1);
    harness.heads.release(waiting - 1);
    await settled();
    assert.deepEqual([harness.frames('receipt').length, harness.frames('head').length], [0, 0]);
    harness.heads.release();
    await settled();
    assert.equal(refusal(harness.lastReceipt()), undefined);
    assert.equal(harness.frames('head').length, 1);
    for (const { record } of harness.heads.records) assert.ok(record.length <= maximumHeadsRecordBytes);
    harness.heads.held = false;
    assert.deepEqual(await tailOf(engine, harness.heads), [...ahead, ...order.rows, secret].reverse());
  });

  it('holds no more rows for an order than its memory has room for, and says so', async () => {
    const engine = new TestEngine();
    const harness = await Harness.started(engine);
    const rows = Array.from({ length: 32 }, () => node(1, 262144));
    for (let frame = 0; frame < 8; frame++) harness.give({ type: 'rows', rows });
    assert.deepEqual(
      engine.log.filter(({ event }) => event === 'rows-not-kept').map(({ fields }) => fields),
      [{ rows: 32 }],
    );
  });

  it('is empty and ends at once for a new log', async () => {
    const { sent } = await Harness.started(new TestEngine());
    assert.deepEqual(sent, [{ type: 'tail', rows: [], last: true }]);
  });
});

describe('a snapshot', () => {
  async function snapshotted() {
    const world = await written();
    world.engine.now += 60_000;
    await world.harness.advance([world.engine.plain(world.organization)]);
    assert.equal(world.heads.snapshotSequence, world.heads.records.length);
    return world;
  }

  it('is taken after a minute and starts the certifier with and without the records it covers', async () => {
    const { engine, harness, heads, organization } = await snapshotted();
    const covered = heads.snapshotSequence;
    await harness.advance([engine.plain(organization)]);
    for (const keep of [0, covered - 1, covered]) {
      const copy = copyOf(heads);
      copy.records = copy.records.slice(keep);
      const restarted = await Harness.started(engine, copy);
      assert.equal(restarted.failure, undefined, String(restarted.failure));
      assert.deepEqual((await restarted.head(organization.id)).head, organization.head);
      const receipt = await restarted.advance([
        engine.plain({ ...organization, nodes: new Map(organization.nodes) }),
      ]);
      assert.deepEqual(receipt.refused, []);
    }
  });

  it('leaves recent entries answerable from the records it covers', async () => {
    const { engine, heads, organization } = await snapshotted();
    const { position, hash } = organization.head;
    const item = { organization: organization.id, position, hash };
    const withRecords = await Harness.started(engine, copyOf(heads));
    assert.equal(refusal(await withRecords.query([item])), undefined);
    const without = copyOf(heads);
    without.records = [];
    assert.equal(refusal(await (await Harness.started(engine, without)).query([item])), 'not-recent');
  });

  it('is refused when it was edited, moved to another record, or taken away', async () => {
    const { engine, heads } = await snapshotted();
    const edited = copyOf(heads);
    edited.snapshotBytes![edited.snapshotBytes!.length - 1] ^= 1;
    assert.equal((await refusedStart(engine, edited)).sequence, 0);
    const moved = copyOf(heads);
    moved.snapshotSequence -= 1;
    assert.equal((await refusedStart(engine, moved)).sequence, 0);
    const taken = copyOf(heads);
    taken.snapshotBytes = undefined;
    assert.equal((await refusedStart(engine, taken)).sequence, 0);
  });

  it('is refused with a covered record of another branch', async () => {
    const { engine, heads, organization } = await written(1);
    const other = copyOf(heads);
    const fork = { ...organization, nodes: new Map(organization.nodes) };
    const first = await Harness.started(engine, heads);
    const second = await Harness.started(engine, other);
    const start = heads.records.length;
    await second.advance([engine.plain(fork)]);
    engine.now += 60_000;
    await first.advance([engine.plain(organization)]);
    await first.advance([engine.plain(organization)]);
    const mixed = copyOf(heads);
    assert.ok(mixed.snapshotSequence > start);
    mixed.records[start - 1] = other.records[start - 1];
    assert.equal((await refusedStart(engine, mixed)).sequence, start + 1);
  });

  it('is refused with covered records that end before it, or with a gap after it', async () => {
    const { engine, harness, heads, organization } = await snapshotted();
    const covered = heads.snapshotSequence;
    const short = copyOf(heads);
    short.records.splice(-1);
    assert.equal((await refusedStart(engine, short)).sequence, covered);
    await harness.advance([engine.plain(organization)]);
    await harness.advance([engine.plain(organization)]);
    const gap = copyOf(heads);
    gap.records = gap.records.filter(({ sequence }) => sequence !== covered + 1);
    assert.equal((await refusedStart(engine, gap)).sequence, covered + 2);
  });
});
