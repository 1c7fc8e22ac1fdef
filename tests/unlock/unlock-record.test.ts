/** What opens an unlock record and what does not: shares and passwords, judged by the launcher's own code. */
import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { isolationParts, parseIsolation } from '@keystead/enclave-launcher/isolation-part';
import { OperatorRefusal } from '@keystead/enclave-launcher/unlock/operator-refusal';
import { openWithPassword, sealUnderPassword } from '@keystead/enclave-launcher/unlock/password';
import { sealUnderShares, ShareCollection } from '@keystead/enclave-launcher/unlock/shares';
import { openUnlock } from '@keystead/enclave-launcher/unlock/unlock';
import { parseUnlockRecord, type UnlockRecord } from '@keystead/enclave-launcher/unlock/unlock-record';
import type { UnlockKind } from '@keystead/protocol/operator';
import { decodeShare, encodeShare } from '@keystead/protocol/operator-share';
import { combine } from 'shamir-secret-sharing';

const utf8 = (text: string) => new TextEncoder().encode(text);
const secret = new SecretBytes(Uint8Array.from({ length: 32 }, (_, index) => index + 1));

type SharesRecord = UnlockRecord & { kind: 'shares' };

async function splitting(threshold: number, count: number) {
  const { record, packed } = await sealUnderShares(secret, threshold, count);
  const parsed = parseUnlockRecord(utf8(record)) as SharesRecord;
  return {
    record: parsed,
    share: (number: number) => packed[number - 1]!.slice(),
    collection: () => new ShareCollection(parsed),
  };
}

const refusal = (code: string, naming: RegExp) => (error: unknown) =>
  error instanceof OperatorRefusal && error.code === code && naming.test(error.message);

describe('shares', () => {
  test('any k of n open the record, in whatever order', async () => {
    const { share, collection } = await splitting(3, 5);
    for (const numbers of [
      [1, 2, 3],
      [5, 3, 1],
      [4, 2, 5],
    ]) {
      const given = collection();
      for (const number of numbers) given.add(share(number));
      assert.equal(given.missing, 0);
      assert.deepEqual((await given.open()).expose(), secret.expose());
    }
  });

  test('P22 k - 1 operators together have nothing: their shares open nothing, and fit every secret alike', async () => {
    const { share, record } = await splitting(3, 5);
    const two = [decodeShare(share(1)).share, decodeShare(share(4)).share];
    const tooFew = await combine(two.map((bytes) => bytes.slice()));
    const collection = new ShareCollection(record);
    collection.add(share(1));
    collection.add(share(4));
    assert.equal(collection.missing, 1);
    await assert.rejects(collection.open(), refusal('record-changed', /does not open/));
    // For each of the 256 values that a byte of the secret may have there is one third share that gives it.
    const values = new Set<number>();
    const x = decodeShare(share(2)).share[32]!;
    for (let y = 0; y < 256; y++) {
      const third = new Uint8Array(33).fill(y);
      third[32] = x;
      values.add((await combine([...two.map((bytes) => bytes.slice()), third]))[0]!);
    }
    assert.equal(values.size, 256);
    // The control: the third operator's own share.
    const enough = new ShareCollection(record);
    for (const number of [1, 4, 2]) enough.add(share(number));
    assert.deepEqual((await enough.open()).expose(), secret.expose());
    assert.notDeepEqual(tooFew.subarray(0, 32), secret.expose());
  });

  test('P22 a share that was exchanged for another is named by its number, and the others still count', async () => {
    const { share, collection } = await splitting(2, 3);
    const given = collection();
    given.add(share(1));
    const two = decodeShare(share(2));
    const forged = encodeShare({ ...two, share: two.share.with(5, two.share[5]! ^ 1) });
    assert.throws(() => given.add(forged), refusal('share-substituted', /share 2 /));
    // Somebody else's share under its number.
    const three = decodeShare(share(3));
    assert.throws(
      () => given.add(encodeShare({ ...three, number: 2 })),
      refusal('share-substituted', /share 2 /),
    );
    assert.throws(
      () => given.add(encodeShare({ ...two, threshold: 3 })),
      refusal('share-substituted', /share 2 /),
    );
    assert.deepEqual(given.given, [1]);
    given.add(share(2));
    assert.deepEqual((await given.open()).expose(), secret.expose());
  });

  test('P22 a share of an earlier splitting of the same secret is foreign', async () => {
    const before = await splitting(2, 3);
    const now = await splitting(2, 3);
    const given = now.collection();
    assert.throws(() => given.add(before.share(1)), refusal('share-foreign', /share 1 is of another set/));
    // With the new set's name on it the commitment tells.
    const renamed = encodeShare({ ...decodeShare(before.share(1)), set: decodeShare(now.share(1)).set });
    assert.throws(() => given.add(renamed), refusal('share-substituted', /share 1 /));
    assert.deepEqual(given.given, []);
    // The control: without the commitments two splittings would be mixed, and give a secret that is none.
    const mixed = await combine([decodeShare(before.share(1)).share, decodeShare(now.share(2)).share]);
    assert.notDeepEqual(mixed.subarray(0, 32), secret.expose());
  });

  test('one share does not count twice', async () => {
    const { share, collection } = await splitting(2, 3);
    const given = collection();
    given.add(share(1));
    assert.throws(() => given.add(share(1)), refusal('share-repeated', /share 1 /));
    assert.equal(given.missing, 1);
  });

  test('a record whose threshold, set or commitments were changed does not open', async () => {
    const { share, record } = await splitting(2, 3);
    const other = await splitting(2, 3);
    const changes: Partial<SharesRecord>[] = [
      { commitments: [record.commitments[0]!, record.commitments[1]!, other.record.commitments[2]!] },
      { threshold: 3 },
    ];
    for (const change of changes) {
      const given = new ShareCollection({ ...record, ...change });
      given.add(share(1));
      given.add(share(2));
      await assert.rejects(given.open(), refusal('record-changed', /does not open/));
    }
  });

  test('1 of n, more than n and more than 16 are no way to share', async () => {
    for (const [threshold, count] of [
      [1, 3],
      [4, 3],
      [2, 17],
      [0, 0],
    ] as const)
      await assert.rejects(sealUnderShares(secret, threshold, count), OperatorRefusal);
  });
});

describe('passwords', () => {
  test('the password opens the record and another one does not', async () => {
    const password = new SecretBytes(utf8('correct horse battery'));
    const text = await sealUnderPassword(secret, password);
    const record = parseUnlockRecord(utf8(text)) as UnlockRecord & { kind: 'password' };
    assert.deepEqual((await openWithPassword(record, password))?.expose(), secret.expose());
    const wrong = new SecretBytes(utf8('correct horse batterz'));
    assert.equal(await openWithPassword(record, wrong), undefined);
    // A record that asks for less work does not open either: the parameters are sealed with it.
    const weaker = { ...record, argon2id: { ...record.argon2id, passes: 1 } };
    assert.equal(await openWithPassword(weaker, password), undefined);
  });

  test('a record that asks for too much work, or too little, is refused before any of it is done', () => {
    const record = (argon2id: object) =>
      utf8(
        JSON.stringify({
          version: 1,
          kind: 'password',
          argon2id: { memoryKiB: 131072, passes: 4, parallelism: 1, ...argon2id },
          salt: 'A'.repeat(22),
          sealed: 'A'.repeat(80),
        }),
      );
    assert.equal(parseUnlockRecord(record({})).kind, 'password');
    for (const bad of [
      { memoryKiB: 1_048_577 },
      { memoryKiB: 8 },
      { passes: 11 },
      { passes: 0 },
      { parallelism: 5 },
      { passes: '4' },
      { extra: 1 },
    ])
      assert.throws(() => parseUnlockRecord(record(bad)), TypeError, JSON.stringify(bad));
  });

  test('a record of another version, with another member or one twice is refused', async () => {
    const { record } = await sealUnderShares(secret, 2, 2);
    const parsed = JSON.parse(record) as Record<string, unknown>;
    for (const bad of [{ version: 2 }, { kind: 'none' }, { more: 1 }, { set: 'AA' }, { threshold: 3 }])
      assert.throws(() => parseUnlockRecord(utf8(JSON.stringify({ ...parsed, ...bad }))), TypeError);
    assert.throws(() => parseUnlockRecord(utf8(record.replace('{', '{"threshold": 2,'))));
  });
});

describe('the way to unlock', () => {
  const home = mkdtempSync(join(tmpdir(), 'keystead-unlock-'));
  after(() => rmSync(home, { recursive: true }));
  const config = (profile: 'development' | 'production', kind?: UnlockKind) => ({
    home,
    profile,
    unlock: { developmentFile: join(home, 'unlock.key'), operatorSocket: join(home, 'socket'), kind },
  });
  const refused = { name: 'LaunchError', exitCode: 78 };

  test('G2 production takes no development file unasked, founds nothing before it is said who unlocks, and isolates by all parts', async () => {
    writeFileSync(join(home, 'unlock.key'), '00'.repeat(32));
    const around = { report: () => {}, replace: () => {} };
    await assert.rejects(openUnlock({ ...config('production'), ...around, founded: false }), refused);
    await assert.rejects(openUnlock({ ...config('production'), ...around, founded: true }), refused);
    assert.deepEqual(parseIsolation(undefined, 'production'), [...isolationParts]);
    // The controls: asked for by name, and in development.
    for (const asked of [config('production', 'development-file'), config('development')])
      for (const founded of [false, true])
        assert.equal((await openUnlock({ ...asked, ...around, founded })).kind, 'development-file');
  });
});
