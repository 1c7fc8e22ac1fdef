import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hexEncode } from '@keystead/crypto/hex';
import { ecdsaSign, publicKey } from '@keystead/crypto/secp256k1';
import { Transaction } from '@scure/btc-signer';
import { RawPSBTV2 } from '@scure/btc-signer/psbt.js';
import type { SigningAccount } from '../chain.ts';
import { address, ownScript } from './address.ts';
import { uint32 } from './byte-writer.ts';
import { extractTransaction } from './extract.ts';
import { parseTransaction } from './parse.ts';
import { decodePsbt, encodePsbt, GLOBAL, type Psbt } from './psbt.ts';
import type { PsbtMap, PsbtRecord } from './psbt-map.ts';
import { GLOBAL_V2, INPUT_V2, OUTPUT_V2 } from './psbt-v2.ts';
import { encodeTransaction, transactionHash } from './transaction.ts';

const none: Uint8Array = new Uint8Array(0);
const SEED = new Uint8Array(32).fill(5);
const key = publicKey(SEED);
const account: SigningAccount = {
  publicKey: key,
  addressFormat: 'BitcoinSegwit',
  address: address(key, 'BitcoinSegwit'),
  derivationPath: "m/84'/0'/0'/0/0",
};
const script = ownScript(key, 'BitcoinSegwit');

/** The same payment in both versions, by the other library. */
function payment(): { readonly zero: Uint8Array; readonly two: Uint8Array } {
  const transaction = new Transaction();
  for (const fill of [1, 2]) {
    const previous = {
      version: 2,
      inputs: [
        {
          previousId: new Uint8Array(32).fill(fill),
          previousIndex: 0,
          scriptSig: none,
          sequence: 0,
          witness: [],
        },
      ],
      outputs: [{ amount: 60_000n, script }],
      lockTime: 0,
    };
    transaction.addInput({
      txid: transactionHash(previous).reverse(),
      index: 0,
      sequence: 0xfffffffd,
      witnessUtxo: { script, amount: 60_000n },
      nonWitnessUtxo: encodeTransaction(previous),
    });
  }
  transaction.addOutput({ script: Uint8Array.from([0, 20, ...new Uint8Array(20)]), amount: 100_000n });
  const two = RawPSBTV2.decode(transaction.toPSBT(2));
  return {
    zero: transaction.toPSBT(0),
    two: RawPSBTV2.encode({ ...two, global: { ...two.global, txModifiable: 0 } }),
  };
}

const { zero, two } = payment();
const record = (type: number, value: Uint8Array, keyData: Uint8Array = none): PsbtRecord => ({
  type,
  keyData,
  value,
});
const with_ = (map: PsbtMap, type: number, value: Uint8Array | null): PsbtMap => [
  ...map.filter((each) => each.type !== type),
  ...(value === null ? [] : [record(type, value)]),
];
const edited = (edit: (psbt: Psbt) => Partial<Psbt>): Uint8Array => {
  const psbt = decodePsbt(two);
  return encodePsbt({ ...psbt, ...edit(psbt) });
};
const refuses = (bytes: Uint8Array, code = 'transaction-malformed') =>
  assert.throws(() => decodePsbt(bytes), { name: 'ChainError', code }, hexEncode(bytes));

describe('a PSBT of version 2', () => {
  test('says and signs the same as the version 0 of the same payment, and encodes again to the same bytes', () => {
    const [old, later] = [parseTransaction(zero, account), parseTransaction(two, account)];
    assert.deepEqual(later.effects, { ...old.effects, version: 'psbt2' });
    assert.deepEqual(later.signingInputs, old.signingInputs);
    assert.equal(hexEncode(encodePsbt(decodePsbt(two))), hexEncode(two));
    const signatures = old.signingInputs.map(({ bytes }) => {
      const { bytes: signature, recovery } = ecdsaSign(SEED, bytes);
      return { bytes: signature, recovery: recovery as 0 | 1 };
    });
    const [first, second] = [old.assemble(signatures), later.assemble(signatures)];
    assert.equal(second.id(), first.id());
    // What was signed is final, and the other library reads it and makes the same transaction.
    const finished = Transaction.fromPSBT(second.transaction);
    assert.equal(hexEncode(finished.extract()), hexEncode(extractTransaction(first.transaction).transaction));
    assert.deepEqual(extractTransaction(second.transaction), extractTransaction(first.transaction));
  });

  test('has every record that it needs, and none of version 0', () => {
    const missing = (of: 'inputs' | 'outputs', type: number) =>
      edited((psbt) => ({ [of]: psbt[of].map((map) => with_(map, type, null)) }));
    for (const type of [INPUT_V2.PREVIOUS_TXID, INPUT_V2.OUTPUT_INDEX]) refuses(missing('inputs', type));
    for (const type of Object.values(OUTPUT_V2)) refuses(missing('outputs', type));
    for (const type of [GLOBAL_V2.TX_VERSION, GLOBAL_V2.INPUT_COUNT, GLOBAL_V2.OUTPUT_COUNT])
      refuses(edited(({ global }) => ({ global: with_(global, type, null) })));
    const { transaction } = decodePsbt(zero);
    const unsigned = record(GLOBAL.UNSIGNED_TX, encodeTransaction(transaction));
    refuses(edited(({ global }) => ({ global: [...global, unsigned] })));
    // Records of version 2 in version 0.
    const old = decodePsbt(zero);
    for (const type of Object.values(INPUT_V2))
      refuses(encodePsbt({ ...old, inputs: old.inputs.map((map) => [...map, record(type, uint32(1))]) }));
  });

  test('is refused while its maker says that it may still be changed', () => {
    const flags = (value: number) =>
      edited(({ global }) => ({ global: with_(global, GLOBAL_V2.TX_MODIFIABLE, Uint8Array.of(value)) }));
    for (const value of [1, 2, 3, 4, 128]) refuses(flags(value), 'transaction-unsafe');
    decodePsbt(flags(0));
    decodePsbt(edited(({ global }) => ({ global: with_(global, GLOBAL_V2.TX_MODIFIABLE, null) })));
  });

  test('counts its maps in the shortest form, and has as many as it says', () => {
    const counted = (type: number, value: Uint8Array) =>
      refuses(edited(({ global }) => ({ global: with_(global, type, value) })));
    for (const type of [GLOBAL_V2.INPUT_COUNT, GLOBAL_V2.OUTPUT_COUNT])
      for (const value of [[0], [1, 0], [0xfd, 2, 0], [3], [0xfe, 0xff, 0xff, 0xff, 0x7f], []])
        if (type === GLOBAL_V2.INPUT_COUNT || value[0] !== 1) counted(type, Uint8Array.from(value));
  });

  test('has amounts of coins that exist', () => {
    const amounts = (...values: bigint[]) =>
      edited(({ outputs }) => ({
        outputs: outputs.map((map, index) => {
          const bytes = new Uint8Array(8);
          new DataView(bytes.buffer).setBigUint64(0, values[index]!, true);
          return with_(map, OUTPUT_V2.AMOUNT, bytes);
        }),
      }));
    refuses(amounts(2_100_000_000_000_001n));
    refuses(amounts(2n ** 64n - 1n));
    decodePsbt(amounts(1n));
  });

  test('has the lock time that every input can live with', () => {
    const { REQUIRED_HEIGHT_LOCKTIME: height, REQUIRED_TIME_LOCKTIME: time } = INPUT_V2;
    const locked = (fallback: number | null, ...inputs: readonly (readonly [number, number])[][]) =>
      edited((psbt) => ({
        global: with_(psbt.global, GLOBAL_V2.FALLBACK_LOCKTIME, fallback === null ? null : uint32(fallback)),
        inputs: psbt.inputs.map((map, index) => [
          ...map,
          ...(inputs[index] ?? []).map(([type, value]) => record(type, uint32(value))),
        ]),
      }));
    const lockTime = (bytes: Uint8Array) => decodePsbt(bytes).transaction.lockTime;
    assert.equal(lockTime(locked(null)), 0);
    assert.equal(lockTime(locked(7)), 7);
    assert.equal(lockTime(locked(7, [[height, 10]])), 10);
    assert.equal(lockTime(locked(7, [[height, 10]], [[height, 12]])), 12);
    assert.equal(lockTime(locked(7, [[time, 500_000_001]], [[time, 500_000_009]])), 500_000_009);
    // Both kinds where both are possible: the height. One that has a time only decides for the time.
    const both = [
      [height, 10],
      [time, 500_000_005],
    ] as const;
    assert.equal(lockTime(locked(7, [...both], [...both])), 10);
    assert.equal(lockTime(locked(7, [...both], [[time, 500_000_002]])), 500_000_005);
    assert.equal(lockTime(locked(7, [...both], [[height, 3]])), 10);
    refuses(locked(7, [[time, 500_000_001]], [[height, 10]]));
    refuses(locked(7, [[height, 0]]));
    refuses(locked(7, [[height, 500_000_000]]));
    refuses(locked(7, [[time, 499_999_999]]));
  });
});
