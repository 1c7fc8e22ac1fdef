import assert from 'node:assert/strict';
import { createPrivateKey, sign as opensslSign } from 'node:crypto';
import { test } from 'node:test';
import { p256 as noble } from '@noble/curves/nist.js';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors, type Wycheproof } from '../testing/vectors.ts';
import { base64urlEncode } from './base64url.ts';
import { utf8Encode } from './bytes.ts';
import { hexDecode, hexEncode } from './hex.ts';

const suite = vectors<Wycheproof<{ publicKey: { uncompressed: string } }, { msg: string; sig: string }>>(
  'wycheproof_ecdsa_secp256r1_sha256_p1363.json',
);

const PRIVATE = hexDecode('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721');
const ORDER = noble.Point.Fn.ORDER;

for (const { backend, module } of await eachBackend<typeof import('./p256.ts')>('p256')) {
  test(`agrees with all 262 Wycheproof cases (${backend})`, () => {
    let run = 0;
    for (const group of suite.testGroups) {
      const key = hexDecode(group.publicKey.uncompressed);
      for (const c of group.tests) {
        const valid = module.verify(key, hexDecode(c.msg), hexDecode(c.sig));
        assert.equal(valid, c.result === 'valid', `case ${c.tcId}: ${c.comment}`);
        run++;
      }
    }
    assert.equal(run, 262);
  });

  test(`signs deterministically as RFC 6979 A.2.5 says (${backend})`, () => {
    assert.equal(
      hexEncode(module.sign(PRIVATE, utf8Encode('sample'))),
      'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716' +
        'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8',
    );
    assert.equal(
      hexEncode(module.sign(PRIVATE, utf8Encode('test'))),
      'f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367' +
        '019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083',
    );
    assert.equal(
      hexEncode(module.publicKey(PRIVATE)),
      '0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6' +
        '7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299',
    );
  });

  test(`accepts high and low s, and normalizes to low s (${backend})`, () => {
    const key = module.publicKey(PRIVATE);
    const message = utf8Encode('sample');
    const high = module.sign(PRIVATE, message);
    const low = module.normalizeLowS(high);
    assert.notDeepEqual(low, high);
    assert.ok(module.verify(key, message, high));
    assert.ok(module.verify(key, message, low));
    assert.deepEqual(module.normalizeLowS(low), low);
    const sum = BigInt(`0x${hexEncode(high.slice(32))}`) + BigInt(`0x${hexEncode(low.slice(32))}`);
    assert.equal(sum, ORDER);
  });

  test(`accepts what OpenSSL signs (${backend})`, () => {
    const key = module.publicKey(PRIVATE);
    const jwk = {
      kty: 'EC',
      crv: 'P-256',
      d: base64urlEncode(PRIVATE),
      x: base64urlEncode(key.slice(1, 33)),
      y: base64urlEncode(key.slice(33)),
    };
    const imported = createPrivateKey({ key: jwk, format: 'jwk' });
    for (let i = 0; i < 8; i++) {
      const message = Uint8Array.of(i);
      const signature = opensslSign('sha256', message, { key: imported, dsaEncoding: 'ieee-p1363' });
      assert.ok(module.verify(key, message, signature));
    }
  });

  test(`refuses other lengths, ranges and key forms (${backend})`, () => {
    const key = module.publicKey(PRIVATE);
    const message = utf8Encode('sample');
    const signature = module.sign(PRIVATE, message);
    const order = noble.Point.Fn.toBytes(ORDER - 1n);
    order[31]! += 1;
    for (const [offset, value] of [
      [0, new Uint8Array(32)],
      [32, new Uint8Array(32)],
      [0, order],
      [32, order],
    ] as const) {
      const bad = Uint8Array.from(signature);
      bad.set(value, offset);
      assert.equal(module.verify(key, message, bad), false);
      assert.throws(() => module.normalizeLowS(bad), { code: 'signature-malformed' });
    }
    assert.equal(module.verify(key, message, signature.slice(0, 63)), false);
    assert.equal(module.verify(key, message, Uint8Array.from([...signature, 0])), false);
    const compressed = noble.getPublicKey(PRIVATE, true);
    assert.equal(module.verify(compressed, message, signature), false);
    assert.equal(module.isAcceptablePublicKey(compressed), false);
    const hybrid = Uint8Array.from(key);
    hybrid[0] = 6 | (key[64]! & 1);
    assert.equal(module.verify(hybrid, message, signature), false);
    assert.equal(module.isAcceptablePublicKey(hybrid), false);
    const off = Uint8Array.from(key);
    off[64]! ^= 1;
    assert.equal(module.verify(off, message, signature), false);
    assert.equal(module.isAcceptablePublicKey(off), false);
    assert.equal(module.isAcceptablePublicKey(key), true);
    assert.throws(() => module.sign(new Uint8Array(32), message), RangeError);
    assert.throws(() => module.publicKey(order), RangeError);
  });
}
