import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { vectors } from '../testing/vectors.ts';
import { utf8Encode } from './bytes.ts';
import { canonicalize, canonicalizeWithAmounts } from './canonical-json.ts';
import { hexDecode, hexEncode } from './hex.ts';
import { type JsonValue, parseOwnJson, parseStrictJson } from './strict-json.ts';

const LIMITS = { maxBytes: 100_000 };

const suite = vectors<{
  documents: { name: string; input_utf8: string; output_utf8: string; output_hex: string }[];
  numbers: { ieee_hex: string; expected: string }[];
}>('rfc8785_jcs.json');

function refused(input: string | Uint8Array, detail?: RegExp, maxDepth?: number): void {
  assert.throws(
    () => parseStrictJson(input, maxDepth === undefined ? LIMITS : { ...LIMITS, maxDepth }),
    (error: unknown) => {
      assert.equal((error as { code: string }).code, 'json-malformed', String(input));
      if (detail !== undefined) assert.match((error as { detail: string }).detail, detail);
      return true;
    },
    String(input),
  );
}

// deepEqual distinguishes prototypes; the values are what matters here.
function plain(value: JsonValue): unknown {
  return JSON.parse(JSON.stringify(value));
}

test('canonicalizes the 6 documents and 7 numbers of the RFC 8785 suite', () => {
  let run = 0;
  for (const { name, input_utf8, output_utf8, output_hex } of suite.documents) {
    // Parsed leniently: some numbers there are deliberately not in shortest form.
    const text = canonicalize(JSON.parse(input_utf8));
    assert.equal(text, output_utf8, name);
    assert.equal(hexEncode(utf8Encode(text)), output_hex, name);
    run++;
  }
  for (const { ieee_hex, expected } of suite.numbers) {
    const view = new DataView(hexDecode(ieee_hex.padStart(16, '0')).buffer as ArrayBuffer);
    assert.equal(canonicalize(view.getFloat64(0)), expected);
    run++;
  }
  assert.equal(run, 13);
});

test('writes amounts as decimal text and leaves out what is undefined, where that is asked for', () => {
  const value = { b: 10n ** 30n, a: [0n, { z: undefined, y: -1n }], c: 'x', d: undefined };
  const text = '{"a":["0",{"y":"-1"}],"b":"1000000000000000000000000000000","c":"x"}';
  assert.equal(canonicalizeWithAmounts(value), text);
  for (const refused of [1n, undefined, { a: undefined }])
    assert.throws(() => canonicalize(refused as unknown as JsonValue), TypeError);
});

test('sorts members by UTF-16 code units, few or many', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ unit: 'binary', maxLength: 4 }), { maxLength: 40 }), (names) => {
      const value = Object.fromEntries(names.map((name) => [name, 1]));
      const expected = [...names].sort().map((name) => `${JSON.stringify(name)}:1`);
      assert.equal(canonicalize(value), `{${expected.join(',')}}`);
    }),
  );
});

test('refuses to canonicalize what JSON does not hold', () => {
  for (const value of [
    undefined,
    1n,
    () => 1,
    Symbol('a'),
    new Date(0),
    new Map(),
    new Uint8Array(1),
    [undefined],
    { a: undefined },
  ]) {
    assert.throws(() => canonicalize(value as unknown as JsonValue), TypeError);
  }
  // biome-ignore lint/suspicious/noSparseArray: the hole is the case.
  assert.throws(() => canonicalize([1, , 2] as unknown as JsonValue), TypeError);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\ud800', { '\udc00': 1 }]) {
    assert.throws(() => canonicalize(value), RangeError);
  }
  const cycle: JsonValue[] = [];
  cycle.push(cycle);
  assert.throws(() => canonicalize(cycle), RangeError);
});

test('parses compact, spaced and escaped documents to the same value', () => {
  const expected = { a: [1, -2, 0.5, 1e21, 1e-7], b: { c: null, '2': true, '1': 'é😀"' }, d: '' };
  const compact = JSON.stringify(expected);
  for (const text of [
    compact,
    ` ${JSON.stringify(expected, null, 2)}\r\n\t`,
    '{"\\u0061":[1,-2,0.5,1e+21,1e-7],"b":{"c":null,"2":true,"1":"\\u00e9\\ud83d\\ude00\\""},"d":""}',
  ]) {
    assert.deepEqual(plain(parseStrictJson(text, LIMITS)), expected);
    assert.deepEqual(plain(parseStrictJson(utf8Encode(text), LIMITS)), expected);
  }
});

test('gives objects without prototype on both paths', () => {
  for (const text of ['{"a":{"b":[{}]}}', '{ "a":{"b":[{}]}}']) {
    const value = parseStrictJson(text, LIMITS) as { a: { b: [object] } };
    for (const object of [value, value.a, value.a.b[0]]) assert.equal(Object.getPrototypeOf(object), null);
  }
});

test('refuses duplicate members, also behind escapes and on every level', () => {
  refused('{"a":1,"a":1}', /^duplicate member at character 7$/);
  refused('{"a":1,"\\u0061":2}', /duplicate/);
  refused('[{"x":{"1":0,"1":0}}]', /duplicate/);
  refused('{"toString":1,"toString":1}', /duplicate/);
  assert.deepEqual(plain(parseStrictJson('{"toString":1}', LIMITS)), { toString: 1 });
});

test('refuses the member name __proto__ on both paths', () => {
  refused('{"__proto__":1}', /__proto__/);
  refused('{ "__proto__":{"a":1}}', /__proto__/);
  refused('{"a":{"\\u005f_proto__":1}}', /__proto__/);
});

test('refuses numbers that are not in shortest form or beyond exact integers', () => {
  for (const text of [
    '1.0',
    '1.50',
    '1E2',
    '1e2',
    '1e400',
    '-1e400',
    '-0',
    '-0.0',
    '0.0',
    '9007199254740993',
    '9007199254740992',
    '-9007199254740992',
    '295147905179352830000',
    '01',
    '+1',
    '.5',
    '1.',
    '0x1',
    'NaN',
    'Infinity',
    '-',
    '1e',
    '1_0',
    '0.1000000000000000055511151231257827',
    '1e21',
    '100000000000000000000000',
  ]) {
    refused(text);
    refused(`{"a":${text}}`);
    refused(`[ ${text} ]`);
  }
  for (const text of [
    '0',
    '9007199254740991',
    '-9007199254740991',
    '0.1',
    '5e-324',
    '1e+21',
    '1.7976931348623157e+308',
    '-1.5',
  ]) {
    assert.equal(parseStrictJson(text, LIMITS), Number(text));
    assert.equal(parseStrictJson(` ${text}`, LIMITS), Number(text));
  }
});

test('refuses lone surrogates, raw or escaped', () => {
  for (const text of ['"\\ud800"', '"\\udc00\\ud800"', '"\\ud800a"', '{"\\udfff":1}', '"\\uD83D"'])
    refused(text, /surrogate/);
  refused('"\ud800"', /lone surrogate/);
  refused(hexDecode('22eda08022'), /^not UTF-8, at byte 1$/);
  assert.equal(parseStrictJson('"\\ud83d\\ude00"', LIMITS), '😀');
});

test('refuses other malformed input', () => {
  for (const text of [
    '',
    ' ',
    '{',
    '[',
    '[1',
    '[1,]',
    '[,1]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '{"a" 1}',
    '1 2',
    '{}{}',
    'nul',
    'nulll',
    'True',
    '"a',
    '"\\x41"',
    '"\\u00g0"',
    '"\\u12"',
    '"\n"',
    '"\t"',
    '\u00a01',
    '\ufeff1',
    '//a\n1',
    '[1]]',
    '\u0000',
  ]) {
    refused(text);
    refused(utf8Encode(text));
  }
  refused(hexDecode('efbbbf7b7d'));
  refused(hexDecode('ff'), /not UTF-8/);
});

test('refuses more levels or bytes than the limits', () => {
  const nested = (depth: number, space: string): string => space + '['.repeat(depth) + ']'.repeat(depth);
  for (const space of ['', ' ']) {
    parseStrictJson(nested(32, space), LIMITS);
    refused(nested(33, space), /nested too deeply/);
    refused(`${space}${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, /nested too deeply/);
    parseStrictJson(nested(2, space), { ...LIMITS, maxDepth: 2 });
    refused(nested(3, space), /nested too deeply/, 2);
    refused(nested(49_000, space), /nested too deeply/);
  }
  assert.throws(() => parseStrictJson('"é"', { maxBytes: 3 }), { code: 'json-malformed' });
  assert.equal(parseStrictJson('"é"', { maxBytes: 4 }), 'é');
  assert.throws(() => parseStrictJson(utf8Encode('"é"'), { maxBytes: 3 }), { code: 'json-malformed' });
  assert.throws(() => parseStrictJson('[1,2]', { maxBytes: 4 }), { code: 'json-malformed' });
});

test('any JSON value comes back from its canonical form, and canonical forms are stable', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4, noUnicodeString: false }), (value) => {
      fc.pre(!JSON.stringify(value).includes('__proto__'));
      const text = canonicalize(value as JsonValue);
      let parsed: JsonValue;
      try {
        parsed = parseStrictJson(text, { ...LIMITS, maxDepth: 64 });
      } catch (error) {
        assert.match(String(error), /2\^53/);
        return;
      }
      assert.deepEqual(parseStrictJson(` ${text}`, { ...LIMITS, maxDepth: 64 }), parsed);
      assert.equal(canonicalize(parsed), text);
      assert.deepEqual(plain(parsed), JSON.parse(text));
    }),
  );
});

test('what was written canonically is read as strictly parsed, without prototype', () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      let text: string;
      try {
        text = canonicalize(value as JsonValue);
      } catch {
        return;
      }
      const read = (parse: () => JsonValue): unknown => {
        try {
          return parse();
        } catch (error) {
          return (error as { code: string }).code;
        }
      };
      assert.deepEqual(
        read(() => parseOwnJson(utf8Encode(text))),
        read(() => parseStrictJson(text, { maxBytes: 1_000_000, maxDepth: 64 })),
      );
    }),
  );
  assert.equal(Object.getPrototypeOf(parseOwnJson(utf8Encode('{"a":{}}'))), null);
  for (const text of ['', '{', '{"__proto__":1}', '9007199254740993'])
    assert.throws(() => parseOwnJson(utf8Encode(text)), { code: 'json-malformed' });
});

test('accepts nothing that the platform refuses, and gives the same value', () => {
  const token = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '"b"',
    '1',
    '-',
    '0',
    '.5',
    'e',
    'true',
    'null',
    ' ',
    '\\',
    '\\u0061',
    '\n',
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(token, { maxLength: 9 }), (tokens) => {
      const text = tokens.join('');
      let value: JsonValue;
      try {
        value = parseStrictJson(text, LIMITS);
      } catch {
        return;
      }
      accepted++;
      assert.deepEqual(plain(value), JSON.parse(text));
    }),
    { numRuns: 3000 },
  );
  assert.ok(accepted > 10);
});
