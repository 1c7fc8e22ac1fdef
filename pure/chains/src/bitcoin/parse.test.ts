import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import {
  ecdsaSign,
  publicKey,
  schnorrSign,
  schnorrVerify,
  taprootTweakPrivate,
} from '@keystead/crypto/secp256k1';
import { SigHash, Transaction } from '@scure/btc-signer';
import * as bitcoinjs from 'bitcoinjs-lib';
import fc from 'fast-check';
import type { ParsedTransaction, RawSignature, SigningAccount } from '../chain.ts';
import { ChainError } from '../error.ts';
import { address, ownScript, scriptToAddress } from './address.ts';
import { extractTransaction } from './extract.ts';
import { parseTransaction } from './parse.ts';
import { decodePsbt, encodePsbt, INPUT, OUTPUT, type Psbt } from './psbt.ts';
import { findRecord, type PsbtRecord } from './psbt-map.ts';
import { decodeTransaction, encodeTransaction, transactionHash, transactionIdText } from './transaction.ts';

const key = new Uint8Array(32).fill(0x42);
const otherKey = new Uint8Array(32).fill(0x17);
const segwit = accountOf(key, 'BitcoinSegwit');
const taproot = accountOf(key, 'BitcoinTaproot');
const none: Uint8Array = new Uint8Array(0);

function accountOf(
  privateKey: Uint8Array,
  addressFormat: 'BitcoinSegwit' | 'BitcoinTaproot',
): SigningAccount {
  const pub = publicKey(privateKey);
  return {
    publicKey: pub,
    addressFormat,
    address: address(pub, addressFormat),
    derivationPath: "m/84'/0'/0'/0",
  };
}

const scriptOf = (account: SigningAccount): Uint8Array => ownScript(account.publicKey, account.addressFormat);
const foreignScript = scriptOf(accountOf(otherKey, 'BitcoinSegwit'));
const ASSET = 'bip122:000000000019d6689c085ae165831e93/slip44:0';

interface TestInput {
  readonly script: Uint8Array;
  readonly amount: bigint;
  readonly index?: number;
  readonly sighashType?: number;
  readonly sequence?: number;
  /** Which records prove the amount; both unless said. */
  readonly proof?: 'both' | 'previous' | 'witness' | 'none';
}

interface TestOutput {
  readonly script: Uint8Array;
  readonly amount: bigint;
}

/** A previous transaction with the spent output at the wanted index. */
function previousTransaction(input: TestInput, seed: number): Uint8Array {
  const filler = { amount: 1_000n + BigInt(seed), script: foreignScript };
  const outputs = Array.from({ length: (input.index ?? 0) + 2 }, () => filler);
  outputs[input.index ?? 0] = { amount: input.amount, script: input.script };
  return encodeTransaction({
    version: 2,
    inputs: [
      {
        previousId: new Uint8Array(32).fill(seed + 1),
        previousIndex: seed,
        scriptSig: none,
        sequence: 0xffffffff,
        witness: [],
      },
    ],
    outputs,
    lockTime: 0,
  });
}

function scureTransaction(
  inputs: readonly TestInput[],
  outputs: readonly TestOutput[],
  lockTime = 0,
): Transaction {
  const transaction = new Transaction({
    allowUnknownOutputs: true,
    allowUnknownInputs: true,
    disableScriptCheck: true,
    lockTime,
  });
  for (const [position, input] of inputs.entries()) {
    const previous = previousTransaction(input, position);
    const proof = input.proof ?? 'both';
    transaction.addInput({
      txid: hexDecode(transactionIdText(transactionHash(decodeTransaction(previous)))),
      index: input.index ?? 0,
      sequence: input.sequence ?? 0xfffffffd,
      ...(input.sighashType === undefined ? {} : { sighashType: input.sighashType }),
      ...(proof === 'both' || proof === 'witness'
        ? { witnessUtxo: { script: input.script, amount: input.amount } }
        : {}),
      ...(proof === 'both' || proof === 'previous' ? { nonWitnessUtxo: previous } : {}),
      ...(input.script[0] === 0x51 && hexEncode(input.script) === hexEncode(scriptOf(taproot))
        ? { tapInternalKey: taproot.publicKey.subarray(1) }
        : {}),
    });
  }
  for (const { script, amount } of outputs) transaction.addOutput({ script, amount });
  return transaction;
}

const psbtOf = (inputs: readonly TestInput[], outputs: readonly TestOutput[], lockTime = 0): Uint8Array =>
  scureTransaction(inputs, outputs, lockTime).toPSBT(0);

function signAll(parsed: ParsedTransaction): RawSignature[] {
  return parsed.signingInputs.map(({ algorithm, bytes, taprootTweak }) => {
    if (algorithm === 'ecdsa') return { bytes: ecdsaSign(key, bytes).bytes };
    return { bytes: schnorrSign(taprootTweakPrivate(key, taprootTweak!), bytes) };
  });
}

const amounts = fc.bigInt({ min: 10_000n, max: 1_000_000_000n });
const spend = (
  own: Uint8Array,
): fc.Arbitrary<{ inputs: TestInput[]; outputs: TestOutput[]; lockTime: number }> =>
  fc
    .record({
      inputs: fc.array(
        fc.record({
          script: fc.constant(own),
          amount: amounts,
          index: fc.nat({ max: 3 }),
          sequence: fc.constantFrom(0, 0xfffffffd, 0xffffffff),
          sighashType: fc.option(fc.constant<number>(SigHash.ALL), { nil: undefined }),
          proof: fc.constantFrom<'both' | 'previous'>('both', 'previous'),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      scripts: fc.array(fc.constantFrom(own, foreignScript, scriptOf(taproot), scriptOf(segwit)), {
        minLength: 1,
        maxLength: 3,
      }),
      lockTime: fc.constantFrom(0, 800_000, 1_800_000_000),
    })
    .map(({ inputs, scripts, lockTime }) => ({
      inputs,
      outputs: scripts.map((script) => ({ script, amount: 2_000n })),
      lockTime,
    }));

for (const account of [segwit, taproot]) {
  test(`signs ${account.addressFormat} inputs into the transaction that scure makes with the same key`, () => {
    fc.assert(
      fc.property(spend(scriptOf(account)), ({ inputs, outputs, lockTime }) => {
        // A P2TR output with only its previous transaction is a case scure does not sign.
        const proven =
          account === taproot ? inputs.map((input) => ({ ...input, proof: 'both' as const })) : inputs;
        const psbt = psbtOf(proven, outputs, lockTime);
        const parsed = parseTransaction(psbt, account);
        assert.equal(parsed.signingInputs.length, inputs.length);
        const result = parsed.assemble(signAll(parsed));
        const extracted = extractTransaction(result.transaction);
        assert.equal(extracted.id, result.id());

        const scure = scureTransaction(proven, outputs, lockTime);
        scure.sign(key, [SigHash.DEFAULT, SigHash.ALL], new Uint8Array(32));
        scure.finalize();
        assert.equal(hexEncode(extracted.transaction), hexEncode(scure.extract()));
        assert.equal(scure.id, result.id());
        assert.equal(parsed.effects.maxFee!.amount, scure.fee);

        // Both libraries extract the same transaction from the PSBT that is handed back.
        const options = { allowUnknownInputs: true, allowUnknownOutputs: true };
        assert.equal(
          hexEncode(Transaction.fromPSBT(result.transaction, options).extract()),
          hexEncode(extracted.transaction),
        );
        const other = bitcoinjs.Psbt.fromBuffer(result.transaction, {
          maximumFeeRate: Number.MAX_SAFE_INTEGER,
        });
        assert.equal(other.extractTransaction(true).toHex(), hexEncode(extracted.transaction));
      }),
      { numRuns: 60 },
    );
  });

  test(`signs the ${account.addressFormat} digests that bitcoinjs-lib computes`, () => {
    fc.assert(
      fc.property(spend(scriptOf(account)), ({ inputs, outputs, lockTime }) => {
        const parsed = parseTransaction(psbtOf(inputs, outputs, lockTime), account);
        const unsigned = bitcoinjs.Transaction.fromBuffer(
          findRecord(decodePsbt(psbtOf(inputs, outputs, lockTime)).global, 0)!,
        );
        for (const [index, input] of inputs.entries()) {
          const expected =
            account === segwit
              ? unsigned.hashForWitnessV0(
                  index,
                  hexDecode(`76a914${hexEncode(input.script.subarray(2))}88ac`),
                  input.amount,
                  SigHash.ALL,
                )
              : unsigned.hashForWitnessV1(
                  index,
                  inputs.map(({ script }) => script),
                  inputs.map(({ amount }) => amount),
                  input.sighashType ?? SigHash.DEFAULT,
                );
          assert.equal(hexEncode(parsed.signingInputs[index]!.bytes), hexEncode(expected));
        }
      }),
      { numRuns: 60 },
    );
  });
}

test('signs a PSBT that bitcoinjs-lib made, which then validates the signature itself', () => {
  const input: TestInput = { script: scriptOf(segwit), amount: 50_000n };
  const previous = previousTransaction(input, 0);
  const psbt = new bitcoinjs.Psbt();
  psbt.addInput({
    hash: transactionIdText(transactionHash(decodeTransaction(previous))),
    index: 0,
    nonWitnessUtxo: previous,
    bip32Derivation: [
      { masterFingerprint: new Uint8Array(4), path: "m/84'/0'/0'/0/0", pubkey: segwit.publicKey },
    ],
  });
  psbt.addOutput({ script: foreignScript, value: 40_000n });
  const parsed = parseTransaction(psbt.toBuffer(), segwit);
  const { transaction, signature } = parsed.assemble(signAll(parsed));
  psbt.updateInput(0, { partialSig: [{ pubkey: segwit.publicKey, signature }] });
  const compact = signAll(parsed)[0]!.bytes;
  const valid = psbt.validateSignaturesOfInput(0, (pub, digest, sig) => {
    assert.deepEqual(Uint8Array.from(sig), compact);
    return (
      hexEncode(pub) === hexEncode(segwit.publicKey) &&
      hexEncode(digest) === hexEncode(parsed.signingInputs[0]!.bytes)
    );
  });
  assert.ok(valid);
  psbt.finalizeAllInputs();
  assert.equal(psbt.extractTransaction().toHex(), hexEncode(extractTransaction(transaction).transaction));
});

test('makes taproot signatures that verify under the output key, with the hash type only when it is named', () => {
  for (const [sighashType, length] of [
    [undefined, 64],
    [SigHash.DEFAULT, 64],
    [SigHash.ALL, 65],
  ] as const) {
    const psbt = psbtOf(
      [
        {
          script: scriptOf(taproot),
          amount: 50_000n,
          proof: 'witness',
          ...(sighashType === undefined ? {} : { sighashType }),
        },
      ],
      [{ script: foreignScript, amount: 40_000n }],
    );
    const parsed = parseTransaction(psbt, taproot);
    const { signature } = parsed.assemble(signAll(parsed));
    assert.equal(signature.length, length);
    assert.ok(
      schnorrVerify(scriptOf(taproot).subarray(2), parsed.signingInputs[0]!.bytes, signature.subarray(0, 64)),
    );
  }
});

test('shows every output that does not pay to the account as an outflow, and the fee', () => {
  const own = scriptOf(segwit);
  const psbt = psbtOf(
    [
      { script: own, amount: 60_000n },
      { script: own, amount: 40_000n, index: 1 },
    ],
    [
      { script: foreignScript, amount: 30_000n },
      { script: own, amount: 50_000n },
      { script: scriptOf(taproot), amount: 15_000n },
    ],
  );
  const { effects } = parseTransaction(psbt, segwit);
  const outpoints = decodePsbt(psbt).transaction.inputs.map(
    (input) => `${transactionIdText(input.previousId)}:${input.previousIndex}`,
  );
  assert.deepEqual(effects, {
    chain: 'bitcoin',
    network: null,
    version: 'psbt0',
    signers: [segwit.address],
    feePayer: segwit.address,
    maxFee: { asset: ASSET, amount: 5_000n },
    outflows: [
      {
        asset: ASSET,
        amount: 30_000n,
        from: segwit.address,
        to: scriptToAddress(foreignScript, 'mainnet'),
        kind: 'transfer',
      },
      { asset: ASSET, amount: 15_000n, from: segwit.address, to: taproot.address, kind: 'transfer' },
    ],
    grants: [],
    takeovers: [],
    validity: { uniqueness: 'utxo', key: outpoints.sort().join(','), notBefore: null, notAfter: null },
    unresolved: [],
    calls: [
      {
        target: 'bitcoin',
        name: 'bitcoin.transaction',
        arguments: {
          inputs: '2',
          ownInputs: '2',
          outputs: '3',
          given: '100000',
          kept: '50000',
          fee: '5000',
          feePerVirtualByte: '20',
          feeShare: '1000',
          lockTime: '0',
          replaceable: 'true',
        },
      },
    ],
  });
});

test('E4: reads testnet and regtest from the address of the account', () => {
  const psbt = psbtOf(
    [{ script: scriptOf(segwit), amount: 60_000n }],
    [{ script: foreignScript, amount: 30_000n }],
  );
  for (const [network, prefix, asset] of [
    ['testnet', 'tb1', 'bip122:000000000933ea01ad0ee984209779ba/slip44:1'],
    ['regtest', 'bcrt1', 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328/slip44:1'],
  ] as const) {
    const { effects } = parseTransaction(psbt, {
      ...segwit,
      address: address(segwit.publicKey, 'BitcoinSegwit', network),
    });
    assert.ok(effects.outflows[0]!.to!.startsWith(prefix));
    assert.equal(effects.outflows[0]!.asset, asset);
  }
  assert.throws(() => parseTransaction(psbt, { ...segwit, address: taproot.address }), {
    code: 'transaction-not-ours',
  });
  assert.throws(() => parseTransaction(psbt, { ...segwit, addressFormat: 'Ethereum' }), {
    code: 'address-format-unsupported',
  });
});

test('reports data, burnt coins, unknown scripts and lock times', () => {
  const witnessV2 = hexDecode(`5220${'01'.repeat(32)}`);
  const { effects } = parseTransaction(
    psbtOf(
      [{ script: scriptOf(segwit), amount: 60_000n }],
      [
        { script: hexDecode('6a0401020304'), amount: 0n },
        { script: hexDecode('6a0105'), amount: 7n },
        { script: witnessV2, amount: 10n },
        { script: hexDecode('51'), amount: 11n },
      ],
      1_800_000_000,
    ),
    segwit,
  );
  assert.deepEqual(
    effects.calls.slice(0, -1).map((call) => call.arguments.script),
    ['6a0401020304', '6a0105'],
  );
  assert.deepEqual(
    effects.outflows.map(({ amount, to, kind }) => [amount, to, kind]),
    [
      [7n, null, 'burn'],
      [10n, scriptToAddress(witnessV2, 'mainnet'), 'transfer'],
      [11n, null, 'other'],
    ],
  );
  assert.deepEqual(
    effects.unresolved.map(({ kind, field }) => [kind, field]),
    [
      ['unknown-output-script', 'outputs[2]'],
      ['unknown-output-script', 'outputs[3]'],
    ],
  );
  assert.equal(effects.validity.notBefore, 1_800_000_000n);
});

test('signs only its own inputs of a joint transaction and leaves the others as they are', () => {
  const psbt = psbtOf(
    [
      { script: foreignScript, amount: 70_000n },
      { script: scriptOf(segwit), amount: 60_000n },
    ],
    [{ script: foreignScript, amount: 120_000n }],
  );
  const parsed = parseTransaction(psbt, segwit);
  assert.equal(parsed.signingInputs.length, 1);
  assert.deepEqual(parsed.effects.signers, [segwit.address, scriptToAddress(foreignScript, 'mainnet')]);
  const { transaction, id } = parsed.assemble(signAll(parsed));
  const [foreign, own] = decodePsbt(transaction).inputs;
  assert.deepEqual(foreign, decodePsbt(psbt).inputs[0]);
  assert.ok(findRecord(own!, INPUT.FINAL_SCRIPTWITNESS));
  assert.throws(() => extractTransaction(transaction), {
    code: 'transaction-incomplete',
    field: 'inputs[0]',
  });
  assert.equal(id(), transactionIdText(transactionHash(decodePsbt(psbt).transaction)));
  const completed = Transaction.fromPSBT(transaction, { allowUnknownInputs: true });
  completed.signIdx(otherKey, 0);
  completed.finalizeIdx(0);
  assert.equal(completed.id, id());
  assert.equal(
    hexEncode(extractTransaction(completed.toPSBT(0)).transaction),
    hexEncode(completed.extract()),
  );
});

function refuses(psbt: Uint8Array, account: SigningAccount, code: string): void {
  assert.throws(() => parseTransaction(psbt, account), { name: 'ChainError', code });
}

const oneOutput: readonly TestOutput[] = [{ script: foreignScript, amount: 10_000n }];

/** Applies a change to the decoded PSBT and encodes it without any check. */
function change(psbt: Uint8Array, edit: (psbt: Psbt) => Partial<Psbt>): Uint8Array {
  const decoded = decodePsbt(psbt);
  return encodePsbt({ ...decoded, ...edit(decoded) });
}

const record = (type: number, value: Uint8Array, keyData: Uint8Array = none): PsbtRecord => ({
  type,
  keyData,
  value,
});
const addToInput = (psbt: Uint8Array, ...records: PsbtRecord[]): Uint8Array =>
  change(psbt, ({ inputs }) => ({ inputs: [[...inputs[0]!, ...records], ...inputs.slice(1)] }));

test('refuses a PSBT without an input of the account', () => {
  refuses(psbtOf([{ script: foreignScript, amount: 60_000n }], oneOutput), segwit, 'transaction-not-ours');
  refuses(
    psbtOf([{ script: scriptOf(taproot), amount: 60_000n }], oneOutput),
    segwit,
    'transaction-not-ours',
  );
});

test('E5, E12: refuses the fee attack of 2020: a segwit amount that its previous transaction does not prove', () => {
  const own = { script: scriptOf(segwit), amount: 60_000n };
  refuses(psbtOf([{ ...own, proof: 'witness' }], oneOutput), segwit, 'transaction-unsafe');
  refuses(psbtOf([{ ...own, proof: 'none' }], oneOutput), segwit, 'transaction-unsafe');
  // Two inputs whose claimed amounts are swapped: each round would sign one true and one false amount.
  const honest = psbtOf([own, { ...own, amount: 5_000_000n, index: 1 }], oneOutput);
  parseTransaction(honest, segwit);
  const swapped = change(honest, ({ inputs: [first, second] }) => {
    const claim = (map: typeof first): PsbtRecord => map!.find(({ type }) => type === INPUT.WITNESS_UTXO)!;
    const replace = (map: typeof first, value: PsbtRecord) =>
      map!.map((entry) => (entry.type === INPUT.WITNESS_UTXO ? value : entry));
    return { inputs: [replace(first, claim(second)), replace(second, claim(first))] };
  });
  refuses(swapped, segwit, 'transaction-unsafe');
  // The previous transaction is altered to claim less, which changes its id.
  const forged = change(honest, ({ inputs: [first, second] }) => {
    const previous = decodeTransaction(findRecord(first!, INPUT.NON_WITNESS_UTXO)!);
    const outputs = previous.outputs.map((output) => ({ ...output, amount: 20_000n }));
    const value = encodeTransaction({ ...previous, outputs });
    return { inputs: [[record(INPUT.NON_WITNESS_UTXO, value)], second!] };
  });
  refuses(forged, segwit, 'transaction-unsafe');
});

test('refuses a joint transaction with an unproven foreign amount, unless taproot commits to it', () => {
  const foreign: TestInput = { script: foreignScript, amount: 70_000n, proof: 'witness' };
  refuses(
    psbtOf([foreign, { script: scriptOf(segwit), amount: 60_000n }], oneOutput),
    segwit,
    'transaction-unsafe',
  );
  const joint = psbtOf([foreign, { script: scriptOf(taproot), amount: 60_000n }], oneOutput);
  // The fee is 120,000; we cannot lose more than the 60,000 that we give.
  const { maxFee, outflows } = parseTransaction(joint, taproot).effects;
  assert.deepEqual([maxFee!.amount, outflows[0]!.amount], [60_000n, 10_000n]);
  refuses(
    psbtOf(
      [
        { ...foreign, proof: 'none' },
        { script: scriptOf(taproot), amount: 60_000n },
      ],
      oneOutput,
    ),
    taproot,
    'transaction-unsafe',
  );
});

test('a false amount of a foreign input changes the taproot digest', () => {
  const joint = (amount: bigint): string => {
    const psbt = psbtOf(
      [
        { script: foreignScript, amount: 70_000n, proof: 'witness' },
        { script: scriptOf(taproot), amount: 60_000n },
      ],
      oneOutput,
    );
    const claimed = change(psbt, ({ inputs: [first, second] }) => {
      const value = findRecord(first!, INPUT.WITNESS_UTXO)!.slice();
      new DataView(value.buffer).setBigUint64(0, amount, true);
      return {
        inputs: [
          first!.map((entry) => (entry.type === INPUT.WITNESS_UTXO ? { ...entry, value } : entry)),
          second!,
        ],
      };
    });
    return hexEncode(parseTransaction(claimed, taproot).signingInputs[0]!.bytes);
  };
  assert.equal(joint(70_000n), joint(70_000n));
  assert.notEqual(joint(70_000n), joint(70_001n));
});

test('E5: refuses every hash type that leaves an input or output open', () => {
  for (const [account, types] of [
    [segwit, [0x00, 0x02, 0x03, 0x41, 0x80, 0x81, 0x82, 0x83, 0x100, 0x1_0001]],
    [taproot, [0x02, 0x03, 0x80, 0x81, 0x82, 0x83, 0x100, 0x1_0000]],
  ] as const) {
    const psbt = psbtOf([{ script: scriptOf(account), amount: 60_000n }], oneOutput);
    for (const type of types) {
      const value = new Uint8Array(4);
      new DataView(value.buffer).setUint32(0, type, true);
      refuses(addToInput(psbt, record(INPUT.SIGHASH_TYPE, value)), account, 'transaction-unsafe');
    }
  }
  // SIGHASH_SINGLE without an output at the index: a legacy digest would be the number one.
  const two = psbtOf(
    [
      { script: foreignScript, amount: 60_000n },
      { script: scriptOf(segwit), amount: 60_000n, sighashType: 3 },
    ],
    oneOutput,
  );
  refuses(two, segwit, 'transaction-unsafe');
});

test('refuses outputs above the inputs, a repeated outpoint, no output and strange versions', () => {
  const own = { script: scriptOf(segwit), amount: 60_000n };
  refuses(psbtOf([own], [{ script: foreignScript, amount: 60_001n }]), segwit, 'transaction-malformed');
  assert.equal(
    parseTransaction(psbtOf([own], [{ script: foreignScript, amount: 60_000n }]), segwit).effects.maxFee!
      .amount,
    0n,
  );
  const honest = psbtOf([own], oneOutput);
  const rewrite = (
    edit: (transaction: Psbt['transaction']) => Psbt['transaction'],
    inputs = 1,
    outputs = 1,
  ): Uint8Array =>
    change(honest, (psbt) => ({
      global: [record(0, encodeTransaction(edit(psbt.transaction)))],
      inputs: Array.from({ length: inputs }, () => psbt.inputs[0]!),
      outputs: psbt.outputs.slice(0, outputs),
    }));
  parseTransaction(
    rewrite((transaction) => transaction),
    segwit,
  );
  refuses(
    rewrite(
      (transaction) => ({ ...transaction, inputs: [transaction.inputs[0]!, transaction.inputs[0]!] }),
      2,
    ),
    segwit,
    'transaction-malformed',
  );
  refuses(
    rewrite((transaction) => ({ ...transaction, outputs: [] }), 1, 0),
    segwit,
    'transaction-malformed',
  );
  for (const version of [0, 4, 0xffffffff]) {
    refuses(
      rewrite((transaction) => ({ ...transaction, version })),
      segwit,
      'transaction-version-unsupported',
    );
  }
  const missing = rewrite((transaction) => ({
    ...transaction,
    inputs: [{ ...transaction.inputs[0]!, previousIndex: 9 }],
  }));
  refuses(missing, segwit, 'transaction-malformed');
});

test('refuses its own input when it is signed, has a script path, another key or an unknown record', () => {
  const own = psbtOf([{ script: scriptOf(segwit), amount: 60_000n }], oneOutput);
  const tap = psbtOf([{ script: scriptOf(taproot), amount: 60_000n }], oneOutput);
  const stranger = publicKey(otherKey);
  const path = new Uint8Array(8);
  parseTransaction(addToInput(own, record(INPUT.BIP32_DERIVATION, path, segwit.publicKey)), segwit);
  parseTransaction(
    addToInput(tap, record(INPUT.TAP_BIP32_DERIVATION, new Uint8Array(9), taproot.publicKey.subarray(1))),
    taproot,
  );
  refuses(
    addToInput(own, record(INPUT.PARTIAL_SIG, new Uint8Array(71), segwit.publicKey)),
    segwit,
    'transaction-already-signed',
  );
  refuses(
    addToInput(own, record(INPUT.FINAL_SCRIPTWITNESS, Uint8Array.of(1, 0))),
    segwit,
    'transaction-already-signed',
  );
  refuses(
    addToInput(tap, record(INPUT.TAP_KEY_SIG, new Uint8Array(64))),
    taproot,
    'transaction-already-signed',
  );
  for (const entry of [
    record(INPUT.BIP32_DERIVATION, path, stranger),
    record(INPUT.REDEEM_SCRIPT, none),
    record(INPUT.WITNESS_SCRIPT, Uint8Array.of(0x51)),
    record(INPUT.TAP_INTERNAL_KEY, segwit.publicKey.subarray(1)),
    record(INPUT.POR_COMMITMENT, none),
    record(0xfc, none, Uint8Array.of(1, 2, 3)),
    record(0x77, none),
  ]) {
    refuses(addToInput(own, entry), segwit, 'transaction-not-understood');
  }
  const bare = change(tap, ({ inputs }) => ({
    inputs: [inputs[0]!.filter(({ type }) => type !== INPUT.TAP_INTERNAL_KEY)],
  }));
  parseTransaction(bare, taproot);
  for (const entry of [
    record(INPUT.TAP_INTERNAL_KEY, stranger.subarray(1)),
    record(INPUT.TAP_MERKLE_ROOT, new Uint8Array(32)),
    record(INPUT.TAP_LEAF_SCRIPT, Uint8Array.of(0x51, 0xc0), new Uint8Array(33)),
    record(INPUT.TAP_BIP32_DERIVATION, new Uint8Array(9), stranger.subarray(1)),
    record(
      INPUT.TAP_BIP32_DERIVATION,
      new Uint8Array([1, ...new Uint8Array(40)]),
      taproot.publicKey.subarray(1),
    ),
  ]) {
    refuses(addToInput(bare, entry), taproot, 'transaction-not-understood');
  }
});

test('keeps unknown records of outputs and foreign inputs, and refuses unknown global ones', () => {
  const psbt = psbtOf(
    [
      { script: scriptOf(segwit), amount: 60_000n },
      { script: foreignScript, amount: 5n },
    ],
    oneOutput,
  );
  const unknown = record(0x77, Uint8Array.of(1), Uint8Array.of(2));
  const proprietary = record(0xfc, none, Uint8Array.of(1, 2, 3));
  const extended = change(psbt, ({ inputs, outputs, global }) => ({
    global: [...global, proprietary],
    inputs: [inputs[0]!, [...inputs[1]!, unknown, proprietary]],
    outputs: [[...outputs[0]!, unknown]],
  }));
  const parsed = parseTransaction(extended, segwit);
  const decoded = decodePsbt(parsed.assemble(signAll(parsed)).transaction);
  assert.deepEqual(decoded.inputs[1]!.slice(-2), [unknown, proprietary]);
  assert.deepEqual(decoded.outputs[0], [unknown]);
  refuses(
    change(psbt, ({ global }) => ({ global: [...global, unknown] })),
    segwit,
    'transaction-not-understood',
  );
});

test('takes exactly one signature for each of its inputs', () => {
  const parsed = parseTransaction(psbtOf([{ script: scriptOf(segwit), amount: 60_000n }], oneOutput), segwit);
  assert.throws(() => parsed.assemble([]), TypeError);
  assert.throws(() => parsed.assemble([...signAll(parsed), ...signAll(parsed)]), TypeError);
  assert.throws(() => parsed.assemble([{ bytes: new Uint8Array(65) }]), TypeError);
});

const samples = [
  [
    psbtOf(
      [
        { script: scriptOf(segwit), amount: 60_000n },
        { script: foreignScript, amount: 9_000n },
      ],
      oneOutput,
    ),
    segwit,
  ],
  [
    psbtOf(
      [{ script: scriptOf(taproot), amount: 60_000n, proof: 'witness', sighashType: 1 }],
      [...oneOutput, { script: scriptOf(taproot), amount: 1n }],
    ),
    taproot,
  ],
] as const;

/** One to three edits: overwrite, insert, delete, repeat a run of bytes, cut, append. */
const mutated = fc
  .tuple(
    fc.constantFrom(...samples),
    fc.array(fc.tuple(fc.nat({ max: 5 }), fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 3 }),
  )
  .map(([[sample, account], edits]) => {
    let bytes = [...sample];
    for (const [kind, position, value] of edits) {
      const at = position % (bytes.length + 1);
      if (kind === 0 && at < bytes.length) bytes[at] = value;
      if (kind === 1) bytes.splice(at, 0, value);
      if (kind === 2) bytes.splice(at, 1 + (value % 3));
      if (kind === 3) bytes.splice(at, 0, ...bytes.slice(at, at + (value % 40)));
      if (kind === 4) bytes = bytes.slice(0, at);
      if (kind === 5) bytes.push(value);
    }
    return { bytes: Uint8Array.from(bytes), account };
  });

test('refuses a mutated PSBT with a ChainError or round-trips it byte for byte, and then scure reads it too', () => {
  let accepted = 0;
  fc.assert(
    fc.property(mutated, ({ bytes, account }) => {
      try {
        parseTransaction(bytes, account);
      } catch (error) {
        assert.ok(error instanceof ChainError, String(error));
        return;
      }
      const decoded = decodePsbt(bytes);
      assert.equal(hexEncode(encodePsbt(decoded)), hexEncode(bytes));
      // Kept as they are, whatever they hold; scure knows forms for them (BIP-373, BIP-375).
      const isLater = (last: number) => (record: { readonly type: number }) => record.type > last;
      if (decoded.inputs.flat().some(isLater(INPUT.TAP_MERKLE_ROOT))) return;
      if (decoded.outputs.flat().some(isLater(OUTPUT.TAP_BIP32_DERIVATION))) return;
      Transaction.fromPSBT(bytes, {
        allowUnknownInputs: true,
        allowUnknownOutputs: true,
        allowUnknown: true,
        disableScriptCheck: true,
      });
      accepted += 1;
    }),
    { numRuns: 2_000 },
  );
  assert.ok(accepted > 20, String(accepted));
});
