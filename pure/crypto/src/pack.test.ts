import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CryptoError } from './crypto-error.ts';
import { hexDecode, hexEncode } from './hex.ts';
import {
  bool,
  bytes,
  choice,
  type Codec,
  fixed,
  fixedList,
  list,
  mapped,
  nested,
  option,
  type Static,
  struct,
  text,
  u16,
  u32,
  u53,
  u64,
  u8,
  variant,
} from './pack.ts';

const entry = struct({
  position: u53,
  amount: u64,
  kind: choice({ transfer: 1, call: 2 }),
  previous: fixed(4),
  note: text(32),
  tags: list(struct({ code: u16, on: bool }), 3),
  memo: option(bytes(8)),
  outcome: variant('status', {
    allowed: [1, struct({ rule: text(8) })],
    denied: [2, struct({ at: u32, why: u8 })],
  }),
});

// The inferred type is part of the contract: this assignment is checked by the compiler.
const value: Static<typeof entry> = {
  position: 2 ** 53 - 1,
  amount: 0xffffffffffffffffn,
  kind: 'call',
  previous: Uint8Array.of(1, 2, 3, 4),
  note: 'é€😀',
  tags: [
    { code: 7, on: true },
    { code: 65535, on: false },
  ],
  memo: Uint8Array.of(9),
  outcome: { status: 'denied', at: 5, why: 6 },
};

const HEX =
  '001fffffffffffff' +
  'ffffffffffffffff' +
  '02' +
  '01020304' +
  '00000009c3a9e282acf09f9880' +
  '00000002' +
  '000701' +
  'ffff00' +
  '0100000001' +
  '09' +
  '020000000506';

function refused(codec: Codec<never> | Codec<unknown>, hex: string, detail: string): void {
  assert.throws(
    () => codec.decode(hexDecode(hex)),
    (error: unknown) => {
      assert.ok(error instanceof CryptoError);
      assert.equal(error.code, 'pack-malformed');
      assert.equal(error.detail, detail);
      return true;
    },
  );
}

test('encodes a struct to the fixed bytes of the format', () => {
  assert.equal(hexEncode(entry.encode(value)), HEX);
  assert.deepEqual(entry.decode(hexDecode(HEX)), value);
});

test('refuses every truncation and every trailing byte', () => {
  const whole = hexDecode(HEX);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => entry.decode(whole.slice(0, length)), { code: 'pack-malformed' });
  }
  refused(entry, `${HEX}00`, 'trailing bytes');
});

test('names the path of the field that is malformed', () => {
  refused(entry, HEX.replace('000701', '000702'), 'tags[0].on: flag must be 0 or 1');
  refused(entry, HEX.replace('ffff00', 'ffff09'), 'tags[1].on: flag must be 0 or 1');
  refused(entry, HEX.replace('020000000506', '030000000506'), 'outcome.status: unknown tag');
  refused(entry, HEX.replace('001fffffffffffff', '0020000000000000'), 'position: above 2^53 - 1');
  refused(entry, HEX.replace('00000009c3a9', '00000009c0a9'), 'note: not UTF-8');
});

test('refuses non-canonical flags, surrogates, overlong text and long fields', () => {
  refused(bool, '02', 'flag must be 0 or 1');
  refused(option(u8), '0200', 'flag must be 0 or 1');
  refused(text(8), '00000003eda080', 'not UTF-8');
  refused(text(8), '00000002c080', 'not UTF-8');
  refused(text(2), '00000003616161', 'longer than 2 bytes');
  refused(bytes(2), '00000003616161', 'longer than 2 bytes');
  refused(list(u8, 2), '00000003616161', 'more than 2 items');
  refused(choice({ a: 1 }), '00', 'unknown tag');
});

test('refuses a count that the input cannot hold before reading an item', () => {
  let reads = 0;
  const counted = mapped(
    u32,
    (n) => {
      reads++;
      return n;
    },
    (n) => n,
  );
  refused(list(counted, 0xffffffff), 'ffffffff00000001', 'truncated');
  refused(bytes(0xffffffff), 'ffffffff00', 'truncated');
  assert.equal(reads, 0);
});

test('refuses to encode what the type does not hold', () => {
  assert.throws(() => u8.encode(256), RangeError);
  assert.throws(() => u8.encode(1.5), TypeError);
  assert.throws(() => u8.encode(-0), TypeError);
  assert.throws(() => u53.encode(2 ** 53), RangeError);
  assert.throws(() => u64.encode(1n << 64n), RangeError);
  assert.throws(() => u64.encode(-1n), RangeError);
  assert.throws(() => text(8).encode('\ud800'), RangeError);
  assert.throws(() => text(2).encode('€'), RangeError);
  assert.throws(() => fixed(2).encode(new Uint8Array(3)), RangeError);
  assert.throws(
    () => entry.encode({ ...value, tags: [{ code: 70000, on: true }] }),
    /^RangeError: tags\[0\]\.code: /,
  );
  const { note: _, ...without } = value;
  assert.throws(() => entry.encode(without as typeof value), /^TypeError: note: must be a string$/);
});

test('a list of fixed items as one byte string has the bytes and the bounds of the list', () => {
  const joined = fixedList(4, 3);
  const separate = list(fixed(4), 3);
  const items = [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(5, 6, 7, 8)];
  assert.deepEqual(joined.encode(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)), separate.encode(items));
  assert.deepEqual(joined.decode(separate.encode(items)), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  assert.deepEqual(joined.decode(separate.encode([])), new Uint8Array(0));
  for (const codec of [joined, separate]) {
    refused(codec, '0000000400000000000000000000000000000000', 'more than 3 items');
    refused(codec, '0000000201020304050607', 'truncated');
    refused(codec, '00000001010203040506', 'trailing bytes');
  }
  assert.throws(() => joined.encode(new Uint8Array(7)), RangeError);
  assert.throws(() => joined.encode(new Uint8Array(16)), RangeError);
  assert.throws(() => joined.encode([] as never), TypeError);
});

test('a nested encoding has the bytes and the bounds of a byte string that holds it', () => {
  const pair = struct({ a: u16, b: text(8) });
  const inside = nested(pair, 10);
  const outside = bytes(10);
  const one = { a: 7, b: 'abcd' };
  assert.deepEqual(
    list(inside, 3).encode([one, one]),
    list(outside, 3).encode([pair.encode(one), pair.encode(one)]),
  );
  assert.deepEqual(inside.decode(outside.encode(pair.encode(one))), one);
  assert.throws(() => inside.encode({ a: 7, b: 'abcde' }), RangeError);
  assert.deepEqual(inside.encode(one), outside.encode(pair.encode(one)));
  refused(inside, '0000000b00070000000461626364', 'longer than 10 bytes');
  refused(inside, '00000009000700000004616263', 'b: truncated');
  refused(inside, '0000000a00070000000361626364', 'trailing bytes');
  refused(inside, '0000000a000700000004616263', 'truncated');
});

test('refuses two names for one tag and field names that the language reorders', () => {
  assert.throws(() => choice({ a: 1, b: 1 }), RangeError);
  assert.throws(() => struct({ 1: u8 }), TypeError);
});

test('decoding without copies accepts and refuses the same, and gives views of the input', () => {
  const codec = struct({ short: fixed(64), long: bytes(200), items: list(bytes(100), 8) });
  const value = {
    short: new Uint8Array(64).fill(1),
    long: new Uint8Array(150).fill(2),
    items: [new Uint8Array(90)],
  };
  const { decodeShared, decodeViews } = codec;
  for (const decode of [decodeShared, decodeViews]) {
    for (const input of [codec.encode(value), Buffer.concat([codec.encode(value)])]) {
      const shared = decode(input);
      assert.deepEqual(shared, codec.decode(input));
      assert.equal(shared.short.buffer === input.buffer, decode === decodeViews);
      for (const view of [shared.long, shared.items[0]!]) {
        assert.equal(view.buffer, input.buffer);
        assert.equal(Object.getPrototypeOf(view), Uint8Array.prototype);
      }
      for (let length = 0; length < input.length; length += 1)
        assert.throws(() => decode(input.subarray(0, length)), { code: 'pack-malformed' });
    }
    assert.throws(() => decode(Uint8Array.of(...codec.encode(value), 0)), { code: 'pack-malformed' });
  }
});

test('gives copies of byte strings, also when the input is a Buffer', () => {
  const input = Buffer.from('0000000201020304', 'hex');
  const decoded = struct({ a: bytes(4), b: fixed(2) }).decode(input);
  input.fill(0xff);
  assert.deepEqual(decoded, { a: Uint8Array.of(1, 2), b: Uint8Array.of(3, 4) });
});

test('hides the value and its message when a mapping refuses it', () => {
  const even = mapped(
    u8,
    (n) => {
      if (n % 2 === 1) throw new Error(`secret ${n}`);
      return n;
    },
    (n) => n,
  );
  refused(struct({ n: even }), '03', 'n: value refused');
  assert.deepEqual(even.decode(Uint8Array.of(4)), 4);
});

test('encodes inside an encoding without mixing the two', () => {
  const inner = struct({ a: u8, b: text(8) });
  const outer = struct({
    first: u8,
    nested: mapped(
      bytes(64),
      (raw) => inner.decode(raw),
      (v: Static<typeof inner>) => inner.encode(v),
    ),
    last: u8,
  });
  const v = { first: 1, nested: { a: 2, b: 'x' }, last: 3 };
  assert.equal(hexEncode(outer.encode(v)), '0100000006020000000178' + '03');
  assert.deepEqual(outer.decode(outer.encode(v)), v);
});

test('works after a refused encoding and for values larger than the first buffer', () => {
  assert.throws(() => entry.encode({ ...value, position: -1 }), RangeError);
  const big = bytes(200_000);
  const data = new Uint8Array(200_000).fill(7);
  assert.deepEqual(big.decode(big.encode(data)), data);
  assert.equal(hexEncode(entry.encode(value)), HEX);
});

test('any value round trips, and any accepted bytes encode to themselves', () => {
  const shape = struct({
    a: u53,
    b: option(text(64)),
    c: list(variant('t', { x: [0, struct({ v: u64 })], y: [255, struct({ w: bytes(16), z: bool })] }), 8),
  });
  const plain = { noNullPrototype: true };
  const anyValue = fc.record(
    {
      a: fc.maxSafeNat(),
      b: fc.option(fc.string({ unit: 'binary', maxLength: 16 }), { nil: undefined }),
      c: fc.array(
        fc.oneof(
          fc.record({ t: fc.constant('x' as const), v: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) }, plain),
          fc.record(
            { t: fc.constant('y' as const), w: fc.uint8Array({ maxLength: 16 }), z: fc.boolean() },
            plain,
          ),
        ),
        { maxLength: 8 },
      ),
    },
    plain,
  );
  fc.assert(
    fc.property(anyValue, fc.nat(), fc.nat(255), (v, position, byte) => {
      const encoded = shape.encode(v);
      assert.deepEqual(shape.decode(encoded), v);
      const changed = Uint8Array.from(encoded);
      changed[position % changed.length] = byte;
      try {
        const other = shape.decode(changed);
        assert.deepEqual(shape.encode(other), changed);
      } catch (error) {
        assert.ok(error instanceof CryptoError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});
