import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concatBytes } from '@keystead/crypto/bytes';
import { publicKey, sign } from '@keystead/crypto/ed25519';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Transaction, TransactionDataBuilder } from '@mysten/sui/transactions';
import { verifyPersonalMessageSignature, verifyTransactionSignature } from '@mysten/sui/verify';
import fc from 'fast-check';
import type { SigningAccount } from '../chain.ts';
import { ChainError } from '../error.ts';
import { address, parseAddress } from './address.ts';
import { sui } from './chain.ts';
import { looksLikeTransaction, personalMessageDigest, transactionDigest } from './message.ts';
import { decodeTransaction, encodeTransaction } from './transaction.ts';

const SEED = new Uint8Array(32).fill(1);
const keypair = Ed25519Keypair.fromSecretKey(SEED);
const ours = keypair.toSuiAddress();
const them = Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(2)).toSuiAddress();
const SUI = 'sui/slip44:784';
const account: SigningAccount = {
  publicKey: publicKey(SEED),
  addressFormat: 'Sui',
  address: ours,
  derivationPath: "m/44'/784'/0'/0'/0'",
};

const id = (fill: number): string => `0x${fill.toString(16).padStart(2, '0').repeat(32)}`;
const DIGEST = '11111111111111111111111111111112';
const object = (fill: number) => ({ objectId: id(fill), version: '7', digest: DIGEST });

async function build(
  fill: (transaction: Transaction) => void,
  options: { sender?: string; gasOwner?: string; epoch?: number; budget?: bigint } = {},
): Promise<Uint8Array> {
  const transaction = new Transaction();
  transaction.setSender(options.sender ?? ours);
  if (options.gasOwner) transaction.setGasOwner(options.gasOwner);
  transaction.setGasPayment([object(0xaa)]);
  transaction.setGasPrice(1000n);
  transaction.setGasBudget(options.budget ?? 5_000_000n);
  transaction.setExpiration(options.epoch === undefined ? { None: true } : { Epoch: options.epoch });
  fill(transaction);
  return transaction.build();
}

const parse = (bytes: Uint8Array) => sui.parseTransaction(bytes, account);
const read = async (...each: Parameters<typeof build>) => parse(await build(...each)).effects;
const kindsOf = (effects: { unresolved: readonly { kind: string }[] }) =>
  effects.unresolved.map((each) => each.kind);

const refuses = (bytes: Uint8Array, code: string): void => {
  assert.throws(
    () => parse(bytes),
    (error) => error instanceof ChainError && error.code === code,
    code,
  );
};

const transferSui = (transaction: Transaction, amount: bigint, to = them): void => {
  const [coin] = transaction.splitCoins(transaction.gas, [amount]);
  transaction.transferObjects([coin!], to);
};

test('derives the address that the Sui SDK derives, and parses only its one spelling', () => {
  for (let fill = 0; fill < 20; fill++) {
    const seed = new Uint8Array(32).fill(fill);
    assert.equal(address(publicKey(seed), 'Sui'), Ed25519Keypair.fromSecretKey(seed).toSuiAddress());
  }
  assert.deepEqual(parseAddress(ours).length, 32);
  for (const text of [ours.slice(2), ours.toUpperCase(), `${ours} `, '0x2', ours.replace('0x', '0X')]) {
    assert.throws(() => parseAddress(text), ChainError);
  }
  assert.throws(() => address(publicKey(SEED), 'Solana'), ChainError);
});

test('reports generated transfers exactly as they were built, and signs what the SDK verifies', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 5 }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.bigInt({ min: 1n, max: 50_000_000_000n }),
      fc.option(fc.nat(), { nil: undefined }),
      fc.boolean(),
      async (amounts, recipient, budget, epoch, withIntent) => {
        const to = `0x${Buffer.from(recipient).toString('hex')}`;
        const bytes = await build(
          (transaction) => {
            const coins = transaction.splitCoins(transaction.gas, amounts);
            transaction.transferObjects(
              amounts.map((_, i) => coins[i]!),
              to,
            );
          },
          { budget, ...(epoch === undefined ? {} : { epoch }) },
        );
        const parsed = parse(withIntent ? concatBytes(new Uint8Array(3), bytes) : bytes);
        const { effects } = parsed;
        assert.deepEqual(
          effects.outflows,
          amounts.map((amount) => ({ asset: SUI, amount, from: ours, to, kind: 'transfer' })),
        );
        assert.deepEqual(effects.maxFee, { asset: SUI, amount: budget });
        assert.deepEqual([effects.signers, effects.feePayer, effects.unresolved], [[ours], ours, []]);
        assert.deepEqual(effects.validity.key, `${id(0xaa)}@7`);
        assert.deepEqual(encodeTransaction(decodeTransaction(bytes)), bytes);
        const raw = sign(SEED, parsed.signingInputs[0]!.bytes);
        const assembled = parsed.assemble([{ bytes: raw }]);
        assert.deepEqual(assembled.transaction, bytes);
        assert.equal(assembled.signature.length, 97);
        assert.equal(assembled.id(), TransactionDataBuilder.getDigestFromBytes(bytes));
        const signature = Buffer.from(assembled.signature).toString('base64');
        assert.equal((await keypair.signTransaction(bytes)).signature, signature);
        assert.equal((await verifyTransactionSignature(bytes, signature)).toSuiAddress(), ours);
      },
    ),
    { numRuns: 300, seed: 784 },
  );
});

describe('what leaves', () => {
  test('E11: transferring the gas coin is unbounded', async () => {
    const effects = await read((transaction) => transaction.transferObjects([transaction.gas], them));
    assert.deepEqual(effects.outflows, [
      { asset: SUI, amount: 'unbounded', from: ours, to: them, kind: 'transfer' },
    ]);
  });

  test('an input object leaves as itself, and its type is doubted unless it stays ours', async () => {
    const effects = await read((transaction) =>
      transaction.transferObjects([transaction.objectRef(object(0xbb))], them),
    );
    assert.deepEqual(effects.outflows, [
      { asset: `sui/object:${id(0xbb)}`, amount: 1n, from: ours, to: them, kind: 'transfer' },
    ]);
    assert.deepEqual(kindsOf(effects), ['object-type']);
    const self = await read((transaction) =>
      transaction.transferObjects([transaction.objectRef(object(0xbb))], ours),
    );
    assert.deepEqual([self.outflows.length, self.unresolved], [1, []]);
  });

  test('what was split from an object coin leaves in units of that coin', async () => {
    const effects = await read((transaction) => {
      const [coin] = transaction.splitCoins(transaction.objectRef(object(0xbb)), [50n]);
      transaction.transferObjects([coin!], them);
    });
    assert.deepEqual(
      effects.outflows.map((each) => [each.asset, each.amount]),
      [[`sui/object:${id(0xbb)}`, 50n]],
    );
    assert.deepEqual(kindsOf(effects), ['object-type']);
  });

  test('E8: splits of splits, merges and vectors neither hide nor invent value', async () => {
    const split = await read((transaction) => {
      const [coin] = transaction.splitCoins(transaction.gas, [100n]);
      const [part] = transaction.splitCoins(coin!, [30n]);
      transaction.transferObjects([part!], them);
      transaction.transferObjects([coin!], ours);
    });
    assert.deepEqual(
      split.outflows.map((each) => [each.amount, each.to]),
      [
        [30n, them],
        [70n, ours],
      ],
    );
    const merged = await read((transaction) => {
      const [one, two] = transaction.splitCoins(transaction.gas, [1n, 2n]);
      transaction.mergeCoins(one!, [two!, transaction.objectRef(object(0xbb))]);
      transaction.transferObjects([one!], them);
    });
    assert.deepEqual(
      merged.outflows.map((each) => [each.asset, each.amount]),
      [
        [SUI, 3n],
        [`sui/object:${id(0xbb)}`, 1n],
      ],
    );
    const own = await read((transaction) => {
      const [coin] = transaction.splitCoins(transaction.gas, [9n]);
      transaction.mergeCoins(transaction.objectRef(object(0xbb)), [coin!]);
    });
    assert.deepEqual([own.outflows, own.unresolved], [[], []]);
  });

  test('merging into a shared coin gives the value away', async () => {
    const effects = await read((transaction) => {
      const shared = transaction.sharedObjectRef({
        objectId: id(0xcc),
        initialSharedVersion: 1,
        mutable: true,
      });
      const [coin] = transaction.splitCoins(transaction.gas, [9n]);
      transaction.mergeCoins(shared, [coin!]);
    });
    assert.deepEqual(effects.outflows, [
      { asset: SUI, amount: 9n, from: ours, to: id(0xcc), kind: 'transfer' },
    ]);
  });

  test('an amount or recipient that is not in the bytes is unbounded and doubted', async () => {
    const effects = await read((transaction) => {
      const [value] = transaction.moveCall({ target: `${id(0xdd)}::m::amount` });
      const [who] = transaction.moveCall({ target: `${id(0xdd)}::m::who` });
      const [coin] = transaction.splitCoins(transaction.gas, [value!]);
      transaction.transferObjects([coin!], who!);
    });
    assert.deepEqual(
      effects.outflows.map((each) => [each.asset, each.amount, each.to]),
      [[SUI, 'unbounded', null]],
    );
    assert.deepEqual(kindsOf(effects), ['move-call', 'move-call', 'amount', 'recipient']);
  });
});

describe('code', () => {
  test('a Move call is doubted by its full name, and all that it receives counts as leaving', async () => {
    const effects = await read((transaction) => {
      const [coin] = transaction.splitCoins(transaction.gas, [5n]);
      const [out] = transaction.moveCall({
        target: `${id(0xdd)}::pool::swap`,
        typeArguments: ['0x2::sui::SUI', `vector<${id(0xee)}::usdc::USDC>`],
        arguments: [coin!, transaction.objectRef(object(0xbb)), transaction.pure.u64(1n)],
      });
      transaction.transferObjects([out!], ours);
    });
    assert.deepEqual(effects.unresolved[0], {
      kind: 'move-call',
      field: 'commands[1]',
      detail: `${id(0xdd)}::pool::swap`,
      subject: `${id(0xdd)}::pool::swap`,
    });
    assert.deepEqual(
      effects.outflows.map((each) => [each.asset, each.amount, each.to, each.kind]),
      [
        [SUI, 5n, null, 'call-value'],
        [`sui/object:${id(0xbb)}`, 1n, null, 'call-value'],
      ],
    );
    assert.equal(effects.calls[1]!.name, null);
  });

  test('E11: lending the gas coin to code is unbounded, and so is what code returns to another', async () => {
    const effects = await read((transaction) => {
      const [out] = transaction.moveCall({ target: `${id(0xdd)}::m::f`, arguments: [transaction.gas] });
      const [coin] = transaction.splitCoins(transaction.gas, [4n]);
      transaction.mergeCoins(out!, [coin!]);
      transaction.transferObjects([out!], them);
    });
    assert.deepEqual(
      effects.outflows.map((each) => [each.asset, each.amount, each.to]),
      [
        [SUI, 'unbounded', null],
        [SUI, 4n, null],
        [SUI, 4n, them],
        ['sui/object:unknown', 'unbounded', them],
      ],
    );
  });

  test('publishing and upgrading are doubted', async () => {
    const effects = await read((transaction) => {
      const [capability] = transaction.publish({ modules: [[1, 2]], dependencies: [id(1)] });
      transaction.transferObjects([capability!], ours);
      const ticket = transaction.moveCall({ target: '0x2::package::authorize_upgrade' });
      transaction.upgrade({ modules: [[3]], dependencies: [], package: id(2), ticket });
    });
    assert.deepEqual(kindsOf(effects), ['publish', 'move-call', 'upgrade']);
  });
});

describe('roles', () => {
  test('refuses a transaction in which we are neither sender nor gas owner', async () => {
    refuses(
      await build((transaction) => transferSui(transaction, 1n), { sender: them }),
      'transaction-not-ours',
    );
  });

  test('when another pays the gas, the gas coin is not ours, and merging into it gives away', async () => {
    const effects = await read(
      (transaction) => {
        transferSui(transaction, 1n);
        transaction.mergeCoins(transaction.gas, [transaction.objectRef(object(0xbb))]);
      },
      { gasOwner: them },
    );
    assert.deepEqual([effects.signers, effects.feePayer], [[ours, them], them]);
    assert.deepEqual(
      effects.outflows.map((each) => [each.asset, each.to]),
      [[`sui/object:${id(0xbb)}`, them]],
    );
  });

  test('paying the gas of another sender is doubted, and what it takes from our coin counts', async () => {
    const effects = await read((transaction) => transferSui(transaction, 6n), {
      sender: them,
      gasOwner: ours,
    });
    assert.deepEqual(kindsOf(effects), ['sponsored-gas']);
    assert.deepEqual([effects.outflows[0]!.amount, effects.feePayer], [6n, ours]);
  });
});

describe('E1: bytes', () => {
  test('refuses padding, cut ends, long lengths, unknown variants and kinds', async () => {
    const bytes = await build((transaction) => transferSui(transaction, 1n));
    refuses(concatBytes(bytes, Uint8Array.of(0)), 'transaction-malformed');
    for (let length = 0; length < bytes.length; length++)
      refuses(bytes.subarray(0, length), 'transaction-malformed');
    const with2 = (offset: number, ...insert: number[]) =>
      concatBytes(bytes.subarray(0, offset), Uint8Array.from(insert), bytes.subarray(offset + 1));
    assert.equal(bytes[2], 2);
    refuses(with2(2, 0x82, 0x00), 'transaction-malformed');
    refuses(with2(0, 1), 'transaction-version-unsupported');
    for (const kind of [1, 2, 9]) refuses(with2(1, kind), 'transaction-not-understood');
    refuses(with2(3, 2), 'transaction-not-understood');
    refuses(with2(bytes.length - 1, 2), 'transaction-not-understood');
    const withEpoch = await build((transaction) => transferSui(transaction, 1n), { epoch: 3 });
    assert.equal(parse(withEpoch).effects.version, 'sui-v1');
  });

  test('refuses newer expirations and withdrawals from address balances', async () => {
    const during = {
      ValidDuring: {
        minEpoch: null,
        maxEpoch: '5',
        minTimestamp: null,
        maxTimestamp: null,
        chain: DIGEST,
        nonce: 1,
      },
    };
    const bytes = await build((transaction) => {
      transferSui(transaction, 1n);
      transaction.setExpiration(during as never);
    });
    refuses(bytes, 'transaction-not-understood');
  });

  test('refuses an object that is named twice', async () => {
    const bytes = await build((transaction) =>
      transaction.transferObjects([transaction.objectRef(object(0xbb))], them),
    );
    const parsed = decodeTransaction(bytes);
    const doubled = { ...parsed, inputs: [...parsed.inputs, parsed.inputs[0]!] };
    refuses(encodeTransaction(doubled), 'transaction-malformed');
    const gasAsInput = {
      ...parsed,
      gas: { ...parsed.gas, payment: [...parsed.gas.payment, ...parsed.gas.payment] },
    };
    refuses(encodeTransaction(gasAsInput), 'transaction-malformed');
    refuses(
      encodeTransaction({ ...parsed, gas: { ...parsed.gas, payment: [] } }),
      'transaction-not-understood',
    );
  });

  test('a mutated or padded encoding is refused with ChainError or is byte-equal after decoding and encoding', async () => {
    const starts = [
      await build((transaction) => transferSui(transaction, 1n)),
      await build(
        (transaction) => {
          const [coin] = transaction.splitCoins(transaction.gas, [5n]);
          transaction.moveCall({
            target: `${id(0xdd)}::pool::swap`,
            typeArguments: ['vector<u8>', `${id(0xee)}::a::B<u64, bool>`],
            arguments: [coin!, transaction.objectRef(object(0xbb))],
          });
          transaction.makeMoveVec({ type: 'u64', elements: [transaction.pure.u64(1n)] });
          transaction.publish({ modules: [[1, 2]], dependencies: [id(1)] });
        },
        { epoch: 9 },
      ),
    ];
    const edit = fc.record({ at: fc.nat(900), remove: fc.nat(2), insert: fc.uint8Array({ maxLength: 2 }) });
    let accepted = 0;
    let refusals = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...starts),
        fc.array(edit, { minLength: 1, maxLength: 2 }),
        (bytes, edits) => {
          let changed = bytes;
          for (const { at, remove, insert } of edits) {
            const offset = at % (changed.length + 1);
            changed = concatBytes(changed.subarray(0, offset), insert, changed.subarray(offset + remove));
          }
          try {
            assert.deepEqual(encodeTransaction(decodeTransaction(changed)), changed);
            assert.equal(TransactionDataBuilder.fromBytes(changed).version, 2);
            assert.ok(looksLikeTransaction(changed));
            accepted += 1;
            parse(changed);
          } catch (error) {
            if (!(error instanceof ChainError)) throw error;
            refusals += 1;
          }
        },
      ),
      { numRuns: 2000, seed: 77003 },
    );
    assert.ok(accepted > 100 && refusals > 100, `seed 77003: ${accepted} decoded, ${refusals} refused`);
  });
});

describe('messages', () => {
  test('signs personal messages as the SDK verifies them', async () => {
    for (const length of [0, 1, 31, 127, 128, 300]) {
      const message = new Uint8Array(length).fill(0x61);
      const raw = sign(SEED, personalMessageDigest(message));
      const signature = Buffer.from(concatBytes(Uint8Array.of(0), raw, account.publicKey)).toString('base64');
      assert.equal((await verifyPersonalMessageSignature(message, signature)).toSuiAddress(), ours);
    }
  });

  test('E2: sees a transaction, an intent message and a digest in what is to be signed as text', async () => {
    const bytes = await build((transaction) => transferSui(transaction, 1n));
    assert.ok(looksLikeTransaction(bytes));
    assert.ok(looksLikeTransaction(concatBytes(bytes, Uint8Array.of(1))), 'also when padded');
    assert.ok(looksLikeTransaction(concatBytes(new Uint8Array(3), bytes)));
    assert.ok(looksLikeTransaction(concatBytes(Uint8Array.of(3, 0, 0, 40), new Uint8Array(40).fill(65))));
    assert.ok(
      looksLikeTransaction(transactionDigest(bytes)),
      'plain Ed25519 over this digest signs the transaction',
    );
    const text = (value: string) => new TextEncoder().encode(value);
    assert.equal(looksLikeTransaction(text('0123456789abcdef0123456789abcdef')), false);
    assert.ok(looksLikeTransaction(text('Thirty-two characters of a text.')));
    assert.equal(looksLikeTransaction(text('Sign in to example.com with nonce 7.')), false);
    assert.equal(looksLikeTransaction(text('')), false);
  });
});
