import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CryptoError } from './crypto-error.ts';
import { LibsodiumRistretto255 } from './libsodium-ristretto255.ts';
import { elementToBytes, groupOrder, hashToElement, portableGroup, scalarFromWide } from './ristretto255.ts';

const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const libsodium = await LibsodiumRistretto255.load();
const outcome = (act: () => unknown) => {
  try {
    return act();
  } catch (error) {
    return error instanceof CryptoError ? error.code : error instanceof RangeError ? 'range' : error;
  }
};

test('libsodium multiplies to the bytes of noble, elements and the base, also at the ends of the scalars', () => {
  const scalars = [1n, 2n, groupOrder - 1n, groupOrder - 2n, 1n << 252n];
  for (let round = 0; round < 40; round += 1) scalars.push(scalarFromWide(random(64)));
  for (const scalar of scalars) {
    const element = elementToBytes(hashToElement(random(16)));
    assert.deepEqual(libsodium.multiply(element, scalar), portableGroup.multiply(element, scalar));
    assert.deepEqual(libsodium.multiplyBase(scalar), portableGroup.multiplyBase(scalar));
  }
});

test('libsodium and noble refuse the same: what is no element, the identity, zero and what is no scalar', () => {
  const element = elementToBytes(hashToElement(random(16)));
  const bad = [
    new Uint8Array(32),
    new Uint8Array(32).fill(0xff),
    element.map((byte, at) => (at === 31 ? byte | 0x80 : byte)),
  ];
  for (let round = 0; round < 60; round += 1) bad.push(random(32));
  let refused = 0;
  for (const bytes of bad) {
    const [ours, theirs] = [libsodium, portableGroup].map((group) =>
      outcome(() => group.multiply(bytes, 5n)),
    );
    assert.deepEqual(ours, theirs);
    assert.deepEqual(
      outcome(() => libsodium.assertElement(bytes)),
      outcome(() => portableGroup.assertElement(bytes)),
    );
    if (ours === 'point-malformed') refused += 1;
  }
  assert.ok(refused > 30, String(refused));
  for (const scalar of [0n, -1n, groupOrder])
    for (const group of [libsodium, portableGroup]) {
      assert.equal(
        outcome(() => group.multiply(element, scalar)),
        'range',
      );
      assert.equal(
        outcome(() => group.multiplyBase(scalar)),
        'range',
      );
    }
});

test('no scalar stays in the memory of libsodium', () => {
  const bytes = random(32);
  bytes[31]! &= 0x0f;
  const scalar = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const element = elementToBytes(hashToElement(random(16)));
  libsodium.multiply(element, scalar);
  libsodium.multiplyBase(scalar);
  const memory = Buffer.from(libsodium.memory);
  assert.ok(memory.includes(element), 'the search finds what is there');
  assert.ok(!memory.includes(bytes));
});
