import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HDKey } from '@scure/bip32';
import { Transaction } from '@scure/btc-signer';
import type { AccountKey, ParseContext, SigningAccount } from '../chain.ts';
import { StepBudget } from '../step-budget.ts';
import { address, ownScript } from './address.ts';
import { ADDRESS_GAP } from './own-output.ts';
import { parseTransaction } from './parse.ts';
import { decodePsbt, encodePsbt, OUTPUT } from './psbt.ts';
import type { PsbtRecord } from './psbt-map.ts';
import { encodeTransaction, transactionHash } from './transaction.ts';

const HARDENED = 0x8000_0000;
const none: Uint8Array = new Uint8Array(0);
const master = HDKey.fromMasterSeed(new Uint8Array(32).fill(5));

for (const [format, purpose] of [
  ['BitcoinSegwit', 84],
  ['BitcoinTaproot', 86],
] as const) {
  const path = `m/${purpose}'/0'/0'`;
  const accountNode = master.derive(path);
  const keyAt = (branch: number, index: number): Uint8Array =>
    accountNode.deriveChild(branch).deriveChild(index).publicKey!;
  const publicKey = keyAt(0, 0);
  const account: SigningAccount = {
    publicKey,
    addressFormat: format,
    address: address(publicKey, format),
    derivationPath: `${path}/0/0`,
  };
  const accountKey: AccountKey = {
    path,
    publicKey: accountNode.publicKey!,
    chainCode: accountNode.chainCode!,
    highestUsed: [4, 7],
  };
  const context: ParseContext = { accountKey };
  const prefix = [purpose + HARDENED, HARDENED, HARDENED];

  /** A derivation record: what an output claims to be. */
  function claim(levels: readonly number[], key: Uint8Array): PsbtRecord {
    const value = new Uint8Array(4 + 4 * levels.length);
    for (const [i, level] of levels.entries()) new DataView(value.buffer).setUint32(4 + 4 * i, level, true);
    return format === 'BitcoinTaproot'
      ? {
          type: OUTPUT.TAP_BIP32_DERIVATION,
          keyData: key.subarray(1),
          value: Uint8Array.from([0, ...value]),
        }
      : { type: OUTPUT.BIP32_DERIVATION, keyData: key, value };
  }

  /** Spends 60,000 of ours: 10,000 to a stranger, 49,000 to `script`, which says of itself what `records` say. */
  function spend(script: Uint8Array, records: readonly PsbtRecord[]): Uint8Array {
    const own = ownScript(publicKey, format);
    const previous = {
      version: 2,
      inputs: [
        {
          previousId: new Uint8Array(32).fill(1),
          previousIndex: 0,
          scriptSig: none,
          sequence: 0,
          witness: [],
        },
      ],
      outputs: [{ amount: 60_000n, script: own }],
      lockTime: 0,
    };
    const transaction = new Transaction({ allowUnknownOutputs: true });
    transaction.addInput({
      txid: transactionHash(previous).reverse(),
      index: 0,
      witnessUtxo: { script: own, amount: 60_000n },
      nonWitnessUtxo: encodeTransaction(previous),
    });
    transaction.addOutput({ script: Uint8Array.from([0, 20, ...new Uint8Array(20)]), amount: 10_000n });
    transaction.addOutput({ script, amount: 49_000n });
    const psbt = decodePsbt(transaction.toPSBT(0));
    return encodePsbt({ ...psbt, outputs: [psbt.outputs[0]!, [...psbt.outputs[1]!, ...records]] });
  }

  const result = (psbt: Uint8Array, given: ParseContext = context) => {
    const { effects } = parseTransaction(psbt, account, given);
    return [effects.outflows.map(({ amount }) => amount), effects.unresolved.map(({ kind }) => kind)];
  };
  const OURS = [[10_000n], []];
  const THEIRS = [[10_000n, 49_000n], []];

  describe(`change of ${format}`, () => {
    const scriptAt = (branch: number, index: number): Uint8Array => ownScript(keyAt(branch, index), format);
    const change = (branch: number, index: number) =>
      spend(scriptAt(branch, index), [claim([...prefix, branch, index], keyAt(branch, index))]);

    test('to another address of the account stays ours, when its script derives from the account key', () => {
      assert.deepEqual(result(change(1, 3)), OURS);
      assert.deepEqual(result(change(0, 9)), OURS);
      assert.deepEqual(result(spend(ownScript(publicKey, format), [])), OURS);
      // Without the account key nothing but the address itself is ours.
      assert.deepEqual(result(change(1, 3), {}), THEIRS);
      assert.deepEqual(result(spend(scriptAt(1, 3), [])), THEIRS);
    });

    test('E5: a label alone makes no change: wrong script, account, purpose, branch, depth or key', () => {
      const stranger = ownScript(master.derive("m/84'/0'/1'/1/3").publicKey!, format);
      const right = claim([...prefix, 1, 3], keyAt(1, 3));
      assert.deepEqual(result(spend(stranger, [right])), THEIRS);
      const script = scriptAt(1, 3);
      for (const levels of [
        [...prefix, 2, 3],
        [...prefix, 1, 4],
        [...prefix, 1],
        [...prefix, 1, 3, 0],
        [...prefix, 1, 3 + HARDENED],
        [purpose, HARDENED, HARDENED, 1, 3],
        [purpose + HARDENED, HARDENED, 1 + HARDENED, 1, 3],
        [49 + HARDENED, HARDENED, HARDENED, 1, 3],
        [],
      ]) {
        assert.deepEqual(result(spend(script, [claim(levels, keyAt(1, 3))])), THEIRS, levels.join('/'));
      }
    });

    test('E5: change at an index that nobody will look at counts as leaving and needs a rule', () => {
      assert.deepEqual(result(change(1, 7 + ADDRESS_GAP)), OURS);
      for (const index of [7 + ADDRESS_GAP + 1, 2 ** 30, 2 ** 31 - 1]) {
        assert.deepEqual(result(change(1, index)), [[10_000n, 49_000n], ['change-out-of-reach']]);
      }
      assert.deepEqual(result(change(0, 4 + ADDRESS_GAP + 1))[1], ['change-out-of-reach']);
    });

    test('costs steps for each derivation, so that a thousand claims are refused', () => {
      const steps = new StepBudget(60_000);
      parseTransaction(change(1, 3), account, { accountKey, steps });
      assert.ok(steps.used > 3_000 && steps.used < 4_000, String(steps.used));
      assert.throws(
        () => parseTransaction(change(1, 3), account, { accountKey, steps: new StepBudget(steps.used - 1) }),
        { code: 'transaction-too-complex' },
      );
    });

    test('no context changes what is signed', () => {
      const psbt = change(1, 3);
      assert.deepEqual(
        parseTransaction(psbt, account, context).signingInputs,
        parseTransaction(psbt, account).signingInputs,
      );
    });
  });
}
