import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { u8 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { HeadsPort, LoadedHeads } from './heads-port.ts';
import { RowHeads } from './row-heads.ts';

const random = (length: number) => new Uint8Array(randomBytes(length));
const owner = { seed: new SecretBytes(random(32)), id: random(16) };
const maximumRowBytes = 524_288;
const mebibyte = 1024 * 1024;

/** A keeper that forgets what a snapshot covers. */
class MemoryHeads implements HeadsPort {
  #kept: LoadedHeads = { snapshot: undefined, snapshotSequence: 0, records: [] };
  snapshots = 0;

  async load(): Promise<LoadedHeads> {
    return this.#kept;
  }

  async append(sequence: number, record: Uint8Array): Promise<void> {
    this.#kept = { ...this.#kept, records: [...this.#kept.records, { sequence, record: record.slice() }] };
  }

  async snapshot(snapshotSequence: number, snapshot: Uint8Array): Promise<void> {
    this.snapshots += 1;
    const records = this.#kept.records.filter(({ sequence }) => sequence > snapshotSequence);
    this.#kept = { snapshot, snapshotSequence, records };
  }

  get bytes(): number {
    return this.#kept.records.reduce((sum, { record }) => sum + record.length, 0);
  }
}

async function opened(port: HeadsPort): Promise<RowHeads<number>> {
  const heads = new RowHeads({ name: 'backup', event: u8, maximumRowBytes }, owner, port);
  assert.ok(await heads.load());
  assert.ok('missing' in heads.compare(heads.sequence));
  return heads;
}

/** One record with one row, which the database takes at once. */
async function write(heads: RowHeads<number>, name: Uint8Array, row: Uint8Array): Promise<void> {
  await heads.append([{ name, flag: 1, row }], []);
  heads.confirm(heads.sequence);
  heads.snapshotWhenDue(0);
  await new Promise((wake) => setImmediate(wake));
}

describe('the heads log of a realm or keeper', () => {
  test('is bounded by bytes: large rows bring a snapshot long before their number does, small ones do not', async () => {
    const port = new MemoryHeads();
    const heads = await opened(port);
    const names = Array.from({ length: 8 }, () => random(16));
    const row = random(maximumRowBytes);
    let most = 0;
    for (let count = 0; count < 100; count += 1) {
      row[0] = count;
      await write(heads, names[count % names.length]!, row);
      most = Math.max(most, port.bytes);
    }
    assert.ok(port.snapshots >= 2, `${port.snapshots} snapshots of 50 MiB`);
    assert.ok(most <= 17 * mebibyte, `${most} bytes`);

    const few = new MemoryHeads();
    const small = await opened(few);
    for (let count = 0; count < 100; count += 1) await write(small, names[count % 8]!, random(100));
    assert.equal(few.snapshots, 0);
  });

  test('counts what a restart finds in it, and goes on from a snapshot with the newest rows', async () => {
    const port = new MemoryHeads();
    const [name, other] = [random(16), random(16)];
    const rows = Array.from({ length: 20 }, () => random(maximumRowBytes));
    const before = await opened(port);
    for (const row of rows) await write(before, name, row);
    assert.equal(port.snapshots, 0);
    const after = await opened(port);
    for (let count = 0; count < 14; count += 1) await write(after, other, rows[count]!);
    assert.equal(port.snapshots, 1, 'ten MiB of before and six of now');

    const again = await opened(port);
    assert.equal(again.sequence, 34);
    assert.ok(again.isNewest(name, rows.at(-1)!) && again.isNewest(other, rows[13]!));
    assert.ok(!again.isNewest(name, rows[0]!));
  });
});
