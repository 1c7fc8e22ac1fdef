import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HDKey } from '@scure/bip32';
import { Transaction } from '@scure/btc-signer';
import type { AccountKey, ParseContext, SigningAccount } from '../chain.ts';
import { StepBudget } from '../step-budget.ts';
import { MOST_DERIVED_INPUTS } from './account-inputs.ts';
import { DERIVATION_STEPS } from './account-place.ts';
import { address, ownScript } from './address.ts';
import { parseTransaction } from './parse.ts';
import { decodePsbt, encodePsbt, INPUT, OUTPUT } from './psbt.ts';
import type { PsbtRecord } from './psbt-map.ts';
import { encodeTransaction, transactionHash } from './transaction.ts';

const HARDENED = 0x8000_0000;
const none: Uint8Array = new Uint8Array(0);
const master = HDKey.fromMasterSeed(new Uint8Array(32).fill(5));
const stranger = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(66)]);

/** A place of the account, `branch/index`, or a script of somebody else. */
type Where = string | Uint8Array;
/** `claims`: the place that the PSBT names: its own unless another is given, or none. */
interface Coin {
  readonly at: Where;
  readonly amount: bigint;
  readonly claims?: string | null;
}

for (const [format, purpose] of [
  ['BitcoinSegwit', 84],
  ['BitcoinTaproot', 86],
] as const) {
  const path = `m/${purpose}'/0'/0'`;
  const node = master.derive(path);
  const publicKeyAt = (place: string): Uint8Array => {
    const [branch, index] = place.split('/').map(Number) as [number, number];
    return node.deriveChild(branch).deriveChild(index).publicKey!;
  };
  const scriptAt = (where: Where): Uint8Array =>
    typeof where === 'string' ? ownScript(publicKeyAt(where), format) : where;
  const addressAt = (place: string): string => address(publicKeyAt(place), format);
  const accountAt = (place: string): SigningAccount => ({
    publicKey: publicKeyAt(place),
    addressFormat: format,
    address: addressAt(place),
    derivationPath: `${path}/${place}`,
  });
  const accountKey: AccountKey = {
    path,
    publicKey: node.publicKey!,
    chainCode: node.chainCode!,
    highestUsed: [4, 7],
  };

  function derivation(of: 'input' | 'output', place: string): PsbtRecord {
    const levels = [purpose + HARDENED, HARDENED, HARDENED, ...place.split('/').map(Number)];
    const value = new Uint8Array(4 + 4 * levels.length);
    for (const [i, level] of levels.entries()) new DataView(value.buffer).setUint32(4 + 4 * i, level, true);
    const types = of === 'input' ? INPUT : OUTPUT;
    return format === 'BitcoinTaproot'
      ? {
          type: types.TAP_BIP32_DERIVATION,
          keyData: publicKeyAt(place).subarray(1),
          value: Uint8Array.from([0, ...value]),
        }
      : { type: types.BIP32_DERIVATION, keyData: publicKeyAt(place), value };
  }

  const claim = (of: 'input' | 'output', { at, claims }: Coin): PsbtRecord[] => {
    const place = claims === undefined ? (typeof at === 'string' ? at : null) : claims;
    return place === null ? [] : [derivation(of, place)];
  };

  function psbtOf(inputs: readonly Coin[], outputs: readonly Coin[]): Uint8Array {
    const transaction = new Transaction({ allowUnknownOutputs: true, disableScriptCheck: true });
    for (const [index, { at, amount }] of inputs.entries()) {
      const script = scriptAt(at);
      const previous = {
        version: 2,
        inputs: [
          {
            previousId: new Uint8Array(32).fill(index + 1),
            previousIndex: 0,
            scriptSig: none,
            sequence: 0,
            witness: [],
          },
        ],
        outputs: [{ amount, script }],
        lockTime: 0,
      };
      transaction.addInput({
        txid: transactionHash(previous).reverse(),
        index: 0,
        witnessUtxo: { script, amount },
        nonWitnessUtxo: encodeTransaction(previous),
      });
    }
    for (const { at, amount } of outputs) transaction.addOutput({ script: scriptAt(at), amount });
    const psbt = decodePsbt(transaction.toPSBT(0));
    return encodePsbt({
      global: psbt.global,
      inputs: psbt.inputs.map((map, index) => [...map, ...claim('input', inputs[index]!)]),
      outputs: psbt.outputs.map((map, index) => [...map, ...claim('output', outputs[index]!)]),
    });
  }

  /** Amounts that leave, the fee, and how many coins they are said to be lost with. */
  function counted(psbt: Uint8Array, place: string, context: ParseContext = { accountKey }) {
    const { effects } = parseTransaction(psbt, accountAt(place), context);
    const coins = effects.validity.key.split(',').length;
    return [effects.outflows.map(({ amount }) => amount), effects.maxFee!.amount, coins];
  }

  describe(`several ${format} addresses in one transaction`, () => {
    const twoInputs: readonly Coin[] = [
      { at: '0/0', amount: 100_000n },
      { at: '0/1', amount: 100_000n },
    ];
    const payment: readonly Coin[] = [
      { at: stranger, amount: 99_000n },
      { at: '1/3', amount: 100_000n },
    ];

    test('all of one account count whole under each signature, the change taken off once', () => {
      const psbt = psbtOf(twoInputs, payment);
      assert.deepEqual(counted(psbt, '0/0'), [[99_000n], 1_000n, 2]);
      assert.deepEqual(counted(psbt, '0/1'), [[99_000n], 1_000n, 2]);
      const { calls } = parseTransaction(psbt, accountAt('0/1'), { accountKey }).effects;
      const { given, kept, ownInputs, change } = calls[0]!.arguments;
      assert.deepEqual([given, kept, ownInputs, change], ['200000', '100000', '2', '1/3']);
    });

    test('E5: an input that does not show whose it is makes each signature answer for its own coins, without change elsewhere', () => {
      const whole = [[99_000n], 1_000n, 2];
      const alone = [[99_000n, 100_000n], 1_000n, 1];
      for (const [what, claims] of [
        ['no claim', null],
        ['the place of another input', '0/0'],
        ['a place that is not used', '0/2'],
      ] as const) {
        const hidden = psbtOf([twoInputs[0]!, { ...twoInputs[1]!, claims }], payment);
        assert.deepEqual(counted(hidden, '0/0'), alone, what);
        // The control: the account's own address needs no claim, and the other one has it.
        if (claims === null) assert.deepEqual(counted(hidden, '0/1'), whole);
      }
      const foreign = psbtOf([...twoInputs, { at: stranger, amount: 50_000n }], payment);
      for (const place of ['0/0', '0/1'])
        assert.deepEqual(counted(foreign, place), [[99_000n, 100_000n], 51_000n, 1]);
      // Without the account key nothing shows whose the others are.
      assert.deepEqual(counted(psbtOf(twoInputs, payment), '0/0', {}), alone);
    });

    test('what comes back to the signing address itself is taken off in every transaction', () => {
      const back: readonly Coin[] = [
        { at: stranger, amount: 119_000n },
        { at: '0/0', amount: 30_000n },
        { at: '0/1', amount: 50_000n },
      ];
      const hidden = psbtOf(
        twoInputs.map((coin) => ({ ...coin, claims: null })),
        back,
      );
      // At most what the address loses reaches anybody: 70,000 and 50,000.
      assert.deepEqual(counted(hidden, '0/0'), [[70_000n, 50_000n], 1_000n, 1]);
      assert.deepEqual(counted(hidden, '0/1'), [[50_000n, 30_000n], 1_000n, 1]);
      assert.deepEqual(counted(psbtOf(twoInputs, back), '0/0'), [[119_000n], 1_000n, 2]);
    });

    test('an address that the wallet remembers needs no claim, so that each signature can follow the one before', () => {
      const addresses = new Set(['0/0', '0/1'].map(addressAt));
      const context: ParseContext = { accountKey: { ...accountKey, addresses } };
      const psbt = psbtOf(twoInputs, payment);
      const first = parseTransaction(psbt, accountAt('0/0'), context);
      const signed = first.assemble(first.signingInputs.map(() => ({ bytes: new Uint8Array(64).fill(1) })));
      // A finished input says no more where its key derives (BIP-174).
      assert.deepEqual(counted(signed.transaction, '0/1'), [[99_000n, 100_000n], 1_000n, 1]);
      assert.deepEqual(counted(signed.transaction, '0/1', context), [[99_000n], 1_000n, 2]);
      const steps = new StepBudget(60_000);
      parseTransaction(signed.transaction, accountAt('0/1'), { ...context, steps });
      assert.ok(steps.used < DERIVATION_STEPS * 2, String(steps.used));
    });

    test('inputs cost a derivation for each address, and with more of them than that nothing is derived', () => {
      const many = (count: number): readonly Coin[] =>
        Array.from({ length: 2 * count + 2 }, (_, index) => ({ at: `0/${index >> 1}`, amount: 10_000n }));
      const paid: readonly Coin[] = [{ at: stranger, amount: 20_000n }];
      const steps = new StepBudget(60_000);
      const most = psbtOf(many(MOST_DERIVED_INPUTS), paid);
      const all = BigInt(MOST_DERIVED_INPUTS + 1) * 20_000n;
      assert.deepEqual(counted(most, '0/0', { accountKey, steps }), [
        [20_000n],
        all - 20_000n,
        2 * MOST_DERIVED_INPUTS + 2,
      ]);
      assert.ok(steps.used > DERIVATION_STEPS * MOST_DERIVED_INPUTS, String(steps.used));
      assert.ok(steps.used < DERIVATION_STEPS * (MOST_DERIVED_INPUTS + 2), String(steps.used));
      const few = new StepBudget(DERIVATION_STEPS * 2);
      assert.deepEqual(
        counted(psbtOf(many(MOST_DERIVED_INPUTS + 1), paid), '0/0', { accountKey, steps: few }),
        [[20_000n], 20_000n, 2],
      );
    });
  });
}

test('an input of another kind is never the account’s, whatever it claims', () => {
  const path = "m/84'/0'/0'";
  const node = master.derive(path);
  const key = (index: number): Uint8Array => node.deriveChild(0).deriveChild(index).publicKey!;
  const scripts = [ownScript(key(0), 'BitcoinSegwit'), ownScript(key(1), 'BitcoinTaproot')];
  const transaction = new Transaction({ allowUnknownOutputs: true });
  for (const [index, script] of scripts.entries()) {
    const input = { previousId: new Uint8Array(32).fill(index), previousIndex: 0, scriptSig: none };
    const previous = {
      version: 2,
      inputs: [{ ...input, sequence: 0, witness: [] }],
      outputs: [{ amount: 9_000n, script }],
      lockTime: 0,
    };
    transaction.addInput({
      txid: transactionHash(previous).reverse(),
      index: 0,
      witnessUtxo: { script, amount: 9_000n },
      nonWitnessUtxo: encodeTransaction(previous),
    });
  }
  transaction.addOutput({ script: stranger, amount: 17_000n });
  const addresses = new Set([address(key(1), 'BitcoinTaproot')]);
  const accountKey: AccountKey = {
    path,
    publicKey: node.publicKey!,
    chainCode: node.chainCode!,
    highestUsed: [1, -1],
    addresses,
  };
  const account: SigningAccount = {
    publicKey: key(0),
    addressFormat: 'BitcoinSegwit',
    address: address(key(0), 'BitcoinSegwit'),
    derivationPath: `${path}/0/0`,
  };
  const { effects } = parseTransaction(transaction.toPSBT(0), account, { accountKey });
  assert.deepEqual(
    [effects.outflows[0]!.amount, effects.maxFee!.amount, effects.validity.key.split(',').length],
    [9_000n, 1_000n, 1],
  );
});
