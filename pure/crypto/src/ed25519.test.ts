import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ed25519 as noble } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import * as ed25519 from './ed25519.ts';
import { SecretBytes } from './secret-bytes.ts';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors, type Wycheproof } from '../testing/vectors.ts';
import { hexDecode, hexEncode } from './hex.ts';

const suite =
  vectors<Wycheproof<{ publicKey: { pk: string } }, { msg: string; sig: string }>>('wycheproof_ed25519.json');

const L = noble.Point.Fn.ORDER;
const TORSION = noble.Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05');

function scalarBytes(value: bigint): Uint8Array {
  const out = new Uint8Array(32);
  for (let i = 0, rest = value; i < 32; i++, rest >>= 8n) out[i] = Number(rest & 0xffn);
  return out;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

for (const { backend, module } of await eachBackend<typeof import('./ed25519.ts')>('ed25519')) {
  test(`agrees with all 151 Wycheproof cases (${backend})`, () => {
    let run = 0;
    for (const group of suite.testGroups) {
      for (const c of group.tests) {
        const valid = module.verify(hexDecode(group.publicKey.pk), hexDecode(c.msg), hexDecode(c.sig));
        assert.equal(valid, c.result === 'valid', `case ${c.tcId}: ${c.comment}`);
        run++;
      }
    }
    assert.equal(run, 151);
  });

  test(`signs as RFC 8032 §7.1 says (${backend})`, () => {
    const seed = hexDecode('c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7');
    const key = module.publicKey(seed);
    assert.equal(hexEncode(key), 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025');
    const signature = module.sign(seed, hexDecode('af82'));
    assert.equal(
      hexEncode(signature),
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    );
    assert.ok(module.verify(key, hexDecode('af82'), signature));
  });

  test(`refuses all points of low order and all unreduced encodings as public keys (${backend})`, () => {
    const signature = new Uint8Array(64);
    const refused: Uint8Array[] = [];
    let point = noble.Point.ZERO;
    for (let i = 0; i < 8; i++, point = point.add(TORSION)) refused.push(point.toBytes());
    assert.equal(new Set(refused.map(hexEncode)).size, 8);
    const p = 2n ** 255n - 19n;
    for (let i = 0n; i < 19n; i++) refused.push(scalarBytes(p + i), scalarBytes((p + i) | (1n << 255n)));
    // x = 0 with the sign bit set.
    refused.push(scalarBytes(1n | (1n << 255n)), scalarBytes((p - 1n) | (1n << 255n)));
    for (const bytes of refused) {
      assert.equal(module.isAcceptablePublicKey(bytes), false, hexEncode(bytes));
      // R = identity, S = 0: with a key of low order the equation holds for some messages.
      signature[0] = 1;
      for (let m = 0; m < 16; m++) assert.equal(module.verify(bytes, Uint8Array.of(m), signature), false);
    }
    assert.equal(refused.length, 48);
    // Off the curve.
    assert.equal(module.isAcceptablePublicKey(scalarBytes(2n)), false);
    assert.equal(module.verify(scalarBytes(2n), Uint8Array.of(1), signature), false);
    assert.equal(module.isAcceptablePublicKey(noble.Point.BASE.toBytes()), true);
    assert.equal(module.isAcceptablePublicKey(new Uint8Array(31)), false);
  });

  test(`checks the equation without the cofactor (${backend})`, () => {
    // R and A carry a torsion component; only the equation multiplied by 8 holds for the first signature.
    const a = 7n;
    const r = 11n;
    const publicKey = noble.Point.BASE.multiply(a).add(TORSION).toBytes();
    let cofactoredOnly = 0;
    let both = 0;
    for (let m = 0; m < 32; m++) {
      const message = Uint8Array.of(m);
      const R = noble.Point.BASE.multiply(r).toBytes();
      const k = littleEndian(nobleSha512(R, publicKey, message)) % L;
      const signature = new Uint8Array(64);
      signature.set(R);
      signature.set(scalarBytes((r + k * a) % L), 32);
      assert.equal(noble.verify(signature, message, publicKey, { zip215: true }), true);
      const exact = k % 8n === 0n;
      if (exact) both++;
      else cofactoredOnly++;
      assert.equal(module.verify(publicKey, message, signature), exact, `message ${m}`);
    }
    assert.ok(both > 0 && cofactoredOnly > 0);
  });

  test(`refuses S + L, wrong lengths and a changed bit (${backend})`, () => {
    const seed = new Uint8Array(32).fill(9);
    const message = Uint8Array.of(1, 2, 3);
    const key = module.publicKey(seed);
    const signature = module.sign(seed, message);
    const shifted = Uint8Array.from(signature);
    shifted.set(scalarBytes(littleEndian(signature.subarray(32)) + L), 32);
    assert.equal(module.verify(key, message, shifted), false);
    assert.equal(module.verify(key, message, signature.slice(0, 63)), false);
    assert.equal(module.verify(key, message, Uint8Array.from([...signature, 0])), false);
    assert.equal(module.verify(key.slice(0, 31), message, signature), false);
    for (let i = 0; i < 64; i += 7) {
      const changed = Uint8Array.from(signature);
      changed[i]! ^= 1;
      assert.equal(module.verify(key, message, changed), false);
    }
    assert.throws(() => module.sign(new Uint8Array(31), message), RangeError);
    assert.throws(() => module.verify(key, 'abc' as unknown as Uint8Array, signature), TypeError);
  });
}

function nobleSha512(...parts: Uint8Array[]): Uint8Array {
  const hash = sha512.create();
  for (const part of parts) hash.update(part);
  return hash.digest();
}

test('both backends give the same keys, signatures and verdicts', async () => {
  const [first, second] = await eachBackend<typeof import('./ed25519.ts')>('ed25519');
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ minLength: 64, maxLength: 64 }),
      (seed, message, random) => {
        const key = first!.module.publicKey(seed);
        assert.deepEqual(second!.module.publicKey(seed), key);
        const signature = first!.module.sign(seed, message);
        assert.deepEqual(second!.module.sign(seed, message), signature);
        assert.ok(second!.module.verify(key, message, signature));
        const other = random.slice(0, 32);
        assert.equal(
          first!.module.verify(other, message, random),
          second!.module.verify(other, message, random),
        );
        assert.equal(first!.module.isAcceptablePublicKey(other), second!.module.isAcceptablePublicKey(other));
      },
    ),
    { numRuns: 30 },
  );
});

test('the key of a secret signs as its bytes do, and not after they were wiped', () => {
  const bytes = new Uint8Array(32).fill(9);
  const secret = new SecretBytes(bytes);
  const message = new Uint8Array(5);
  assert.deepEqual(ed25519.keyOf(secret).sign(message), ed25519.sign(bytes, message));
  assert.equal(ed25519.keyOf(secret), ed25519.keyOf(secret));
  secret.wipe();
  assert.throws(() => ed25519.keyOf(secret), TypeError);
});
