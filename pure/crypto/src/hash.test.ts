import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors, type Wycheproof } from '../testing/vectors.ts';
import { equalBytes, utf8Encode } from './bytes.ts';
import { hexDecode, hexEncode } from './hex.ts';

const hmacSuite = vectors<Wycheproof<{ tagSize: number }, { key: string; msg: string; tag: string }>>(
  'wycheproof_hmac_sha256.json',
);
const hkdfSuite = vectors<
  Wycheproof<unknown, { ikm: string; salt: string; info: string; size: number; okm: string }>
>('wycheproof_hkdf_sha256.json');

// Empty input, and "abc": FIPS 180-4 examples, the Keccak team's, the RIPEMD-160 page's, RFC 7693 form with 32 bytes.
const EXPECTED: Record<string, readonly [string, string]> = {
  sha256: [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  ],
  sha512: [
    'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
    'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
  ],
  keccak256: [
    'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
    '4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45',
  ],
  ripemd160: ['9c1185a5c5e9fc54612808977ee8f548b2258d31', '8eb208f7e05d987a9b044a8e98c6b087f15a0bfc'],
  blake2b: [
    '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8',
    'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319',
  ],
};

for (const [name, [empty, abc]] of Object.entries(EXPECTED)) {
  for (const { backend, module } of await eachBackend<Record<string, (data: Uint8Array) => Uint8Array>>(
    name,
  )) {
    test(`${name} gives the published digests of the empty string and of abc (${backend})`, () => {
      const hash = module[name === 'blake2b' ? 'blake2b256' : name]!;
      assert.equal(hexEncode(hash(new Uint8Array(0))), empty);
      assert.equal(hexEncode(hash(utf8Encode('abc'))), abc);
      // A plain Uint8Array: the slice() of a Buffer would share memory.
      assert.equal(Object.getPrototypeOf(hash(utf8Encode('abc'))), Uint8Array.prototype);
      assert.throws(() => hash('abc' as unknown as Uint8Array), TypeError);
    });
  }
}

for (const { backend, module } of await eachBackend<typeof import('./hmac.ts')>('hmac')) {
  test(`HMAC-SHA-256 agrees with all 174 Wycheproof cases (${backend})`, () => {
    let run = 0;
    for (const group of hmacSuite.testGroups) {
      for (const c of group.tests) {
        const tag = module.hmacSha256(hexDecode(c.key), hexDecode(c.msg)).slice(0, group.tagSize / 8);
        assert.equal(equalBytes(tag, hexDecode(c.tag)), c.result === 'valid', `case ${c.tcId}`);
        run++;
      }
    }
    assert.equal(run, 174);
  });

  test(`HMAC-SHA-256 is that of OpenSSL for keys and data of lengths around every bound (${backend})`, () => {
    for (const keyLength of [0, 1, 31, 32, 63, 64, 65, 200])
      for (const length of [0, 1, 55, 56, 64, 8127, 8128, 8129, 20_000]) {
        const key = randomBytes(keyLength);
        const data = randomBytes(length);
        const expected = createHmac('sha256', key).update(data).digest('hex');
        assert.equal(hexEncode(module.hmacSha256(key, data)), expected, `${keyLength}, ${length}`);
        const parts = [data.subarray(0, length >> 1), data.subarray(0, 0), data.subarray(length >> 1)];
        assert.equal(hexEncode(module.hmacSha256(key, ...parts)), expected, `${keyLength}, ${length}, parts`);
      }
  });

  test(`HMAC-SHA-512 gives test case 2 of RFC 4231 (${backend})`, () => {
    assert.equal(
      hexEncode(module.hmacSha512(utf8Encode('Jefe'), utf8Encode('what do ya want for nothing?'))),
      '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
    );
  });
}

for (const { backend, module } of await eachBackend<typeof import('./hkdf.ts')>('hkdf')) {
  test(`HKDF-SHA-256 agrees with all 86 Wycheproof cases (${backend})`, () => {
    let run = 0;
    for (const group of hkdfSuite.testGroups) {
      for (const c of group.tests) {
        const [ikm, salt, info] = [hexDecode(c.ikm), hexDecode(c.salt), hexDecode(c.info)];
        if (c.result === 'valid') {
          assert.equal(hexEncode(module.hkdfSha256(ikm, salt, info, c.size)), c.okm, `case ${c.tcId}`);
          const prk = module.hkdfExtractSha256(ikm, salt);
          assert.equal(hexEncode(module.hkdfExpandSha256(prk, info, c.size)), c.okm, `case ${c.tcId}`);
        } else {
          assert.deepEqual(c.flags, ['SizeTooLarge']);
          assert.throws(() => module.hkdfSha256(ikm, salt, info, c.size), RangeError);
        }
        run++;
      }
    }
    assert.equal(run, 86);
  });

  test(`HKDF takes an info longer than OpenSSL's limit (${backend})`, () => {
    const ikm = new Uint8Array(32).fill(1);
    const info = new Uint8Array(1500).fill(2);
    const salt = new Uint8Array(0);
    const expanded = module.hkdfExpandSha256(module.hkdfExtractSha256(ikm, salt), info, 77);
    assert.deepEqual(module.hkdfSha256(ikm, salt, info, 77), expanded);
  });
}
