/** What a realm or keeper of backups replaced or deleted, in every file that it leaves: its heads log and its database. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { u8 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { HeadsPort, LoadedHeads } from '@keystead/enclave-runtime/heads-port';
import { RowHeads } from '@keystead/enclave-runtime/row-heads';
import { StoredRows, type StoreMessage } from '@keystead/enclave-runtime/stored-rows';
import { HeadsLog, makeDirectory } from '@keystead/host-heads/heads-log';
import {
  emptyLog,
  inTransaction,
  openDatabase,
  SealedRowTable,
} from '@keystead/host-program/sealed-row-table';

const minute = 60_000;
const random = (length: number) => new Uint8Array(randomBytes(length));
const homes: string[] = [];
after(() => {
  for (const home of homes) rmSync(home, { recursive: true });
});

/** The keeper's log, in this process. */
class LogPort implements HeadsPort {
  readonly #log: HeadsLog;

  constructor(log: HeadsLog) {
    this.#log = log;
  }

  async load(): Promise<LoadedHeads> {
    const parts = [...this.#log.snapshotParts()];
    return {
      snapshot: parts.length === 0 ? undefined : Buffer.concat(parts),
      snapshotSequence: this.#log.snapshotSequence,
      records: [...this.#log.records()],
    };
  }

  async append(sequence: number, record: Uint8Array): Promise<void> {
    this.#log.append(sequence, record);
  }

  async snapshot(sequence: number, state: Uint8Array): Promise<void> {
    this.#log.addSnapshotPart(sequence, state, true);
  }
}

/** Rows of an enclave, a heads log and a database as their programs have them, with a clock of ours. */
class Kept {
  readonly home = mkdtempSync(join(tmpdir(), 'keystead-replaced-'));
  readonly #owner = { seed: new SecretBytes(random(32)), id: random(16) };
  readonly #name = random(16);
  now = Date.parse('2027-01-01T00:00:00Z');
  #log: HeadsLog;
  #database = openDatabase(join(this.home, 'realm.sqlite'));
  #table = new SealedRowTable(this.#database, 'record');
  #rows!: StoredRows<number>;

  constructor() {
    homes.push(this.home);
    makeDirectory(join(this.home, 'heads'));
    this.#log = this.#opened();
  }

  #opened(): HeadsLog {
    return new HeadsLog(join(this.home, 'heads'), { now: () => this.now });
  }

  async start(): Promise<void> {
    const kind = { name: 'realm', event: u8, maximumRowBytes: 4096 } as const;
    const heads = new RowHeads<number>(kind, this.#owner, new LogPort(this.#log));
    this.#rows = new StoredRows<number>({
      heads,
      name: 'realm',
      log: () => {},
      passed: () => this.now,
      send: (message) => this.#store(message),
      settled: () => {},
    });
    await this.#rows.load();
    this.#rows.opened(this.#table.sequence);
    assert.equal(this.#rows.reason, '');
  }

  async restart(): Promise<void> {
    this.#log.close();
    this.#log = this.#opened();
    await this.start();
  }

  #store({ sequence, rows }: StoreMessage<number>): void {
    inTransaction(this.#database, () => this.#table.write(sequence, rows));
    this.#rows.stored(sequence);
  }

  async write(row: Uint8Array | undefined): Promise<void> {
    await new Promise<void>((done) =>
      this.#rows.commit(() => [{ name: this.#name, flag: 1, row }], [], done),
    );
  }

  /** Time goes by without a request: the host asks every second whether the enclave is there, and empties its log. */
  async idle(minutes: number): Promise<void> {
    for (let passed = 0; passed < minutes; passed += 1) {
      this.now += minute;
      this.#rows.commitWhenIdle();
      await new Promise((turned) => setImmediate(turned));
      if (passed % 10 === 9) emptyLog(this.#database);
    }
  }

  /** The files that hold these bytes. */
  filesWith(bytes: Uint8Array): string[] {
    return readdirSync(this.home, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => readFileSync(path).includes(bytes));
  }
}

describe('a row that was replaced', () => {
  for (const [what, next] of [
    ['replaced', random(640)],
    ['deleted', undefined],
  ] as const)
    test(`is in no file half an hour after it was ${what}, though nothing else happens`, async () => {
      const kept = new Kept();
      await kept.start();
      const row = random(640);
      await kept.write(row);
      await kept.idle(60);
      // Negative control: what counts stays, in the database, and in the log as well until it has a snapshot.
      assert.ok(kept.filesWith(row).length > 0);
      await kept.write(next);
      assert.ok(kept.filesWith(row).some((path) => path.includes('heads')));
      await kept.idle(30);
      assert.deepEqual(kept.filesWith(row), []);
      if (next !== undefined) assert.ok(kept.filesWith(next).length > 0);
    });

  test('leaves also when the enclave started again in between', async () => {
    const kept = new Kept();
    await kept.start();
    const row = random(640);
    await kept.write(row);
    await kept.write(random(640));
    await kept.idle(15);
    await kept.restart();
    assert.ok(kept.filesWith(row).length > 0);
    await kept.idle(30);
    assert.deepEqual(kept.filesWith(row), []);
  });

  test('takes no snapshots for ever: an idle log stays as it is', async () => {
    const kept = new Kept();
    await kept.start();
    await kept.write(random(640));
    await kept.write(random(640));
    await kept.idle(60);
    const files = () =>
      readdirSync(join(kept.home, 'heads')).map((name) =>
        readFileSync(join(kept.home, 'heads', name)).toString('hex'),
      );
    const before = files();
    await kept.idle(120);
    assert.deepEqual(files(), before);
  });
});
