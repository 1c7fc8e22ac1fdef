import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import { secp256k1 as noble } from '@noble/curves/secp256k1.js';
import fc from 'fast-check';
import { hexDecode, hexEncode } from './hex.ts';
import { hmacSha256 } from './hmac.ts';
import { Libsecp256k1 } from './libsecp256k1.ts';
import * as secp256k1 from './secp256k1.ts';

let library: Libsecp256k1;
before(async () => {
  library = await Libsecp256k1.load(randomBytes);
});

const word = fc.uint8Array({ minLength: 32, maxLength: 32 });
const key = word.filter((bytes) => secp256k1.isAcceptablePrivateKey(bytes));
const less = (by: bigint) => hexDecode((noble.Point.Fn.ORDER - by).toString(16).padStart(64, '0'));
const small = (value: number) => hexDecode(value.toString(16).padStart(64, '0'));

test('signs as the other implementation does, recovery id included, and knows the same public keys', () => {
  fc.assert(
    fc.property(key, word, (privateKey, digest) => {
      assert.deepEqual(library.sign(privateKey, digest), secp256k1.ecdsaSign(privateKey, digest));
      assert.deepEqual(library.publicKey(privateKey), secp256k1.uncompressedPublicKey(privateKey));
    }),
    { numRuns: 60 },
  );
});

test('agrees on the smallest and largest keys and on digests around the order', () => {
  for (const privateKey of [small(1), small(2), less(1n), less(2n)])
    for (const digest of [small(0), small(1), less(1n), less(0n), less(-1n), new Uint8Array(32).fill(255)])
      assert.deepEqual(
        library.sign(privateKey, digest),
        secp256k1.ecdsaSign(privateKey, digest),
        hexEncode(digest),
      );
});

test('refuses what is no private key', () => {
  for (const bytes of [small(0), less(0n), new Uint8Array(32).fill(255)]) {
    assert.throws(() => library.sign(bytes, small(1)), RangeError);
    assert.throws(() => library.publicKey(bytes), RangeError);
  }
});

test('a flipped bit anywhere in the tables of the module never leaves as a signature', () => {
  assertFaultsAreRefused(library);
});

test('nor does it where both contexts are blinded alike, so that they make the same mistake', async () => {
  assertFaultsAreRefused(await Libsecp256k1.load((length) => new Uint8Array(length).fill(7)));
});

/** Flips bits in the multiples of the base point: 64 KiB from where the module's data begins. */
function assertFaultsAreRefused(library: Libsecp256k1): void {
  const { memory } = library;
  const privateKey = randomBytes(32);
  const digest = randomBytes(32);
  const signature = library.sign(privateKey, digest);
  const publicKey = library.publicKey(privateKey);
  const refusals = { sign: 0, publicKey: 0 };
  const tried = (method: keyof typeof refusals, compute: () => void) => {
    try {
      compute();
    } catch (error) {
      // Most entries have no part in one computation: what it returns then is right.
      if (error instanceof assert.AssertionError) throw error;
      refusals[method] += 1;
    }
  };
  for (let at = 1024; at < 1024 + 65_536; at += 61) {
    memory[at]! ^= 1;
    tried('sign', () => assert.deepEqual(library.sign(privateKey, digest), signature, `byte ${at}`));
    tried('publicKey', () => assert.deepEqual(library.publicKey(privateKey), publicKey, `byte ${at}`));
    memory[at]! ^= 1;
  }
  assert.ok(refusals.sign > 20 && refusals.publicKey > 20, JSON.stringify(refusals));
  assert.deepEqual(library.sign(privateKey, digest), signature);
}

test('neither key nor nonce remains in the memory of the module', () => {
  const privateKey = Uint8Array.from(randomBytes(32));
  const digest = Uint8Array.from(randomBytes(32));
  library.sign(privateKey, digest);
  library.publicKey(privateKey);
  const nonce = nonceOf(privateKey, digest);
  assert.equal(
    hexEncode(secp256k1.publicKey(nonce).subarray(1)),
    hexEncode(library.sign(privateKey, digest).bytes.subarray(0, 32)),
    'control: that is the nonce of the signature',
  );
  const memory = Buffer.from(library.memory.buffer);
  for (const secret of [privateKey, nonce])
    for (const form of [secret, secret.toReversed()])
      for (const part of [form.subarray(0, 16), form.subarray(16)]) assert.equal(memory.indexOf(part), -1);
  memory.set(nonce.toReversed(), memory.length - 32);
  assert.notEqual(memory.indexOf(nonce.toReversed()), -1, 'control: it would be found');
  memory.fill(0, memory.length - 32);
});

/** k of RFC 6979 §3.2. */
function nonceOf(privateKey: Uint8Array, digest: Uint8Array): Uint8Array {
  let v: Uint8Array = new Uint8Array(32).fill(1);
  let k: Uint8Array = new Uint8Array(32);
  for (const mark of [0, 1]) {
    k = hmacSha256(k, Buffer.concat([v, Uint8Array.of(mark), privateKey, digest]));
    v = hmacSha256(k, v);
  }
  return hmacSha256(k, v);
}
