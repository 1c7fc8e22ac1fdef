import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { HeadsLog, type HeadsLogOptions, makeDirectory } from './heads-log.ts';
import { KeeperError, type KeeperErrorCode } from './keeper-error.ts';

const firstFile = 'records-0000000000000001';

function freshDirectory(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'keystead-heads-'));
  context.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function record(sequence: number): Uint8Array {
  return Buffer.from(`record ${sequence} `.repeat(3));
}

/** Makes a log with records 1 to `count` and closes it. */
function writeLog(directory: string, count: number): void {
  const log = new HeadsLog(directory);
  for (let sequence = 1; sequence <= count; sequence += 1) log.append(sequence, record(sequence));
  log.close();
}

function open<Result>(directory: string, act: (log: HeadsLog) => Result, options?: HeadsLogOptions): Result {
  const log = new HeadsLog(directory, options);
  try {
    return act(log);
  } finally {
    log.close();
  }
}

function sequences(log: HeadsLog): number[] {
  return [...log.records()].map((found) => {
    assert.ok(found.record.equals(record(found.sequence)), `bytes of record ${found.sequence}`);
    return found.sequence;
  });
}

function snapshotOf(log: HeadsLog): string {
  return Buffer.concat([...log.snapshotParts()]).toString();
}

function refused(code: KeeperErrorCode, detail: RegExp) {
  return (error: unknown) =>
    error instanceof KeeperError && error.code === code && detail.test(error.message);
}

it('gives back records in order after it was closed and opened', (context) => {
  const directory = freshDirectory(context);
  writeLog(directory, 5);
  open(directory, (log) => {
    assert.equal(log.repair, undefined);
    assert.deepEqual(sequences(log), [1, 2, 3, 4, 5]);
    log.append(6, record(6));
  });
  open(directory, (log) => assert.deepEqual(sequences(log), [1, 2, 3, 4, 5, 6]));
});

it('refuses a sequence that is not the next one and changes nothing', (context) => {
  const directory = freshDirectory(context);
  open(directory, (log) => {
    for (const sequence of [0, 2, 7])
      assert.throws(() => log.append(sequence, record(sequence)), refused('heads-sequence', /next one is 1/));
    log.append(1, record(1));
    for (const sequence of [1, 3])
      assert.throws(() => log.append(sequence, record(sequence)), refused('heads-sequence', /next one is 2/));
    assert.deepEqual(sequences(log), [1]);
  });
});

it('cuts a last record that was not written to its end, at each of its bytes, and says so', (context) => {
  const directory = freshDirectory(context);
  writeLog(directory, 3);
  const path = join(directory, firstFile);
  const whole = readFileSync(path);
  const length = 17 + record(3).length;
  const begin = 2 * length;
  for (let kept = 0; kept < length; kept += 1) {
    const ending = kept === length - 1 ? 'marked' : 'cut';
    for (const tail of ['zeros', 'end of file']) {
      const torn = Buffer.from(whole);
      torn.fill(0, begin + kept);
      writeFileSync(path, torn);
      if (tail === 'end of file') truncateSync(path, begin + kept);
      open(directory, (log) => {
        const where = `${kept} bytes before ${tail}`;
        // The first byte of a length is zero here: a record of which only zeros arrived left no trace.
        const trace = torn.subarray(begin, begin + kept).some((byte) => byte !== 0);
        assert.equal(log.repair?.kind, trace ? ending : undefined, where);
        if (trace) assert.equal(log.repair?.sequence, 3, where);
        assert.deepEqual(sequences(log), ending === 'marked' ? [1, 2, 3] : [1, 2], where);
        if (ending === 'cut') log.append(3, record(3));
      });
      open(directory, (log) => {
        assert.equal(log.repair, undefined);
        assert.deepEqual(sequences(log), [1, 2, 3]);
      });
    }
  }
});

it('cuts a last record of which a sector in the middle never arrived', (context) => {
  const directory = freshDirectory(context);
  open(directory, (log) => {
    log.append(1, record(1));
    log.append(2, Buffer.alloc(4000, 7));
  });
  const path = join(directory, firstFile);
  const file = readFileSync(path);
  file.fill(0, 1024, 1536);
  writeFileSync(path, file);
  open(directory, (log) => {
    assert.equal(log.repair?.kind, 'cut');
    assert.deepEqual(sequences(log), [1]);
  });
});

it('refuses to start on any changed byte of any record, with the number of the record', (context) => {
  const directory = freshDirectory(context);
  writeLog(directory, 3);
  const path = join(directory, firstFile);
  const whole = readFileSync(path);
  const length = 17 + record(1).length;
  for (let at = 0; at < 3 * length; at += 1) {
    const changed = Buffer.from(whole);
    changed[at] ^= 0x40;
    writeFileSync(path, changed);
    const number = Math.floor(at / length) + 1;
    assert.throws(
      () => new HeadsLog(directory),
      refused('heads-corrupt', new RegExp(`^record ${number} in`)),
      `byte ${at}`,
    );
    assert.ok(readFileSync(path).equals(changed), 'the file stays as it was found');
  }
  writeFileSync(path, whole);
  open(directory, (log) => assert.deepEqual(sequences(log), [1, 2, 3]));
});

it('refuses to start when an older record was overwritten by zeros', (context) => {
  const directory = freshDirectory(context);
  writeLog(directory, 3);
  const path = join(directory, firstFile);
  const file = readFileSync(path);
  const length = 17 + record(1).length;
  file.fill(0, length, 2 * length);
  writeFileSync(path, file);
  assert.throws(() => new HeadsLog(directory), refused('heads-corrupt', /^record 2 in/));
});

it('grows beyond the space that it prepared', (context) => {
  const directory = freshDirectory(context);
  const large = Buffer.alloc(3 * 1024 * 1024, 1);
  open(directory, (log) => {
    for (let sequence = 1; sequence <= 6; sequence += 1) log.append(sequence, large);
  });
  open(directory, (log) => {
    const found = [...log.records()];
    assert.equal(found.length, 6);
    for (const { record: bytes } of found) assert.ok(bytes.equals(large));
  });
  assert.equal(statSync(join(directory, firstFile)).size % (8 * 1024 * 1024), 0);
});

it('puts a snapshot in force only with its last part, and keeps it', (context) => {
  const directory = freshDirectory(context);
  open(directory, (log) => {
    for (let sequence = 1; sequence <= 4; sequence += 1) log.append(sequence, record(sequence));
    assert.equal(log.addSnapshotPart(2, Buffer.from('old'), true), true);
    assert.equal(log.addSnapshotPart(3, Buffer.from('new '), false), false);
    assert.equal(snapshotOf(log), 'old');
  });
  open(directory, (log) => {
    assert.equal(log.snapshotSequence, 2);
    assert.equal(snapshotOf(log), 'old');
    log.addSnapshotPart(3, Buffer.from('new '), false);
    log.append(5, record(5));
    assert.equal(log.addSnapshotPart(3, Buffer.from('state'), true), true);
  });
  open(directory, (log) => {
    assert.equal(log.snapshotSequence, 3);
    assert.equal(snapshotOf(log), 'new state');
    assert.deepEqual(sequences(log), [1, 2, 3, 4, 5]);
  });
  assert.ok(!existsSync(join(directory, 'snapshot.new')));
});

it('refuses a snapshot of a record that is not there, an older one, and parts of two', (context) => {
  const directory = freshDirectory(context);
  open(directory, (log) => {
    for (let sequence = 1; sequence <= 4; sequence += 1) log.append(sequence, record(sequence));
    assert.throws(() => log.addSnapshotPart(5, Buffer.from('x'), true), refused('heads-sequence', /of 5/));
    log.addSnapshotPart(3, Buffer.from('three'), true);
    assert.throws(() => log.addSnapshotPart(2, Buffer.from('x'), true), refused('heads-sequence', /newer/));
    log.addSnapshotPart(3, Buffer.from('x'), false);
    assert.throws(() => log.addSnapshotPart(4, Buffer.from('x'), true), refused('heads-sequence', /follows/));
    assert.equal(snapshotOf(log), 'three');
  });
});

it('refuses to start on a snapshot of which any byte changed', (context) => {
  const directory = freshDirectory(context);
  writeLog(directory, 1);
  open(directory, (log) => log.addSnapshotPart(1, Buffer.from('state'), true));
  const path = join(directory, 'snapshot');
  const whole = readFileSync(path);
  for (let at = 0; at < whole.length; at += 1) {
    const changed = Buffer.from(whole);
    changed[at] ^= 1;
    writeFileSync(path, changed);
    assert.throws(() => new HeadsLog(directory), refused('heads-corrupt', /snapshot/), `byte ${at}`);
  }
  writeFileSync(path, whole.subarray(0, -1));
  assert.throws(() => new HeadsLog(directory), refused('heads-corrupt', /snapshot/));
});

it('begins after the snapshot when the first message to an empty log is one', (context) => {
  const directory = freshDirectory(context);
  open(directory, (log) => {
    log.addSnapshotPart(900, Buffer.from('restored'), true);
    assert.throws(() => log.append(1, record(1)), refused('heads-sequence', /next one is 901/));
    log.append(901, record(901));
  });
  open(directory, (log) => assert.deepEqual(sequences(log), [901]));
});

it('begins after the snapshot also when it was killed before the next file was made', (context) => {
  const other = freshDirectory(context);
  open(other, (log) => log.addSnapshotPart(900, Buffer.from('restored'), true));
  const directory = freshDirectory(context);
  writeLog(directory, 0);
  copyFileSync(join(other, 'snapshot'), join(directory, 'snapshot'));
  open(directory, (log) => log.append(901, record(901)));
  open(directory, (log) => assert.deepEqual(sequences(log), [901]));
});

it('keeps records that a snapshot covers for the time of retention, then drops whole files', (context) => {
  const directory = freshDirectory(context);
  const minute = 60_000;
  let now = Date.now();
  const log = new HeadsLog(directory, { now: () => now });
  const state = Buffer.from('state');
  const files = () => readdirSync(directory).filter((name) => name.startsWith('records-'));
  log.append(1, record(1));
  log.append(2, record(2));
  log.addSnapshotPart(2, state, true);
  assert.deepEqual(files(), [firstFile], 'a young file is not left');
  now += 11 * minute;
  log.append(3, record(3));
  log.addSnapshotPart(3, state, true);
  assert.deepEqual(files(), [firstFile, 'records-0000000000000004']);
  log.append(4, record(4));
  now += 9 * minute;
  log.addSnapshotPart(4, state, true);
  assert.deepEqual(sequences(log), [1, 2, 3, 4], 'nine minutes old');
  now += 2 * minute;
  log.append(5, record(5));
  log.addSnapshotPart(4, state, true);
  assert.deepEqual(sequences(log), [4, 5]);
  log.close();
  open(directory, (again) => assert.deepEqual(sequences(again), [4, 5]));
});

it('keeps no more bytes of files that a snapshot covers than it is told, however young they are', (context) => {
  const directory = freshDirectory(context);
  // Each record has a file of its own, and two of them are kept.
  const log = new HeadsLog(directory, { segmentBytes: 1, retainedBytes: 100 });
  for (let sequence = 1; sequence <= 9; sequence += 1) {
    log.append(sequence, record(sequence));
    log.addSnapshotPart(sequence, Buffer.from('state'), true);
  }
  assert.deepEqual(sequences(log), [8, 9]);
  // What the snapshot does not cover stays.
  for (let sequence = 10; sequence <= 15; sequence += 1) {
    log.append(sequence, record(sequence));
    log.addSnapshotPart(9, Buffer.from('state'), true);
  }
  assert.deepEqual(sequences(log), [10, 11, 12, 13, 14, 15]);
  log.close();
  open(directory, (again) => assert.deepEqual(sequences(again), [10, 11, 12, 13, 14, 15]));
});

it('keeps the file that was left last while it is young, however many bytes it has', (context) => {
  const directory = freshDirectory(context);
  let now = Date.now();
  const log = new HeadsLog(directory, { segmentBytes: 1, retainedBytes: 1, retention: 1000, now: () => now });
  for (let sequence = 1; sequence <= 3; sequence += 1) {
    log.append(sequence, record(sequence));
    log.addSnapshotPart(sequence, Buffer.from('state'), true);
  }
  assert.deepEqual(sequences(log), [3]);
  now += 1000;
  log.addSnapshotPart(3, Buffer.from('state'), true);
  assert.deepEqual(sequences(log), []);
  log.close();
});

it('never drops a file that holds a record above the snapshot', (context) => {
  const directory = freshDirectory(context);
  let now = Date.now();
  const log = new HeadsLog(directory, { now: () => now, retention: 1000 });
  for (let sequence = 1; sequence <= 3; sequence += 1) {
    log.append(sequence, record(sequence));
    now += 100_000;
    log.addSnapshotPart(0, Buffer.from('state of nothing'), true);
  }
  assert.deepEqual(sequences(log), [1, 2, 3]);
  assert.equal(readdirSync(directory).filter((name) => name.startsWith('records-')).length, 4);
  log.close();
});

it('refuses to start when a file of records is missing', (context) => {
  const directory = freshDirectory(context);
  let now = Date.now();
  const log = new HeadsLog(directory, { now: () => now, retention: 1000 });
  for (let sequence = 1; sequence <= 3; sequence += 1) {
    log.append(sequence, record(sequence));
    now += 100_000;
    log.addSnapshotPart(0, Buffer.from('s'), true);
  }
  log.close();
  rmSync(join(directory, 'records-0000000000000002'));
  assert.throws(() => new HeadsLog(directory), refused('heads-corrupt', /record 2 is missing/));
  for (const name of readdirSync(directory)) if (name.startsWith('records-')) rmSync(join(directory, name));
  assert.throws(() => new HeadsLog(directory), refused('heads-corrupt', /record 1 is missing/));
});

it('makes its directory for this user only and refuses one that others can enter', (context) => {
  const directory = join(freshDirectory(context), 'heads');
  makeDirectory(directory);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  makeDirectory(directory);
  const parent = freshDirectory(context);
  const shared = join(parent, 'shared');
  makeDirectory(shared);
  chmodSync(shared, 0o750);
  assert.throws(() => makeDirectory(shared), refused('heads-environment', /0700/));
});
