import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { publicKey } from '@keystead/crypto/ed25519';
import { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { Transaction, type TransactionResult } from '@mysten/sui/transactions';
import type { ParseContext, SigningAccount } from '../chain.ts';
import { StepBudget } from '../step-budget.ts';
import { MOVE_FUNCTIONS } from './move-calls.ts';
import { parseTransaction } from './parse.ts';

const SEED = new Uint8Array(32).fill(1);
const ours = Ed25519Keypair.fromSecretKey(SEED).toSuiAddress();
const them = Ed25519Keypair.fromSecretKey(new Uint8Array(32).fill(2)).toSuiAddress();
const account: SigningAccount = {
  publicKey: publicKey(SEED),
  addressFormat: 'Sui',
  address: ours,
  derivationPath: null,
};
const id = (fill: number): string => `0x${fill.toString(16).padStart(2, '0').repeat(32)}`;
const object = (fill: number) => ({
  objectId: id(fill),
  version: '7',
  digest: '11111111111111111111111111111112',
});
const FULL_SUI = `0x${'2'.padStart(64, '0')}::sui::SUI`;
const SUI = 'sui/slip44:784';
const USDC = `${id(0xee)}::usdc::USDC`;
const VALIDATOR = id(0xcc);
const SYSTEM_STATE = { objectId: '0x5', initialSharedVersion: 1, mutable: true };

async function read(fill: (transaction: Transaction) => void, context?: ParseContext) {
  const transaction = new Transaction();
  transaction.setSender(ours);
  transaction.setGasPayment([object(0xaa)]);
  transaction.setGasPrice(1000n);
  transaction.setGasBudget(5_000_000n);
  transaction.setExpiration({ None: true });
  fill(transaction);
  return parseTransaction(await transaction.build(), account, context).effects;
}

const leaves = (effects: Awaited<ReturnType<typeof read>>) =>
  effects.outflows.map(({ asset, amount, to }) => [asset, amount, to]);
const doubts = (effects: Awaited<ReturnType<typeof read>>) =>
  effects.unresolved.map(({ kind, subject }) => [kind, subject]);

describe('functions of the framework', () => {
  const usdc = `sui/coin:${USDC}`;

  test('a payment by type names the coin that leaves, because only an object of that type makes it run', async () => {
    const effects = await read((transaction) => {
      const coin = transaction.objectRef(object(0xbb));
      transaction.moveCall({
        target: '0x2::pay::split_and_transfer',
        typeArguments: [USDC],
        arguments: [coin, transaction.pure.u64(9n), transaction.pure.address(them)],
      });
    });
    assert.deepEqual(leaves(effects), [[usdc, 9n, them]]);
    assert.deepEqual(effects.unresolved, []);
    assert.deepEqual(effects.calls[0], {
      target: `0x${'2'.padStart(64, '0')}`,
      name: 'sui.pay.split-and-transfer',
      arguments: { command: 'commands[0]', type: USDC, amount: '9', to: them },
    });
  });

  test('what is split by type and transferred leaves in units of the coin; a whole coin has no bound', async () => {
    const split = await read((transaction) => {
      const [part] = transaction.moveCall({
        target: '0x2::coin::split',
        typeArguments: [USDC],
        arguments: [transaction.objectRef(object(0xbb)), transaction.pure.u64(9n)],
      });
      transaction.moveCall({
        target: '0x2::transfer::public_transfer',
        typeArguments: [`0x2::coin::Coin<${USDC}>`],
        arguments: [part!, transaction.pure.address(them)],
      });
    });
    assert.deepEqual([leaves(split), split.unresolved], [[[usdc, 9n, them]], []]);
    const whole = await read((transaction) => {
      const coin = transaction.objectRef(object(0xbb));
      transaction.moveCall({ target: '0x2::pay::keep', typeArguments: [USDC], arguments: [coin] });
      transaction.transferObjects([coin], them);
    });
    assert.deepEqual(leaves(whole), [
      [usdc, 'unbounded', ours],
      [usdc, 'unbounded', them],
    ]);
  });

  test('a stated type names the coin too, and an object that is no coin leaves as itself without a doubt', async () => {
    const send = (context?: ParseContext) =>
      read((transaction) => {
        const [part] = transaction.splitCoins(transaction.objectRef(object(0xbb)), [9n]);
        transaction.transferObjects([part!, transaction.objectRef(object(0xbc))], them);
      }, context);
    const objectTypes = new Map([
      [id(0xbb), `0x${'2'.padStart(64, '0')}::coin::Coin<${USDC}>`],
      [id(0xbc), `${id(0xee)}::art::Picture`],
    ]);
    const stated = await send({ objectTypes });
    assert.deepEqual(leaves(stated), [
      [usdc, 9n, them],
      [`sui/object:${id(0xbc)}`, 1n, them],
    ]);
    assert.deepEqual(stated.unresolved, []);
    assert.deepEqual(doubts(await send()), [
      ['object-type', id(0xbb)],
      ['object-type', id(0xbc)],
    ]);
    const short = await send({ objectTypes: new Map([[id(0xbb), `0x2::coin::Coin<${FULL_SUI}>`]]) });
    assert.deepEqual(leaves(short)[0], [SUI, 9n, them]);
  });

  test('joining and keeping move nothing away, and joining into what another gets does', async () => {
    const kept = await read((transaction) => {
      const [one, two] = [transaction.objectRef(object(0xbb)), transaction.objectRef(object(0xbc))];
      const typed = { typeArguments: [USDC] };
      transaction.moveCall({ target: '0x2::coin::join', ...typed, arguments: [one, two] });
      transaction.moveCall({
        target: '0x2::pay::split',
        ...typed,
        arguments: [one, transaction.pure.u64(3n)],
      });
      transaction.moveCall({
        target: '0x2::pay::divide_and_keep',
        ...typed,
        arguments: [one, transaction.pure.u64(3n)],
      });
    });
    assert.deepEqual(leaves(kept), [[usdc, 3n, ours]]);
    assert.deepEqual(kept.unresolved, []);
    const joined = await read((transaction) => {
      const [part] = transaction.splitCoins(transaction.gas, [5n]);
      const [more] = transaction.splitCoins(transaction.gas, [6n]);
      transaction.moveCall({
        target: '0x2::coin::join',
        typeArguments: ['0x2::sui::SUI'],
        arguments: [part!, more!],
      });
      transaction.transferObjects([part!], them);
    });
    assert.deepEqual(leaves(joined), [[SUI, 11n, them]]);
  });

  test('a stake stays ours and names its validator; taking it back leaves nothing', async () => {
    const effects = await read((transaction) => {
      const [coin] = transaction.splitCoins(transaction.gas, [1_000_000_000n]);
      transaction.moveCall({
        target: '0x3::sui_system::request_add_stake',
        arguments: [transaction.sharedObjectRef(SYSTEM_STATE), coin!, transaction.pure.address(VALIDATOR)],
      });
      transaction.moveCall({
        target: '0x3::sui_system::request_withdraw_stake',
        arguments: [transaction.sharedObjectRef(SYSTEM_STATE), transaction.objectRef(object(0xbd))],
      });
    });
    assert.deepEqual(leaves(effects), [
      [SUI, 1_000_000_000n, ours],
      [`sui/object:${id(0xbd)}`, 1n, ours],
    ]);
    assert.deepEqual(effects.unresolved, []);
    assert.deepEqual(
      effects.calls.map(({ name, arguments: details }) => [name, details.validator]),
      [
        ['sui.split-coins', undefined],
        ['sui.stake.add', VALIDATOR],
        ['sui.stake.withdraw', undefined],
      ],
    );
  });

  test('are those names in those packages with that many arguments, and nothing else', async () => {
    for (const [target, typeArguments, count] of [
      ['0x2::pay::split_and_transfer', [], 3],
      ['0x2::pay::split_and_transfer', [USDC], 2],
      ['0x4::pay::split_and_transfer', [USDC], 3],
      ['0x2::pay::split_and_burn', [USDC], 3],
      ['0x2::kiosk::new', [], 0],
    ] as const) {
      const effects = await read((transaction) => {
        const all = [
          transaction.objectRef(object(0xbb)),
          transaction.pure.u64(9n),
          transaction.pure.address(them),
        ];
        transaction.moveCall({ target, typeArguments: [...typeArguments], arguments: all.slice(0, count) });
      });
      assert.equal(doubts(effects)[0]![0], 'move-call', target);
    }
    assert.equal(MOVE_FUNCTIONS.size, 16);
  });

  test('amounts and recipients that are not in the bytes are doubted', async () => {
    const effects = await read((transaction) => {
      const [out] = transaction.moveCall({ target: `${id(0xdd)}::m::f` });
      transaction.moveCall({
        target: '0x2::pay::split_and_transfer',
        typeArguments: [USDC],
        arguments: [transaction.objectRef(object(0xbb)), out!, out!],
      });
    });
    assert.deepEqual(
      effects.unresolved.map(({ kind }) => kind),
      ['move-call', 'amount', 'recipient'],
    );
    assert.deepEqual(leaves(effects), [[usdc, 'unbounded', null]]);
  });

  test('values that are put together over and over are refused by the step budget, not by memory', async () => {
    const double = (times: number, steps: StepBudget) =>
      read(
        (transaction) => {
          let value: TransactionResult | null = null;
          const element = transaction.objectRef(object(0xbb));
          for (let i = 0; i < times; i++) {
            const elements = value === null ? [element, element] : [value, value];
            value = transaction.makeMoveVec({ type: `0x2::coin::Coin<${USDC}>`, elements });
          }
        },
        { steps },
      );
    const few = new StepBudget(60_000);
    await double(4, few);
    assert.ok(few.used < 2_000, String(few.used));
    await assert.rejects(double(60, new StepBudget(60_000)), { code: 'transaction-too-complex' });
  });
});
