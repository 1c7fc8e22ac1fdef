import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { publicKey } from '@keystead/crypto/secp256k1';
import { p2tr, Transaction } from '@scure/btc-signer';
import fc from 'fast-check';
import { ChainError } from '../error.ts';
import { compactSize, join, uint32, variable } from './byte-writer.ts';
import { decodePsbt, encodePsbt, GLOBAL, INPUT, OUTPUT, PSBT_MAGIC } from './psbt.ts';
import type { PsbtRecord } from './psbt-map.ts';
import { decodeTransaction, encodeTransaction } from './transaction.ts';

const none: Uint8Array = new Uint8Array(0);
const transaction = {
  version: 2,
  inputs: [
    {
      previousId: new Uint8Array(32).fill(7),
      previousIndex: 1,
      scriptSig: none,
      sequence: 0xffffffff,
      witness: [],
    },
  ],
  outputs: [{ amount: 5n, script: hexDecode('6a') }],
  lockTime: 0,
};
const unsigned: PsbtRecord = {
  type: GLOBAL.UNSIGNED_TX,
  keyData: none,
  value: encodeTransaction(transaction),
};
const record = (type: number, value: Uint8Array, keyData: Uint8Array = none): PsbtRecord => ({
  type,
  keyData,
  value,
});

function psbt(
  maps: {
    global?: readonly PsbtRecord[];
    input?: readonly PsbtRecord[];
    output?: readonly PsbtRecord[];
  } = {},
): Uint8Array {
  return encodePsbt({
    global: maps.global ?? [unsigned],
    inputs: [maps.input ?? []],
    outputs: [maps.output ?? []],
  });
}

function refuses(bytes: Uint8Array, code = 'transaction-malformed'): void {
  assert.throws(() => decodePsbt(bytes), { name: 'ChainError', code }, hexEncode(bytes));
}

test('decodes a PSBT with every kind of record that BIP-174 and BIP-371 define and gives the same bytes back', () => {
  const previous = encodeTransaction({
    ...transaction,
    inputs: [{ ...transaction.inputs[0]!, witness: [Uint8Array.of(1)] }],
  });
  const key = new Uint8Array(33).fill(2);
  const xOnly = new Uint8Array(32).fill(3);
  const bytes = psbt({
    global: [
      unsigned,
      record(GLOBAL.XPUB, new Uint8Array(12), new Uint8Array(78)),
      record(GLOBAL.VERSION, uint32(0)),
      record(0xfc, none, key),
    ],
    input: [
      record(INPUT.NON_WITNESS_UTXO, previous),
      record(INPUT.WITNESS_UTXO, hexDecode('0500000000000000016a')),
      record(INPUT.PARTIAL_SIG, new Uint8Array(71), key),
      record(INPUT.PARTIAL_SIG, new Uint8Array(71), new Uint8Array(65)),
      record(INPUT.SIGHASH_TYPE, uint32(1)),
      record(INPUT.REDEEM_SCRIPT, Uint8Array.of(0x51)),
      record(INPUT.BIP32_DERIVATION, new Uint8Array(8), key),
      record(INPUT.FINAL_SCRIPTWITNESS, hexDecode('02010203aabbcc')),
      record(INPUT.TAP_KEY_SIG, new Uint8Array(65)),
      record(INPUT.TAP_SCRIPT_SIG, new Uint8Array(64), new Uint8Array(64)),
      record(INPUT.TAP_LEAF_SCRIPT, Uint8Array.of(0x51, 0xc0), new Uint8Array(65)),
      record(INPUT.TAP_BIP32_DERIVATION, join([compactSize(1), xOnly, new Uint8Array(8)]), xOnly),
      record(INPUT.TAP_INTERNAL_KEY, xOnly),
      record(INPUT.TAP_MERKLE_ROOT, xOnly),
      record(300, none, key),
    ],
    output: [
      record(OUTPUT.TAP_TREE, hexDecode('01c0015101c00152')),
      record(OUTPUT.TAP_INTERNAL_KEY, xOnly),
      record(OUTPUT.BIP32_DERIVATION, new Uint8Array(4), key),
    ],
  });
  const decoded = decodePsbt(bytes);
  assert.equal(hexEncode(encodePsbt(decoded)), hexEncode(bytes));
  assert.equal(decoded.inputs[0]!.length, 15);
  assert.equal(decoded.inputs[0]![14]!.type, 300);
});

test('decodes what scure writes', () => {
  const payment = p2tr(publicKey(new Uint8Array(32).fill(1)).subarray(1), undefined, undefined, true);
  const scure = new Transaction();
  scure.addInput({
    ...payment,
    txid: new Uint8Array(32).fill(1),
    index: 0,
    witnessUtxo: { script: payment.script, amount: 9n },
  });
  scure.addOutput({ script: payment.script, amount: 8n });
  const bytes = scure.toPSBT(0);
  assert.equal(hexEncode(encodePsbt(decodePsbt(bytes))), hexEncode(bytes));
  // It says that it may still be added to.
  refuses(scure.toPSBT(2), 'transaction-unsafe');
});

test('refuses other versions, fields of version 2 and a missing transaction', () => {
  refuses(psbt({ global: [unsigned, record(GLOBAL.VERSION, uint32(1))] }), 'transaction-version-unsupported');
  refuses(psbt({ global: [unsigned, record(GLOBAL.VERSION, uint32(3))] }), 'transaction-version-unsupported');
  refuses(psbt({ global: [unsigned, record(GLOBAL.VERSION, uint32(2))] }));
  for (const type of [2, 3, 4, 5, 6]) refuses(psbt({ global: [unsigned, record(type, uint32(2))] }));
  for (const type of [14, 15, 16, 17, 18]) refuses(psbt({ input: [record(type, uint32(0))] }));
  for (const type of [3, 4]) refuses(psbt({ output: [record(type, uint32(0))] }));
  refuses(psbt({ global: [] }));
});

test('E1: refuses repeated keys, trailing bytes, missing maps and other magic', () => {
  const bytes = psbt();
  decodePsbt(bytes);
  refuses(psbt({ input: [record(INPUT.SIGHASH_TYPE, uint32(1)), record(INPUT.SIGHASH_TYPE, uint32(1))] }));
  refuses(psbt({ global: [unsigned, unsigned] }));
  refuses(
    psbt({ output: [record(200, none, Uint8Array.of(1)), record(200, Uint8Array.of(2), Uint8Array.of(1))] }),
  );
  refuses(join([bytes, Uint8Array.of(0)]));
  refuses(bytes.subarray(0, -1));
  refuses(bytes.with(0, 0x71));
  refuses(bytes.with(4, 0xfe));
  refuses(none);
  refuses(PSBT_MAGIC);
});

test('E1: refuses compact sizes that are longer than needed, in keys, values and transactions', () => {
  const keyed = (key: Uint8Array, value: Uint8Array): Uint8Array =>
    join([
      PSBT_MAGIC,
      variable(Uint8Array.of(0)),
      variable(unsigned.value),
      Uint8Array.of(0),
      key,
      value,
      Uint8Array.of(0, 0),
    ]);
  decodePsbt(keyed(Uint8Array.of(1, 0x50), Uint8Array.of(1, 9)));
  refuses(keyed(Uint8Array.of(0xfd, 1, 0, 0x50), Uint8Array.of(1, 9)));
  refuses(keyed(Uint8Array.of(1, 0x50), Uint8Array.of(0xfd, 1, 0, 9)));
  refuses(keyed(Uint8Array.of(3, 0xfd, 0x50, 0), Uint8Array.of(1, 9)));
  refuses(keyed(Uint8Array.of(1, 0x50), Uint8Array.of(0xff, 1, 0, 0, 0, 0, 0, 0, 0, 9)));
  const raw = unsigned.value;
  const padded = join([raw.subarray(0, 4), Uint8Array.of(0xfd, 1, 0), raw.subarray(5)]);
  refuses(psbt({ global: [record(GLOBAL.UNSIGNED_TX, padded)] }));
});

test('refuses an unsigned transaction with a signature script, a witness or trailing bytes', () => {
  const [input] = transaction.inputs;
  const refusesTransaction = (value: Uint8Array): void =>
    refuses(psbt({ global: [record(GLOBAL.UNSIGNED_TX, value)] }));
  refusesTransaction(
    encodeTransaction({ ...transaction, inputs: [{ ...input!, scriptSig: Uint8Array.of(0x51) }] }),
  );
  refusesTransaction(encodeTransaction({ ...transaction, inputs: [{ ...input!, witness: [none] }] }));
  refusesTransaction(join([unsigned.value, Uint8Array.of(0)]));
  refusesTransaction(
    encodeTransaction({ ...transaction, outputs: [{ amount: 2_100_000_000_000_001n, script: none }] }),
  );
});

test('refuses known records with a wrong key or value', () => {
  for (const input of [
    record(INPUT.NON_WITNESS_UTXO, none),
    record(INPUT.NON_WITNESS_UTXO, unsigned.value, Uint8Array.of(1)),
    record(INPUT.WITNESS_UTXO, hexDecode('0500000000000000016a00')),
    record(INPUT.PARTIAL_SIG, new Uint8Array(71), new Uint8Array(32)),
    record(INPUT.PARTIAL_SIG, new Uint8Array(8), new Uint8Array(33)),
    record(INPUT.SIGHASH_TYPE, new Uint8Array(3)),
    record(INPUT.SIGHASH_TYPE, uint32(1), Uint8Array.of(0)),
    record(INPUT.BIP32_DERIVATION, new Uint8Array(6), new Uint8Array(33)),
    record(INPUT.BIP32_DERIVATION, none, new Uint8Array(33)),
    record(INPUT.FINAL_SCRIPTWITNESS, hexDecode('0201')),
    record(INPUT.TAP_KEY_SIG, new Uint8Array(63)),
    record(INPUT.TAP_KEY_SIG, new Uint8Array(66)),
    record(INPUT.TAP_SCRIPT_SIG, new Uint8Array(64), new Uint8Array(63)),
    record(INPUT.TAP_LEAF_SCRIPT, Uint8Array.of(0x51, 0xc0), new Uint8Array(34)),
    record(INPUT.TAP_INTERNAL_KEY, new Uint8Array(33)),
    record(INPUT.TAP_MERKLE_ROOT, new Uint8Array(31)),
    record(INPUT.TAP_BIP32_DERIVATION, new Uint8Array(4), new Uint8Array(32)),
    record(INPUT.TAP_BIP32_DERIVATION, new Uint8Array(9), new Uint8Array(33)),
  ]) {
    refuses(psbt({ input: [input] }));
  }
  for (const tree of [
    '',
    '00',
    '01c00151',
    '00c00151' + '00c00151',
    '81c00151',
    '01c1015101c00152',
    '01c0025101c00152',
  ]) {
    refuses(psbt({ output: [record(OUTPUT.TAP_TREE, hexDecode(tree))] }));
  }
});

test('refuses witness forms of a transaction that no node writes', () => {
  const decodes = (hex: string): unknown => decodeTransaction(hexDecode(hex));
  const input = `${'07'.repeat(32)}0100000000ffffffff`;
  const output = '0500000000000000016a';
  decodes(`0200000001${input}01${output}00000000`);
  decodes(`02000000000101${input}01${output}010100000000`.replace('010100000000', '01010000000000'));
  for (const hex of [
    // No witness at all, flag 2, flag 0, no input.
    `02000000000101${input}01${output}0000000000`,
    `02000000000201${input}01${output}0101aa00000000`,
    `02000000000001${input}01${output}0101aa00000000`,
    `020000000001${output}00000000`,
    `0200000001${input}01${output}0000000000`,
    `0200000001${input}01${output}000000`,
    `02000000ff01000000000000000100000000`,
    '',
  ]) {
    assert.throws(() => decodes(hex), { code: 'transaction-malformed' }, hex);
  }
});

test('decodes no bytes that it would encode differently, and throws nothing but ChainError', () => {
  const sample = [
    ...psbt({
      input: [record(INPUT.SIGHASH_TYPE, uint32(1)), record(300, none)],
      output: [record(OUTPUT.REDEEM_SCRIPT, none)],
    }),
  ];
  const edit = fc.tuple(fc.nat({ max: 2 }), fc.nat(), fc.nat({ max: 255 }));
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
      const bytes = [...sample];
      for (const [kind, position, value] of edits) {
        const at = position % bytes.length;
        if (kind === 0) bytes[at] = value;
        if (kind === 1) bytes.splice(at, 0, value);
        if (kind === 2) bytes.splice(at, 1);
      }
      const input = Uint8Array.from(bytes);
      try {
        assert.equal(hexEncode(encodePsbt(decodePsbt(input))), hexEncode(input));
        accepted += 1;
      } catch (error) {
        if (!(error instanceof ChainError)) throw error;
      }
    }),
    { numRuns: 2_000 },
  );
  assert.ok(accepted > 50, String(accepted));
});
