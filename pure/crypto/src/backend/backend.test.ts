import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { p256 } from '@noble/curves/nist.js';
import { hexDecode, hexEncode } from '../hex.ts';
import { sign as p256Sign, publicKey as p256PublicKey } from '../p256.ts';
import type { Backend } from './backend.ts';
import * as node from './node.ts';
import * as portable from './portable.ts';

// The compiler checks here that both have every member with its type.
const first: Backend = node;
const second: Backend = portable;

const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce12 = fc.uint8Array({ minLength: 12, maxLength: 12 });
const data = fc.uint8Array({ maxLength: 200 });
const RUNS = { numRuns: 40 };

test('both backends export the same names', () => {
  assert.deepEqual(Object.keys(node).sort(), Object.keys(portable).sort());
  assert.equal(Object.keys(node).length, 22);
});

test('both backends hash, expand and encrypt alike', () => {
  fc.assert(
    fc.property(
      key32,
      nonce12,
      data,
      data,
      fc.integer({ min: 1, max: 100 }),
      (key, nonce, aad, message, length) => {
        for (const name of ['sha256', 'sha512', 'keccak256', 'ripemd160', 'blake2b256'] as const) {
          assert.deepEqual(first[name](message), second[name](message), name);
        }
        for (const name of ['hmacSha256', 'hmacSha512'] as const) {
          assert.deepEqual(first[name](aad, message), second[name](aad, message), name);
        }
        assert.deepEqual(
          first.hkdfSha256(key, aad, message, length),
          second.hkdfSha256(key, aad, message, length),
        );
        assert.deepEqual(
          first.pbkdf2HmacSha512(aad, message, 2, length),
          second.pbkdf2HmacSha512(aad, message, 2, length),
        );
        for (const [seal, open, size] of [
          ['chacha20Poly1305Seal', 'chacha20Poly1305Open', 32],
          ['aesGcmSeal', 'aesGcmOpen', 32],
          ['aesGcmSeal', 'aesGcmOpen', 16],
        ] as const) {
          const own = key.slice(0, size);
          const sealed = first[seal](own, nonce, aad, message);
          assert.deepEqual(second[seal](own, nonce, aad, message), sealed, seal);
          assert.deepEqual(first[open](own, nonce, aad, sealed), message);
          assert.deepEqual(second[open](own, nonce, aad, sealed), message);
          sealed[length % sealed.length]! ^= 1;
          assert.equal(first[open](own, nonce, aad, sealed), undefined);
          assert.equal(second[open](own, nonce, aad, sealed), undefined);
        }
      },
    ),
    RUNS,
  );
});

test('both backends encode text alike and refuse lone surrogates', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      const encoded = first.utf8Encode(text);
      assert.deepEqual(encoded, second.utf8Encode(text));
      if (encoded === undefined) return;
      for (const backend of [first, second]) {
        const out = new Uint8Array(encoded.length + 5).fill(0xee);
        backend.utf8Write(text, out, 2, encoded.length);
        assert.deepEqual(out, Uint8Array.of(0xee, 0xee, ...encoded, 0xee, 0xee, 0xee));
      }
    }),
    RUNS,
  );
  for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800'])
    for (const backend of [first, second]) assert.equal(backend.utf8Encode(text), undefined);
});

test('both backends agree on keys and key agreement', () => {
  fc.assert(
    fc.property(key32, key32, (a, b) => {
      assert.deepEqual(first.x25519PublicKey(a), second.x25519PublicKey(a));
      assert.deepEqual(first.x25519SharedSecret(a, b), second.x25519SharedSecret(a, b));
      const one = first.ed25519Key(a);
      const other = second.ed25519Key(a);
      assert.deepEqual(one.publicKey, other.publicKey);
      assert.deepEqual(one.sign(b), other.sign(b));
      assert.deepEqual(one.sign(a), other.sign(a));
    }),
    RUNS,
  );
});

test('both backends give the same verdict on P-256 signatures, good and changed', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 31, maxLength: 31 }),
      data,
      fc.nat(63),
      fc.nat(64),
      (secret, message, at, keyAt) => {
        const privateKey = Uint8Array.of(1, ...secret);
        const key = p256PublicKey(privateKey);
        const signature = p256Sign(privateKey, message);
        assert.equal(first.p256Verify(key, message, signature), true);
        assert.equal(second.p256Verify(key, message, signature), true);
        const changed = Uint8Array.from(signature);
        changed[at]! ^= 0x10;
        assert.equal(first.p256Verify(key, message, changed), false);
        assert.equal(second.p256Verify(key, message, changed), false);
        const other = Uint8Array.from(key);
        other[keyAt]! ^= 0x10;
        assert.equal(first.p256Verify(other, message, signature), false);
        assert.equal(second.p256Verify(other, message, signature), false);
        assert.equal(first.p256IsPoint(key), true);
        assert.equal(second.p256IsPoint(key), true);
        assert.equal(first.p256IsPoint(other), second.p256IsPoint(other));
      },
    ),
    { numRuns: 15 },
  );
});

test('both backends refuse P-256 coordinates that are not below p', () => {
  // x = 5 is on the curve; p + 5 fits into 32 bytes and stands for the same number.
  const point = p256.Point.fromHex(`02${'00'.repeat(31)}05`);
  const p = p256.Point.Fp.ORDER;
  const good = point.toBytes(false);
  const over = hexDecode(`04${(p + 5n).toString(16).padStart(64, '0')}${hexEncode(good.subarray(33))}`);
  const zero = Uint8Array.of(4, ...new Uint8Array(64));
  for (const backend of [first, second]) {
    assert.equal(backend.p256IsPoint(good), true);
    assert.equal(backend.p256IsPoint(over), false);
    assert.equal(backend.p256IsPoint(zero), false);
  }
});

test('both backends give the same verdict on a key the second time', () => {
  const good = p256PublicKey(new Uint8Array(32).fill(5));
  const bad = Uint8Array.of(4, ...new Uint8Array(63), 1);
  for (const backend of [first, second]) {
    for (let round = 0; round < 3; round += 1) {
      assert.equal(backend.p256IsPoint(good), true);
      assert.equal(backend.p256IsPoint(bad), false);
    }
  }
});

test('results of the node backend are plain arrays that own their memory', () => {
  const message = Uint8Array.of(1, 2, 3);
  const results = [
    node.utf8Encode('text')!,
    node.sha256(message),
    node.keccak256(message),
    node.hmacSha256(message, message),
    node.hkdfSha256(message, message, message, 40),
    node.pbkdf2HmacSha512(message, message, 1, 64),
    node.ed25519Key(new Uint8Array(32)).publicKey,
    node.ed25519Key(new Uint8Array(32)).sign(message),
    node.x25519PublicKey(new Uint8Array(32).fill(1)),
    node.aesGcmSeal(new Uint8Array(32), new Uint8Array(12), message, message),
  ];
  for (const result of results) {
    assert.equal(Object.getPrototypeOf(result), Uint8Array.prototype);
    assert.equal(result.buffer.byteLength, result.length);
  }
});
