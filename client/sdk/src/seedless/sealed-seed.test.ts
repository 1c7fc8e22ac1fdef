import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { combine } from 'shamir-secret-sharing';
import { chacha20Poly1305Open } from '@keystead/crypto/aead';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
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
  const fixed = { organization: new Uint8Array(16).fill(7), backupName: 'main' };
  const message = Buffer.concat([
    Buffer.from('keystead/seed-identity/v1\0'),
    fixed.organization,
    Buffer.from('main'),
  ]);
  const expected = createHmac('sha256', new Uint8Array(16).fill(1)).update(message).digest().subarray(0, 16);
  assert.equal(
    Buffer.from(seedIdentityOf(new Uint8Array(16).fill(1), fixed)).toString('hex'),
    expected.toString('hex'),
  );
  for (const other of [
    seedIdentityOf(random(16), name),
    seedIdentityOf(entropy.expose(), { ...name, backupName: 'other' }),
    seedIdentityOf(entropy.expose(), { ...name, organization: random(16) }),
  ])
    assert.notDeepEqual(other, one.content.seedIdentity);
});
