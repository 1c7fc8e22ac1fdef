import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';
import fc from 'fast-check';
import { looksLikeTransaction } from './message.ts';
import { encodePsbt, GLOBAL, PSBT_MAGIC } from './psbt.ts';
import { encodeTransaction } from './transaction.ts';

const none: Uint8Array = new Uint8Array(0);
const input = {
  previousId: new Uint8Array(32).fill(7),
  previousIndex: 1,
  scriptSig: none,
  sequence: 0xffffffff,
  witness: [],
};
const unsigned = encodeTransaction({
  version: 2,
  inputs: [input],
  outputs: [{ amount: 5n, script: none }],
  lockTime: 0,
});
const signed = encodeTransaction({
  version: 2,
  inputs: [{ ...input, witness: [Uint8Array.of(1)] }],
  outputs: [{ amount: 5n, script: none }],
  lockTime: 0,
});

test('recognises PSBTs, also broken ones', () => {
  const psbt = encodePsbt({
    global: [{ type: GLOBAL.UNSIGNED_TX, keyData: none, value: unsigned }],
    inputs: [[]],
    outputs: [[]],
  });
  assert.ok(looksLikeTransaction(psbt));
  assert.ok(looksLikeTransaction(new Uint8Array([...psbt, 0])));
  assert.ok(looksLikeTransaction(PSBT_MAGIC));
});

test('E2: recognises transactions with and without witness and the preimages of signature hashes', () => {
  assert.ok(looksLikeTransaction(unsigned));
  assert.ok(looksLikeTransaction(signed));
  assert.ok(looksLikeTransaction(new Uint8Array([...unsigned, 1, 0, 0, 0])));
  const segwit = new Uint8Array(182);
  segwit.set([25, 0x76, 0xa9, 20], 104);
  assert.ok(looksLikeTransaction(segwit));
  const tag = sha256(utf8Encode('TapSighash'));
  assert.ok(looksLikeTransaction(new Uint8Array([...tag, ...tag, ...new Uint8Array(175)])));
});

test('lets ordinary messages pass', () => {
  for (const text of ['', 'psbt', 'Sign in to example.com', '02000000', 'ünïcode', 'x'.repeat(182)]) {
    assert.ok(!looksLikeTransaction(utf8Encode(text)), text);
  }
  assert.ok(!looksLikeTransaction(unsigned.subarray(0, -1)));
});

test('never throws', () => {
  const start = fc.constantFrom(
    [0x70, 0x73, 0x62],
    [2, 0, 0, 0, 1],
    [2, 0, 0, 0, 0, 1, 1],
    [1, 0, 0, 0, 0xff],
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 120 }), (first, rest) => {
      assert.equal(typeof looksLikeTransaction(new Uint8Array([...first, ...rest])), 'boolean');
    }),
    { numRuns: 2_000 },
  );
});
