import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { encodeFunctionData, parseAbi } from 'viem';
import {
  entryPoint06Abi,
  entryPoint06Address,
  entryPoint07Abi,
  entryPoint07Address,
  entryPoint08Address,
  entryPoint09Address,
  getUserOperationHash,
  getUserOperationTypedData,
  toPackedUserOperation,
  type UserOperation,
} from 'viem/account-abstraction';
import { randomFrom } from '../../testing/mutations.ts';
import type { Effects } from '../effects.ts';
import { StepBudget } from '../step-budget.ts';
import { checksumAddress } from './address.ts';
import { CallReader } from './call-reader.ts';
import { messageRefusal } from './message.ts';
import { hashTypedData, type TypedData } from './typed-data.ts';

type Hex = `0x${string}`;

const named = (fill: number) => checksumAddress(new Uint8Array(20).fill(fill)) as Hex;
const OWN = named(1);
const TOKEN = named(2);
const OTHER = named(3);
const ACCOUNT = named(4);
const PAYMASTER = named(5);
const FACTORY = named(6);
const AGGREGATOR = named(7);
const ZERO = `0x${'0'.repeat(40)}` as const;
const ETH = 'eip155:1/slip44:60';
const ERC20 = `eip155:1/erc20:${TOKEN}`;

const transfer = encodeFunctionData({
  abi: parseAbi(['function transfer(address to, uint256 amount)']),
  args: [OTHER, 5n],
});
const execute = encodeFunctionData({
  abi: parseAbi(['function execute(address target, uint256 value, bytes data)']),
  args: [TOKEN, 9n, transfer],
});
const executeBatch = encodeFunctionData({
  abi: parseAbi(['function executeBatch((address target, uint256 value, bytes data)[] calls)']),
  args: [
    [
      { target: TOKEN, value: 0n, data: transfer },
      { target: OTHER, value: 4n, data: '0x' },
    ],
  ],
});

const operation: UserOperation<'0.8'> = {
  sender: ACCOUNT,
  nonce: 5n,
  callData: execute,
  verificationGasLimit: 1000n,
  callGasLimit: 2000n,
  preVerificationGas: 100n,
  maxPriorityFeePerGas: 1n,
  maxFeePerGas: 10n,
  signature: '0x',
};
const sponsored = {
  paymaster: PAYMASTER,
  paymasterData: '0x99',
  paymasterVerificationGasLimit: 30n,
  paymasterPostOpGasLimit: 40n,
} as const;
const deployed = { factory: FACTORY, factoryData: '0x1234' } as const;

/** What `signTypedData` is asked for, as viem makes it; its integers become text, as they come over the wire. */
function signed(given: UserOperation<'0.8'>, entryPoint: Hex = entryPoint08Address) {
  const typed = getUserOperationTypedData({
    chainId: 1,
    entryPointAddress: entryPoint,
    userOperation: given,
  });
  // The message holds a signature, too, which is no part of the type; a key of that kind is refused.
  const { types, primaryType, domain, message } = JSON.parse(
    JSON.stringify(typed, (key, value) =>
      key === 'signature' ? undefined : typeof value === 'bigint' ? String(value) : value,
    ),
  ) as TypedData;
  return hashTypedData({ types, primaryType, domain, message }, OWN);
}

/** A user operation as entry point 0.6 takes it. */
const unpackedOperation = (more: Partial<Record<string, unknown>> = {}) => ({
  sender: ACCOUNT,
  nonce: 5n,
  initCode: '0x' as Hex,
  callData: execute,
  callGasLimit: 2000n,
  verificationGasLimit: 1000n,
  preVerificationGas: 100n,
  maxFeePerGas: 10n,
  maxPriorityFeePerGas: 1n,
  paymasterAndData: '0x' as Hex,
  signature: '0x12' as Hex,
  ...more,
});

const handOld = (...operations: ReturnType<typeof unpackedOperation>[]): Hex =>
  encodeFunctionData({ abi: entryPoint06Abi, functionName: 'handleOps', args: [operations, OTHER] });
const hand = (...operations: UserOperation<'0.8'>[]): Hex =>
  encodeFunctionData({
    abi: entryPoint07Abi,
    functionName: 'handleOps',
    args: [operations.map((each) => toPackedUserOperation(each)), OTHER],
  });

function read(entryPoint: string, data: Hex) {
  const reader = new CallReader({ network: 'eip155:1', gasLimit: 1n, steps: new StepBudget(60_000) });
  reader.read({
    caller: OWN,
    target: entryPoint,
    value: 0n,
    data: hexDecode(data.slice(2)),
    field: 'data',
  });
  return reader;
}

type Moved = Pick<Effects, 'outflows' | 'unresolved'>;

const amounts = ({ outflows }: Moved) =>
  outflows.map(({ asset, amount, from, to }) => [asset, amount, from, to]);
const doubts = ({ unresolved }: Moved) => unresolved.map(({ kind, subject }) => [kind, subject]);
const GAS = 10n * 3100n;
const EXECUTED = [
  [ETH, 9n, ACCOUNT, TOKEN],
  [ERC20, 5n, ACCOUNT, OTHER],
];

describe('a user operation that our key signs for its account', () => {
  test('is signed as the digest that viem computes for entry points 0.8 and 0.9', () => {
    for (const [version, address] of [
      ['0.8', entryPoint08Address],
      ['0.9', entryPoint09Address],
    ] as const) {
      for (const more of [{}, deployed, sponsored, { callData: executeBatch, nonce: 1n << 200n }]) {
        const userOperation = { ...operation, ...more };
        const expected = getUserOperationHash({
          chainId: 1,
          entryPointAddress: address,
          entryPointVersion: version,
          userOperation,
        });
        assert.equal(`0x${hexEncode(signed(userOperation, address).digest)}`, expected);
      }
    }
  });

  test('counts its gas at the highest price, and does what its account is told to do', () => {
    const { effects } = signed(operation);
    assert.equal(effects.maxFee?.amount, GAS);
    assert.deepEqual(amounts(effects), EXECUTED);
    assert.deepEqual([effects.unresolved, effects.validity.key], [[], '5']);
    assert.deepEqual(amounts(signed({ ...operation, callData: executeBatch }).effects), [
      [ERC20, 5n, ACCOUNT, OTHER],
      [ETH, 4n, ACCOUNT, OTHER],
    ]);
  });

  test('E12: a paymaster and a factory each need a rule, and paymaster gas counts', () => {
    const { effects } = signed({ ...operation, ...sponsored, ...deployed });
    assert.equal(effects.maxFee?.amount, GAS + 10n * 70n);
    assert.deepEqual(doubts(effects), [
      ['paymaster', PAYMASTER],
      ['account-deployment', FACTORY],
    ]);
    assert.deepEqual(doubts(signed(operation).effects), [], 'the control');
  });

  test('needs a rule where no entry point is known to verify typed data', () => {
    for (const address of [ACCOUNT, entryPoint06Address, entryPoint07Address]) {
      assert.deepEqual(doubts(signed(operation, address).effects), [['unknown-entry-point', address]]);
    }
  });

  test('E8: needs a rule where its account reads the call data by itself', () => {
    // `executeUserOp` of ERC-4337: what follows the selector is the account's own language.
    const { effects } = signed({ ...operation, callData: `0x8dd7712f${execute.slice(2)}` });
    assert.deepEqual(doubts(effects), [['unknown-call', `${ACCOUNT}:0x8dd7712f`]]);
  });

  test('E2: for entry points 0.6 and 0.7 is a hash of 32 bytes, which is not signed as a message', () => {
    for (const [entryPointVersion, entryPointAddress] of [
      ['0.6', entryPoint06Address],
      ['0.7', entryPoint07Address],
    ] as const) {
      const hash = getUserOperationHash({
        chainId: 1,
        entryPointAddress,
        entryPointVersion,
        userOperation: unpackedOperation() as never,
      });
      assert.equal(messageRefusal(hexDecode(hash.slice(2))), 'digest');
    }
    assert.equal(messageRefusal(new TextEncoder().encode('a text of more than thirty-two bytes')), null);
  });
});

describe('user operations that our account hands in', () => {
  test('are calls of their accounts, and their gas goes from who pays to the beneficiary', () => {
    for (const [entryPoint, data] of [
      [entryPoint06Address, handOld(unpackedOperation())],
      [entryPoint07Address, hand(operation)],
      [entryPoint08Address, hand(operation)],
      [entryPoint09Address, hand(operation)],
    ] as const) {
      const reader = read(entryPoint, data);
      assert.deepEqual(amounts(reader), [[ETH, GAS, ACCOUNT, OTHER], ...EXECUTED]);
      assert.deepEqual(reader.unresolved, []);
    }
    const two = read(entryPoint07Address, hand(operation, { ...operation, sender: OWN, callData: '0x' }));
    assert.deepEqual(amounts(two), [[ETH, GAS, ACCOUNT, OTHER], [ETH, GAS, OWN, OTHER], ...EXECUTED]);
    // What costs nothing leaves nothing.
    assert.deepEqual(amounts(read(entryPoint07Address, hand({ ...operation, maxFeePerGas: 0n }))), EXECUTED);
  });

  test('E12: cost what verification, call and paymaster may use, three times verification in 0.6', () => {
    const packed = read(entryPoint07Address, hand({ ...operation, ...sponsored, ...deployed }));
    assert.deepEqual(amounts(packed)[0], [ETH, GAS + 10n * 70n, PAYMASTER, OTHER]);
    const initCode = `${FACTORY}1234` as const;
    const old = read(
      entryPoint06Address,
      handOld(unpackedOperation({ paymasterAndData: `${PAYMASTER}99`, initCode })),
    );
    assert.deepEqual(amounts(old)[0], [ETH, GAS + 10n * 2000n, PAYMASTER, OTHER]);
    for (const reader of [packed, old]) {
      assert.deepEqual(doubts(reader), [
        ['paymaster', PAYMASTER.toString()],
        ['account-deployment', FACTORY],
      ]);
    }
    // Too short to name anybody: no entry point takes it, and a rule has nobody to name.
    const short = read(
      entryPoint06Address,
      handOld(unpackedOperation({ paymasterAndData: '0x12', initCode: '0x34' })),
    );
    assert.deepEqual(doubts(short), [
      ['paymaster', ''],
      ['account-deployment', ''],
    ]);
  });

  test('need a rule at an entry point that is not known, or that takes another form', () => {
    for (const [entryPoint, data] of [
      [OTHER, hand(operation)],
      [entryPoint06Address, hand(operation)],
      [entryPoint07Address, handOld(unpackedOperation())],
    ] as const) {
      assert.deepEqual(doubts(read(entryPoint, data)), [['unknown-entry-point', entryPoint]]);
    }
  });

  test('need a rule where an aggregator answers for their signatures, and count as without', () => {
    const groups = (aggregator: Hex) => ({
      old: encodeFunctionData({
        abi: entryPoint06Abi,
        functionName: 'handleAggregatedOps',
        args: [[{ userOps: [unpackedOperation()], aggregator, signature: '0x77' }], OTHER],
      }),
      packed: encodeFunctionData({
        abi: entryPoint07Abi,
        functionName: 'handleAggregatedOps',
        args: [[{ userOps: [toPackedUserOperation(operation)], aggregator, signature: '0x77' }], OTHER],
      }),
    });
    for (const aggregator of [ZERO, AGGREGATOR]) {
      const { old, packed } = groups(aggregator);
      for (const reader of [read(entryPoint06Address, old), read(entryPoint07Address, packed)]) {
        assert.deepEqual(amounts(reader), [[ETH, GAS, ACCOUNT, OTHER], ...EXECUTED]);
        assert.deepEqual(doubts(reader), aggregator === ZERO ? [] : [['aggregator', AGGREGATOR]]);
      }
    }
  });

  test('E8: no more of them than calls are read', () => {
    const many = (count: number) =>
      hand(...Array.from({ length: count }, () => ({ ...operation, callData: transfer })));
    assert.equal(read(entryPoint07Address, many(64)).outflows.length, 128);
    assert.throws(() => read(entryPoint07Address, many(65)), { code: 'transaction-too-complex' });
  });

  test('of any figures are read as viem packs them', () => {
    const random = randomFrom(4337);
    const bytes = (most: number): Hex =>
      `0x${Array.from({ length: random(most) }, () => random(256).toString(16).padStart(2, '0')).join('')}`;
    const figure = (bits: number): bigint => BigInt(`0x${'f'.repeat(bits / 4)}`) >> BigInt(random(bits));
    for (let round = 0; round < 200; round++) {
      const given: UserOperation<'0.8'> = {
        sender: named(1 + random(250)),
        nonce: figure(256),
        callData: random(2) === 0 ? execute : '0x',
        verificationGasLimit: figure(128),
        callGasLimit: figure(128),
        preVerificationGas: figure(256),
        maxPriorityFeePerGas: figure(128),
        maxFeePerGas: figure(128),
        signature: bytes(99),
        ...(random(2) === 0 ? {} : { factory: named(1 + random(250)), factoryData: bytes(50) }),
        ...(random(2) === 0
          ? {}
          : {
              paymaster: named(1 + random(250)),
              paymasterData: bytes(50),
              paymasterVerificationGasLimit: figure(128),
              paymasterPostOpGasLimit: figure(128),
            }),
      };
      const gas =
        given.verificationGasLimit +
        given.callGasLimit +
        given.preVerificationGas +
        (given.paymasterVerificationGasLimit ?? 0n) +
        (given.paymasterPostOpGasLimit ?? 0n);
      const [cost, ...moved] = amounts(read(entryPoint07Address, hand(given)));
      const payer = checksumAddress(hexDecode((given.paymaster ?? given.sender).slice(2)));
      assert.deepEqual(cost, [ETH, gas * given.maxFeePerGas, payer, OTHER]);
      assert.equal(moved.length, given.callData === '0x' ? 0 : 2);
      const { effects } = signed(given);
      assert.equal(effects.maxFee?.amount, gas * given.maxFeePerGas);
      assert.deepEqual(
        doubts(effects).map(([kind]) => kind),
        [
          ...(given.paymaster === undefined ? [] : ['paymaster']),
          ...(given.factory === undefined ? [] : ['account-deployment']),
        ],
      );
    }
  });
});

describe('the deposit of an account with an entry point', () => {
  const withdraw = encodeFunctionData({
    abi: entryPoint07Abi,
    functionName: 'withdrawTo',
    args: [OTHER, 7n],
  });

  test('leaves as the coin', () => {
    for (const entryPoint of [entryPoint06Address, entryPoint07Address, entryPoint08Address]) {
      assert.deepEqual(amounts(read(entryPoint, withdraw)), [[ETH, 7n, OWN, OTHER]]);
    }
  });

  test('E9: a token that wraps another has the same function, and loses as much of itself', () => {
    assert.deepEqual(amounts(read(TOKEN, withdraw)), [
      [ETH, 7n, OWN, OTHER],
      [ERC20, 7n, OWN, OTHER],
    ]);
  });
});
