import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { utf8Encode } from '@keystead/crypto/bytes';
import fc from 'fast-check';
import { decodeRlp as etherDecode, encodeRlp as etherEncode } from 'ethers';
import { ChainError } from '../error.ts';
import { decodeRlp, encodeRlp, integerToBytes, type RlpItem } from './rlp.ts';

type VectorInput = string | number | readonly VectorInput[];
interface Vectors {
  readonly rlp_valid: Record<string, { in: VectorInput; out: string }>;
  readonly rlp_invalid: Record<string, { in: string; out: string }>;
}

const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../../../vectors/ethereum_rlp.json', import.meta.url), 'utf8'),
);

function itemOf(input: VectorInput): RlpItem {
  if (typeof input === 'number') return integerToBytes(BigInt(input));
  if (typeof input === 'string') {
    return input.startsWith('#') ? integerToBytes(BigInt(input.slice(1))) : utf8Encode(input);
  }
  return input.map(itemOf);
}

const bytesOf = (text: string): Uint8Array => hexDecode(text.replace(/^0x/, ''));

test('encodes and decodes every valid RLP vector of ethereum/tests', () => {
  const cases = Object.entries(vectors.rlp_valid);
  assert.equal(cases.length, 28);
  for (const [name, { in: input, out }] of cases) {
    assert.equal(hexEncode(encodeRlp(itemOf(input))), out.slice(2).toLowerCase(), name);
    assert.deepEqual(decodeRlp(bytesOf(out)), itemOf(input), name);
  }
});

test('refuses every invalid RLP vector of ethereum/tests', () => {
  const cases = Object.entries(vectors.rlp_invalid);
  assert.equal(cases.length, 26);
  for (const [name, { out }] of cases) {
    assert.throws(() => decodeRlp(bytesOf(out)), ChainError, name);
  }
});

test('agrees with ethers on generated items in both directions', () => {
  const item = fc.letrec<{ item: RlpItem; list: RlpItem[]; bytes: Uint8Array }>((tie) => ({
    item: fc.oneof({ depthSize: 'small' }, tie('bytes'), tie('list')),
    list: fc.array(tie('item'), { maxLength: 6 }),
    bytes: fc.uint8Array({ maxLength: 80 }),
  })).item;
  const hex = (value: RlpItem): unknown =>
    value instanceof Uint8Array ? `0x${hexEncode(value)}` : value.map(hex);
  fc.assert(
    fc.property(item, (value) => {
      const encoded = encodeRlp(value);
      assert.equal(`0x${hexEncode(encoded)}`, etherEncode(hex(value) as string));
      assert.deepEqual(hex(decodeRlp(encoded)), etherDecode(encoded));
    }),
    { numRuns: 500 },
  );
});

test('refuses nesting that is deeper than any transaction', () => {
  let item: RlpItem = [];
  for (let depth = 0; depth < 40; depth += 1) item = [item];
  assert.throws(() => decodeRlp(encodeRlp(item)), { code: 'transaction-malformed' });
});
