import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { constants, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { FromHeads, type HeadsRecord, ToHeads } from '@keystead/protocol/heads';

const program = fileURLToPath(new URL('./main.ts', import.meta.url));

interface Place {
  directory: string;
  socket: string;
}

function freshPlace(context: TestContext): Place {
  const parent = mkdtempSync(join(tmpdir(), 'keystead-keeper-'));
  context.after(() => rmSync(parent, { recursive: true }));
  return { directory: join(parent, 'heads'), socket: join(parent, 'socket') };
}

class Keeper {
  readonly process: ChildProcess;
  readonly lines: Record<string, unknown>[] = [];
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly started: Promise<void>;

  constructor(place: Place, fileSizeLimit?: number) {
    const environment = {
      PATH: process.env.PATH,
      KEYSTEAD_HEADS: place.directory,
      KEYSTEAD_HEADS_SOCKET: place.socket,
    };
    const options = { env: environment, stdio: ['ignore', 'ignore', 'pipe'] as ['ignore', 'ignore', 'pipe'] };
    this.process =
      fileSizeLimit === undefined
        ? spawn(process.execPath, [program], options)
        : // The unit of ulimit -f is 512 bytes (POSIX).
          spawn(
            '/bin/sh',
            ['-c', `ulimit -f ${fileSizeLimit / 512} && exec "$0" "$1"`, process.execPath, program],
            options,
          );
    this.ended = new Promise((resolve) =>
      this.process.once('close', (code, signal) => resolve({ code, signal })),
    );
    this.started = new Promise((resolve, reject) => {
      createInterface({ input: this.process.stderr! }).on('line', (line) => {
        this.lines.push(JSON.parse(line));
        if (this.lines.at(-1)!.event === 'started') resolve();
      });
      this.process.once('close', () => reject(new Error(`the keeper ended: ${JSON.stringify(this.lines)}`)));
    });
    this.started.catch(() => {});
  }
}

async function startKeeper(context: TestContext, place: Place, fileSizeLimit?: number): Promise<Keeper> {
  const keeper = new Keeper(place, fileSizeLimit);
  context.after(() => keeper.process.kill('SIGKILL'));
  await keeper.started;
  return keeper;
}

class Certifier {
  readonly socket: Socket;
  readonly answers: FromHeads[] = [];
  readonly closed: Promise<void>;
  #wake: () => void = () => {};

  constructor(place: Place) {
    this.socket = connect(place.socket);
    const reader = new FrameReader();
    this.socket.on('data', (chunk) => {
      for (const payload of reader.push(Buffer.from(chunk))) this.answers.push(FromHeads.decode(payload));
      this.#wake();
    });
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) =>
      this.socket.once('close', () => {
        resolve();
        this.#wake();
      }),
    );
  }

  send(message: ToHeads): void {
    this.socket.write(frame(ToHeads.encode(message)));
  }

  append(sequence: number, record: Uint8Array = numbered(sequence)): void {
    this.send({ type: 'append', sequence, record });
  }

  /** The next answer, or undefined when the stream ended first. */
  async next(): Promise<FromHeads | undefined> {
    while (this.answers.length === 0) {
      if (this.socket.closed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.answers.shift();
  }

  async load(): Promise<{
    snapshot: string | undefined;
    snapshotSequence: number;
    records: HeadsRecord[];
    messages: number;
  }> {
    this.send({ type: 'load' });
    const records: HeadsRecord[] = [];
    let snapshot: string | undefined;
    for (let messages = 1; ; messages += 1) {
      const answer = await this.next();
      assert.equal(answer?.type, 'loaded');
      if (answer.snapshot !== undefined)
        snapshot = (snapshot ?? '') + Buffer.from(answer.snapshot).toString();
      records.push(...answer.records);
      if (answer.last) return { snapshot, snapshotSequence: answer.snapshotSequence, records, messages };
    }
  }

  async leave(): Promise<void> {
    this.socket.end();
    await this.closed;
  }
}

function numbered(sequence: number): Uint8Array {
  return Buffer.from(`record ${sequence}`.padEnd(50 + (sequence % 7) * 100, '.'));
}

function assertNumbered(records: HeadsRecord[], count: number): void {
  assert.equal(records.length, count);
  for (const [index, { sequence, record }] of records.entries()) {
    assert.equal(sequence, index + 1);
    assert.ok(Buffer.from(record).equals(numbered(sequence)), `bytes of record ${sequence}`);
  }
}

it('has every acknowledged record, in order, after each of 20 kills', async (context) => {
  const place = freshPlace(context);
  let kept = 0;
  for (let cycle = 1; cycle <= 20; cycle += 1) {
    const keeper = await startKeeper(context, place);
    const certifier = new Certifier(place);
    const { records } = await certifier.load();
    assert.ok(records.length >= kept, `${records.length} records of ${kept} acknowledged`);
    assertNumbered(records, records.length);
    kept = records.length;
    // Some are always on their way when the process is killed.
    for (let ahead = 1; ahead <= 200; ahead += 1) certifier.append(kept + ahead);
    const enough = kept + 5 * cycle;
    for (let answer = await certifier.next(); answer !== undefined; answer = await certifier.next()) {
      assert.deepEqual(answer, { type: 'appended', sequence: kept + 1 });
      kept += 1;
      if (kept === enough) keeper.process.kill('SIGKILL');
    }
    assert.equal((await keeper.ended).signal, 'SIGKILL');
    assert.ok(kept >= enough);
  }
  const keeper = await startKeeper(context, place);
  const { records } = await new Certifier(place).load();
  assert.ok(records.length >= kept);
  assertNumbered(records, records.length);
  keeper.process.kill('SIGKILL');
  await keeper.ended;
});

it('ends without an acknowledgement when a write fails, says why, and loses nothing of before', async (context) => {
  const place = freshPlace(context);
  const mebibyte = 1024 * 1024;
  const keeper = await startKeeper(context, place, 10 * mebibyte);
  const certifier = new Certifier(place);
  let acknowledged = 0;
  for (let sequence = 1; sequence <= 12; sequence += 1) {
    certifier.append(sequence, Buffer.alloc(mebibyte, sequence));
    const answer = await certifier.next();
    if (answer === undefined) break;
    assert.deepEqual(answer, { type: 'appended', sequence });
    acknowledged = sequence;
  }
  assert.deepEqual(await keeper.ended, { code: 1, signal: null });
  const last = keeper.lines.at(-1)!;
  assert.equal(last.event, 'ended');
  assert.equal(last.code, 'heads-write');
  assert.match(String(last.detail), /writing record 8 failed with EFBIG/);
  assert.equal(acknowledged, 7);

  const again = await startKeeper(context, place);
  const second = new Certifier(place);
  const { records } = await second.load();
  assert.deepEqual(
    records.map((record) => record.sequence),
    [1, 2, 3, 4, 5, 6, 7],
  );
  second.append(8);
  assert.deepEqual(await second.next(), { type: 'appended', sequence: 8 });
  again.process.kill('SIGKILL');
  await again.ended;
});

it('answers what it has received and ends with 0 on SIGTERM', async (context) => {
  const place = freshPlace(context);
  const keeper = await startKeeper(context, place);
  const certifier = new Certifier(place);
  certifier.append(1);
  assert.deepEqual(await certifier.next(), { type: 'appended', sequence: 1 });
  keeper.process.kill('SIGTERM');
  assert.deepEqual(await keeper.ended, { code: 0, signal: null });
  await certifier.closed;
  assert.deepEqual(
    keeper.lines.map((line) => line.event),
    ['started', 'stopped'],
  );
});

it('survives its certifier and serves the next one', async (context) => {
  const place = freshPlace(context);
  const keeper = await startKeeper(context, place);
  for (let sequence = 1; sequence <= 3; sequence += 1) {
    const certifier = new Certifier(place);
    certifier.append(sequence);
    assert.deepEqual(await certifier.next(), { type: 'appended', sequence });
    if (sequence === 2) certifier.socket.destroy();
    else await certifier.leave();
  }
  const certifier = new Certifier(place);
  assertNumbered((await certifier.load()).records, 3);
  assert.equal(keeper.process.exitCode, null);
});

it('answers everything that a certifier sent before it closed its sending side', async (context) => {
  const place = freshPlace(context);
  await startKeeper(context, place);
  const certifier = new Certifier(place);
  for (let sequence = 1; sequence <= 20; sequence += 1) certifier.append(sequence);
  await certifier.leave();
  assert.deepEqual(
    certifier.answers,
    Array.from({ length: 20 }, (_, index) => ({ type: 'appended', sequence: index + 1 })),
  );
});

it('refuses a second certifier while one is connected', async (context) => {
  const place = freshPlace(context);
  await startKeeper(context, place);
  const first = new Certifier(place);
  await first.load();
  const second = new Certifier(place);
  second.append(1);
  const answer = await second.next();
  assert.equal(answer?.type === 'refused' && answer.code, 'busy');
  await second.closed;
  first.append(1);
  assert.deepEqual(await first.next(), { type: 'appended', sequence: 1 });
});

it('refuses a wrong sequence and stays, refuses rubbish and closes', async (context) => {
  const place = freshPlace(context);
  await startKeeper(context, place);
  const code = (answer: FromHeads | undefined) => (answer?.type === 'refused' ? answer.code : answer?.type);
  const certifier = new Certifier(place);
  certifier.append(2);
  assert.equal(code(await certifier.next()), 'sequence');
  certifier.append(1);
  assert.equal(code(await certifier.next()), 'appended');
  certifier.append(2, new Uint8Array(0));
  assert.equal(code(await certifier.next()), 'malformed');
  await certifier.closed;
  const oversized = Buffer.alloc(4, 0xff);
  for (const bytes of [frame(Buffer.from([9])), frame(Buffer.from([2, 0])), oversized]) {
    const wrong = new Certifier(place);
    wrong.socket.write(bytes);
    assert.equal(code(await wrong.next()), 'malformed');
    await wrong.closed;
  }
  const last = new Certifier(place);
  assertNumbered((await last.load()).records, 1);
});

it('forgets a snapshot whose certifier left before the last part', async (context) => {
  const place = freshPlace(context);
  await startKeeper(context, place);
  const first = new Certifier(place);
  first.append(1);
  first.send({ type: 'snapshot', sequence: 1, bytes: Buffer.from('half '), last: false });
  await first.leave();
  const second = new Certifier(place);
  assert.equal((await second.load()).snapshot, undefined);
  second.send({ type: 'snapshot', sequence: 1, bytes: Buffer.from('all of '), last: false });
  second.send({ type: 'snapshot', sequence: 1, bytes: Buffer.from('it'), last: true });
  assert.deepEqual(await second.next(), { type: 'snapshotted', sequence: 1 });
  const loaded = await second.load();
  assert.equal(loaded.snapshot, 'all of it');
  assert.equal(loaded.snapshotSequence, 1);
});

it('loads records and a snapshot that are larger than one frame, in parts', async (context) => {
  const place = freshPlace(context);
  await startKeeper(context, place);
  const certifier = new Certifier(place);
  const record = Buffer.alloc(7 * 1024 * 1024, 5);
  for (let sequence = 1; sequence <= 3; sequence += 1) {
    certifier.append(sequence, record);
    assert.deepEqual(await certifier.next(), { type: 'appended', sequence });
  }
  const part = Buffer.alloc(9 * 1024 * 1024, 'part ');
  certifier.send({ type: 'snapshot', sequence: 3, bytes: part, last: false });
  certifier.send({ type: 'snapshot', sequence: 3, bytes: part, last: true });
  assert.deepEqual(await certifier.next(), { type: 'snapshotted', sequence: 3 });
  const loaded = await certifier.load();
  assert.ok(loaded.snapshot === Buffer.concat([part, part]).toString());
  assert.equal(loaded.records.length, 3);
  for (const found of loaded.records) assert.ok(record.equals(found.record));
  assert.ok(loaded.messages >= 8, `${loaded.messages} messages`);
});

it('does not start on a directory that another keeper holds, and says so in one line', async (context) => {
  const place = freshPlace(context);
  await startKeeper(context, place);
  const second = new Keeper({ ...place, socket: `${place.socket}2` });
  assert.deepEqual(await second.ended, { code: 2, signal: null });
  assert.equal(second.lines.length, 1);
  assert.equal(second.lines[0].code, 'heads-locked');
  const certifier = new Certifier(place);
  certifier.append(1);
  assert.deepEqual(await certifier.next(), { type: 'appended', sequence: 1 });
});

it('does not take over a socket on which another keeper answers', async (context) => {
  const place = freshPlace(context);
  await startKeeper(context, place);
  const second = new Keeper({ ...place, directory: `${place.directory}2` });
  assert.deepEqual(await second.ended, { code: 2, signal: null });
  assert.equal(second.lines[0].code, 'heads-socket');
  assert.equal((await new Certifier(place).load()).records.length, 0);
});

it('does not start without its environment', async () => {
  const keeper = new Keeper({ directory: '', socket: '/nowhere' });
  assert.deepEqual(await keeper.ended, { code: 2, signal: null });
  assert.deepEqual(
    keeper.lines.map((line) => [line.code, line.detail]),
    [['heads-environment', 'KEYSTEAD_HEADS is not set']],
  );
});

it('makes directory, files and socket for its user only', async (context) => {
  const place = freshPlace(context);
  await startKeeper(context, place);
  const names = ['.', 'lock', 'records-0000000000000001'].map((name) => join(place.directory, name));
  for (const path of [...names, place.socket]) assert.equal(statSync(path).mode & 0o077, 0, path);
});

if (process.platform === 'linux')
  it('has the log open so that a write returns only when it is durable', async (context) => {
    const place = freshPlace(context);
    const keeper = await startKeeper(context, place);
    const open = `/proc/${keeper.process.pid}/fd`;
    const descriptor = readdirSync(open).find((name) =>
      readlinkSync(join(open, name)).endsWith('records-0000000000000001'),
    );
    const facts = readFileSync(`/proc/${keeper.process.pid}/fdinfo/${descriptor}`, 'utf8');
    const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(facts)![1], 8);
    assert.equal(flags & constants.O_DSYNC, constants.O_DSYNC);
  });
