import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base58 } from '@scure/base';
import fc from 'fast-check';
import { vectors } from '../testing/vectors.ts';
import { base58Decode, base58Encode } from './base58.ts';
import { base64Decode, base64Encode } from './base64.ts';
import { base64urlDecode, base64urlEncode } from './base64url.ts';
import {
  bech32Decode,
  bech32Encode,
  bech32mDecode,
  bech32mEncode,
  segwitDecode,
  segwitEncode,
} from './bech32.ts';
import { concatBytes } from './bytes.ts';
import { hexDecode, hexEncode } from './hex.ts';
import { looped, radix64 } from './radix64.ts';

const anyBytes = fc.uint8Array({ maxLength: 80 });

test('hexadecimal round trips, reads both cases and refuses the rest', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      assert.equal(hexEncode(bytes), Buffer.from(bytes).toString('hex'));
      assert.deepEqual(hexDecode(hexEncode(bytes).toUpperCase()), bytes);
    }),
  );
  for (const text of ['0', '0x00', 'gg', '0 ', ' 00', '0\n', '٠٠', '00é0']) {
    assert.throws(() => hexDecode(text), { code: 'hex-malformed' });
  }
});

test('base64 and base64url agree with the platform', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      assert.equal(base64Encode(bytes), Buffer.from(bytes).toString('base64'));
      assert.equal(base64urlEncode(bytes), Buffer.from(bytes).toString('base64url'));
      assert.deepEqual(base64Decode(base64Encode(bytes)), bytes);
      assert.deepEqual(base64urlDecode(base64urlEncode(bytes)), bytes);
    }),
  );
});

test('base64 is the same with the help of the platform and without', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const character = fc.constantFrom(...'ABQgwxyz059+/-_= \n'.split(''));
  const outcome = (decode: () => Uint8Array) => {
    try {
      return Buffer.from(decode()).toString('hex');
    } catch (error) {
      return (error as { code: string; detail: string }).detail;
    }
  };
  fc.assert(
    fc.property(anyBytes, fc.string({ unit: character, maxLength: 9 }), (bytes, text) => {
      for (const [name, last, padded] of [
        ['base64', '+/', true],
        ['base64url', '-_', false],
      ] as const) {
        const helped = radix64(name, padded);
        const alone = looped(alphabet + last, padded);
        assert.equal(helped.encode(bytes), alone.encode(bytes));
        for (const each of [text, helped.encode(bytes)])
          assert.equal(
            outcome(() => helped.decode(each)),
            outcome(() => alone.decode(each)),
          );
      }
    }),
  );
});

test('any text that base64 accepts is the encoding of its bytes', () => {
  const character = fc.constantFrom(...'ABQgwxyz059+/-_= \n'.split(''));
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 9 }), (text) => {
      for (const [decode, encode] of [
        [base64Decode, base64Encode],
        [base64urlDecode, base64urlEncode],
      ] as const) {
        let bytes: Uint8Array;
        try {
          bytes = decode(text);
        } catch (error) {
          assert.equal((error as { code: string }).code, 'base64-malformed');
          continue;
        }
        assert.equal(encode(bytes), text);
      }
    }),
    { numRuns: 2000 },
  );
  for (const text of [
    'QQ',
    'QQ=',
    'QR==',
    'QUI',
    'QUJ=',
    'QQ==\n',
    'Q Q=',
    '====',
    '=',
    'QQ=a',
    'A===',
    'QQ==QQ==',
  ]) {
    assert.throws(() => base64Decode(text), { code: 'base64-malformed' }, text);
  }
  for (const text of ['QQ==', 'QR', 'QUJ', 'Q', '+A', '/A', 'QQ ', 'QQ\n']) {
    assert.throws(() => base64urlDecode(text), { code: 'base64-malformed' }, text);
  }
});

test('base58 agrees with another implementation and keeps leading zeros', () => {
  fc.assert(
    fc.property(fc.nat(3), anyBytes, (zeros, tail) => {
      const bytes = concatBytes(new Uint8Array(zeros), tail);
      assert.equal(base58Encode(bytes), base58.encode(bytes));
      assert.deepEqual(base58Decode(base58.encode(bytes)), bytes);
    }),
  );
  const packet = new Uint8Array(1232).fill(0xff);
  assert.equal(base58Encode(packet), base58.encode(packet));
  assert.deepEqual(base58Decode(base58Encode(packet)), packet);
});

test('base58 of 32 bytes, which has a way of its own, agrees with another implementation', () => {
  const agrees = (bytes: Uint8Array) => assert.equal(base58Encode(bytes), base58.encode(bytes));
  fc.assert(fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), agrees), { numRuns: 2000 });
  for (let zeros = 0; zeros <= 32; zeros++) {
    for (const byte of [1, 0x7f, 0x80, 0xff]) agrees(new Uint8Array(32).fill(byte, zeros));
  }
});

test('base58 refuses other characters and results that are too long', () => {
  for (const text of ['0', 'O', 'I', 'l', ' 1', '1\n', '1é']) {
    assert.throws(() => base58Decode(text), { code: 'base58-malformed' });
  }
  const full = base58Encode(new Uint8Array(32).fill(0xff));
  assert.equal(base58Decode(full, 32).length, 32);
  assert.throws(() => base58Decode(base58Encode(new Uint8Array(33).fill(1)), 32), {
    code: 'base58-malformed',
  });
  assert.throws(() => base58Decode('1'.repeat(33), 32), { code: 'base58-malformed' });
  assert.throws(() => base58Decode('z'.repeat(1_000_000)), { code: 'base58-malformed' });
  assert.throws(() => base58Encode(new Uint8Array(2049)), RangeError);
});

test('bech32 and bech32m round trip and refuse each other', () => {
  const bytes = hexDecode('00010203fffefdfc');
  assert.deepEqual(bech32Decode(bech32Encode('age', bytes)), { prefix: 'age', bytes });
  assert.deepEqual(bech32mDecode(bech32mEncode('age', bytes)), { prefix: 'age', bytes });
  assert.throws(() => bech32mDecode(bech32Encode('age', bytes)), { code: 'bech32-malformed' });
  assert.throws(() => bech32Decode(bech32mEncode('age', bytes)), { code: 'bech32-malformed' });
  const text = bech32Encode('age', bytes);
  assert.throws(() => bech32Decode(text.slice(0, 5) + text.slice(5).toUpperCase()), {
    code: 'bech32-malformed',
  });
  assert.throws(() => bech32Decode(`${text.slice(0, -1)}q`), { code: 'bech32-malformed' });
  const long = bech32Encode('addr', new Uint8Array(100), 1000);
  assert.throws(() => bech32Decode(long), { code: 'bech32-malformed' });
  assert.equal(bech32Decode(long, 1000).bytes.length, 100);
});

test('decides the 34 address vectors of BIP-350', () => {
  const suite = vectors<{
    valid: { address: string; scriptPubKey: string }[];
    invalid: { string: string; reason: string }[];
  }>('bip350_segwit_addresses.json');
  let run = 0;
  for (const { address, scriptPubKey } of suite.valid) {
    const { prefix, version, program } = segwitDecode(address);
    const opcode = version === 0 ? 0 : 0x50 + version;
    assert.equal(hexEncode(concatBytes(Uint8Array.of(opcode, program.length), program)), scriptPubKey);
    assert.equal(segwitEncode(prefix, version, program), address.toLowerCase());
    run++;
  }
  for (const { string, reason } of suite.invalid) {
    // The prefix is the caller's to compare; every other reason is refused here.
    if (reason === 'Invalid human-readable part') assert.equal(segwitDecode(string).prefix, 'tc');
    else assert.throws(() => segwitDecode(string), { code: 'bech32-malformed' }, reason);
    run++;
  }
  assert.equal(run, 34);
  assert.throws(() => segwitEncode('bc', 17, new Uint8Array(32)), RangeError);
  assert.throws(() => segwitEncode('bc', 0, new Uint8Array(31)), RangeError);
});
