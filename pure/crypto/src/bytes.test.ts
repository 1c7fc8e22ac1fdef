import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { test } from 'node:test';
import fc from 'fast-check';
import { compareBytes, concatBytes, equalBytes, utf8Decode, utf8Encode } from './bytes.ts';
import { hexDecode } from './hex.ts';
import { SecretBytes } from './secret-bytes.ts';

test('joins, compares and orders byte strings', () => {
  assert.deepEqual(
    concatBytes(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)),
    Uint8Array.of(1, 2, 3),
  );
  assert.ok(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  assert.ok(!equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
  assert.ok(!equalBytes(Uint8Array.of(1), Uint8Array.of(1, 0)));
  assert.ok(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0)) < 0);
  assert.ok(compareBytes(Uint8Array.of(255), Uint8Array.of(1, 0)) > 0);
  assert.equal(compareBytes(Uint8Array.of(4), Uint8Array.of(4)), 0);
  assert.throws(() => concatBytes([1] as unknown as Uint8Array), TypeError);
});

test('UTF-8 agrees with the platform on well-formed text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const expected = new Uint8Array(new TextEncoder().encode(text));
      assert.deepEqual(utf8Encode(text), expected);
      assert.equal(utf8Decode(expected), text);
    }),
  );
  const long = 'aé€😀'.repeat(5000);
  assert.equal(utf8Decode(utf8Encode(long)), long);
  assert.equal(utf8Decode(utf8Encode('a'.repeat(100_000))), 'a'.repeat(100_000));
  assert.equal(utf8Decode(hexDecode('efbbbf61')), '\ufeffa');
});

test('UTF-8 agrees with the strict platform decoder on arbitrary bytes', () => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const byte = fc.oneof(
    fc.constantFrom(
      0x80,
      0xbf,
      0xc0,
      0xc1,
      0xc2,
      0xe0,
      0x9f,
      0xa0,
      0xed,
      0xee,
      0xf0,
      0x8f,
      0x90,
      0xf4,
      0xf5,
      0xff,
    ),
    fc.nat(255),
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 8 }), (list) => {
      const bytes = Uint8Array.from(list);
      let expected: string | undefined;
      try {
        expected = strict.decode(bytes);
      } catch {
        expected = undefined;
      }
      if (expected === undefined) assert.throws(() => utf8Decode(bytes), { code: 'utf8-malformed' });
      else assert.equal(utf8Decode(bytes), expected);
    }),
    { numRuns: 2000 },
  );
});

test('refuses lone surrogates in text', () => {
  for (const text of ['\ud800', 'a\udc00', '\ud800\ud800', '\udc00\ud800', '\ud83dx']) {
    assert.throws(() => utf8Encode(text), { code: 'utf8-malformed' });
  }
});

test('secret bytes never print themselves', () => {
  const source = Uint8Array.of(222, 173);
  const secret = new SecretBytes(source);
  source.fill(0);
  assert.deepEqual(secret.expose(), Uint8Array.of(222, 173));
  for (const text of [
    `${secret}`,
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ a: [secret] }),
  ]) {
    assert.match(text, /REDACTED/);
    assert.doesNotMatch(text, /222|173|dead/i);
  }
  assert.deepEqual(Object.keys(secret), []);
});

test('secret bytes can take ownership and be wiped', () => {
  const source = Uint8Array.of(1, 2, 3);
  const secret = SecretBytes.take(source);
  assert.deepEqual(source, new Uint8Array(3));
  const inside = secret.expose();
  assert.equal(secret.length, 3);
  secret.wipe();
  assert.deepEqual(inside, new Uint8Array(3));
  assert.throws(() => secret.expose(), TypeError);
});
