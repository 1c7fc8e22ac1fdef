import assert from 'node:assert/strict';
import { argon2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { combine } from 'shamir-secret-sharing';
import { chacha20Poly1305Open } from '@keystead/crypto/aead';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { pinHashing, type PinHashingMode, pinSalt } from '@keystead/juicebox/stretched-pin';
import { pinInfo } from './pin-info.ts';
import { joinSeed, seedIdentityOf, splitSeed } from './sealed-seed.ts';
import { SeedlessError } from './seedless-error.ts';

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const entropy = new SecretBytes(random(16));
const name = { organization: random(16), backupName: 'main', generation: random(16) };
const isUnreadable = (error: unknown) => error instanceof SeedlessError && error.code === 'backup-unreadable';

test('both shares open the seed; a share of another generation, an altered one or another name does not', async () => {
  const { content, realmShare } = await splitSeed(entropy, name, random);
  const joined = await joinSeed(content, realmShare.expose(), name);
  assert.deepEqual(joined.expose(), entropy.expose());

  const other = await splitSeed(entropy, name, random);
  await assert.rejects(joinSeed(content, other.realmShare.expose(), name), isUnreadable);
  const altered = content.share.slice();
  altered[3]! ^= 1;
  await assert.rejects(joinSeed({ ...content, share: altered }, realmShare.expose(), name), isUnreadable);
  for (const wrong of [
    { ...name, backupName: 'other' },
    { ...name, organization: random(16) },
    { ...name, generation: random(16) },
  ])
    await assert.rejects(joinSeed(content, realmShare.expose(), wrong), isUnreadable);
});

test('one share fits every key: whoever has it alone can tell no key from another', async () => {
  const { content, realmShare } = await splitSeed(entropy, name, random);
  for (const known of [content.share, realmShare.expose()]) {
    const wanted = new Set<string>();
    // Whatever the other share holds in a byte, some value of it gives each value of that byte of the key.
    for (let value = 0; value < 256; value += 1) {
      const other = random(33);
      other[0] = value;
      // The last byte is the place of a share: it must differ.
      other[32] = (known[32]! % 255) + 1;
      wanted.add(String((await combine([known.slice(), other]))[0]));
    }
    assert.equal(wanted.size, 256);
  }
  // The control: with both there is one key, and it opens.
  const key = await combine([content.share, realmShare.expose()]);
  assert.throws(() => chacha20Poly1305Open(random(32), new Uint8Array(12), random(1), content.ciphertext));
  assert.equal(key.length, 32);
});

test('the identity of a seed is an HMAC under the seed over organization and name: equal for two generations, other for another seed or name', async () => {
  const [one, two] = [await splitSeed(entropy, name, random), await splitSeed(entropy, name, random)];
  assert.deepEqual(one.content.seedIdentity, two.content.seedIdentity);
  for (const other of [
    seedIdentityOf(random(16), name),
    seedIdentityOf(entropy.expose(), { ...name, backupName: 'other' }),
    seedIdentityOf(entropy.expose(), { ...name, organization: random(16) }),
  ])
    assert.notDeepEqual(other, one.content.seedIdentity);
});

test('every generation has a pepper of its own, and with another one, or for another generation, a PIN is another input', async () => {
  const peppers: Uint8Array[] = [];
  for (let made = 0; made < 3; made += 1)
    peppers.push((await splitSeed(entropy, name, random)).content.pepper);
  const infos = [
    ...peppers.map((pepper) => pinInfo(name, pepper)),
    ...[
      { ...name, backupName: 'other' },
      { ...name, organization: random(16) },
      { ...name, generation: random(16) },
    ].map((other) => pinInfo(other, peppers[0]!)),
  ];
  assert.equal(new Set(infos.map(hexEncode)).size, infos.length);
});

interface SeedBackupVector {
  readonly backupName: string;
  readonly pin: string;
  readonly pinHashingMode: PinHashingMode;
  /** All others are bytes in hexadecimal. */
  readonly [member: string]: string;
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../../vectors/keystead/seed-backup.json', import.meta.url), 'utf8'),
) as { cases: SeedBackupVector[] };

for (const vector of cases)
  test(`the seed, its identity and the input of the PIN are as the vectors say: ${vector.backupName}`, async () => {
    const hex = (member: string) => hexDecode(vector[member]!);
    const { backupName, pinHashingMode } = vector;
    const named = { organization: hex('organization'), backupName, generation: hex('generation') };
    const content = { share: hex('share'), ciphertext: hex('ciphertext') };
    const joined = await joinSeed(content, hex('realmShare'), named);
    assert.equal(hexEncode(joined.expose()), vector['entropy']);
    assert.equal(hexEncode(seedIdentityOf(joined.expose(), named)), vector['seedIdentity']);
    // What the product draws itself stands in the vector: key, then pepper.
    const draws = [hex('key'), hex('pepper')];
    const made = await splitSeed(joined, named, () => draws.shift()!);
    const { ciphertext, pepper, seedIdentity } = made.content;
    assert.deepEqual(
      [ciphertext, pepper, seedIdentity].map(hexEncode),
      ['ciphertext', 'pepper', 'seedIdentity'].map((member) => vector[member]),
    );

    const info = pinInfo(named, pepper);
    assert.equal(hexEncode(info), vector['info']);
    const salt = pinSalt(hex('registrationVersion'), info);
    assert.equal(hexEncode(salt), vector['salt']);
    const { memoryKibibytes: memory, iterations: passes } = pinHashing[pinHashingMode];
    const stretched = argon2Sync('argon2id', {
      ...{ message: vector.pin, nonce: salt, parallelism: 1, tagLength: 64, memory, passes },
    });
    assert.equal(stretched.toString('hex'), vector['accessKey']! + vector['encryptionKeySeed']!);
  });
