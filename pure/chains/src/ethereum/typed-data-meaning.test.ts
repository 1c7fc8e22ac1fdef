import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeFunctionData, parseAbi } from 'viem';
import { StepBudget } from '../step-budget.ts';
import { checksumAddress } from './address.ts';
import { ORDER_TYPES } from './orders.ts';
import { hashTypedData, type TypedData, type TypedDataField } from './typed-data.ts';

const named = (fill: number) => checksumAddress(new Uint8Array(20).fill(fill)) as `0x${string}`;
const OWN = named(1);
const TOKEN = named(2);
const OTHER = named(3);
const SAFE = named(4);
const ETH = 'eip155:1/slip44:60';
const ERC20 = `eip155:1/erc20:${TOKEN}`;
const ZERO = `0x${'0'.repeat(40)}`;
const WORD = `0x${'0'.repeat(64)}`;
const domain = { name: 'x', version: '1', chainId: 1, verifyingContract: SAFE };
const transfer = encodeFunctionData({
  abi: parseAbi(['function transfer(address to, uint256 amount)']),
  args: [OTHER, 5n],
});

/** Types of `encodeType` text. */
function typesOf(text: string): Record<string, TypedDataField[]> {
  return Object.fromEntries(
    [...text.matchAll(/([A-Za-z0-9]+)\(([^)]*)\)/g)].map(([, name, list]) => [
      name!,
      list!.split(',').map((field) => {
        const [type, fieldName] = field.split(' ');
        return { name: fieldName!, type: type! };
      }),
    ]),
  );
}

function effectsOf(text: string, message: TypedData['message'], on: TypedData['domain'] = domain) {
  const types = typesOf(text);
  return hashTypedData({ types, primaryType: Object.keys(types)[0]!, domain: on, message }, OWN).effects;
}

const amounts = (effects: ReturnType<typeof effectsOf>) =>
  effects.outflows.map(({ asset, amount, from, to }) => [asset, amount, from, to]);

describe('a transaction of a Safe', () => {
  const type =
    'SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)';
  const message = {
    to: TOKEN,
    value: '7',
    data: transfer,
    operation: 0,
    safeTxGas: 0,
    baseGas: 0,
    gasPrice: 0,
    gasToken: ZERO,
    refundReceiver: ZERO,
    nonce: 3,
  };

  test('does what its call does, for the Safe', () => {
    const effects = effectsOf(type, message);
    assert.deepEqual(amounts(effects), [
      [ETH, 7n, SAFE, TOKEN],
      [ERC20, 5n, SAFE, OTHER],
    ]);
    assert.deepEqual([effects.unresolved, effects.validity.key], [[], '3']);
    assert.deepEqual(
      effects.calls.map(({ name }) => name),
      ['safe.SafeTx', 'erc20.transfer'],
    );
  });

  test('counts the refund, and doubts code that runs as the Safe, calls that are unknown, and other operations', () => {
    const refund = effectsOf(type, { ...message, data: '0x', gasPrice: 2, safeTxGas: 1000, gasToken: TOKEN });
    assert.equal(refund.outflows[0]!.asset, ERC20);
    assert.ok((refund.outflows[0]!.amount as bigint) >= 2n * 101_000n);
    const kinds = (change: object) =>
      effectsOf(type, { ...message, ...change }).unresolved.map(({ kind, subject }) => [kind, subject]);
    assert.deepEqual(kinds({ operation: 1 }), [['delegatecall', TOKEN]]);
    assert.deepEqual(kinds({ data: '0xdeadbeef' }), [['unknown-call', `${TOKEN}:0xdeadbeef`]]);
    assert.deepEqual(kinds({ operation: 2 }), [['unknown-mode', SAFE]]);
  });
});

describe('orders', () => {
  test('of Seaport offer what they list, at the highest amount', () => {
    const item = (itemType: number, id: number, start: number, end: number) => ({
      itemType,
      token: itemType === 0 ? ZERO : TOKEN,
      identifierOrCriteria: id,
      startAmount: start,
      endAmount: end,
    });
    const effects = effectsOf(ORDER_TYPES.get('seaport.Order')!, {
      offerer: OWN,
      zone: ZERO,
      offer: [item(0, 0, 1, 2), item(1, 0, 9, 3), item(2, 7, 1, 1), item(3, 8, 4, 4), item(4, 0, 1, 1)],
      consideration: [],
      orderType: 0,
      startTime: 10,
      endTime: 20,
      zoneHash: WORD,
      salt: 5,
      conduitKey: WORD,
      counter: 0,
    });
    assert.deepEqual(amounts(effects), [
      [ETH, 2n, OWN, null],
      [ERC20, 9n, OWN, null],
      [`eip155:1/erc721:${TOKEN}/7`, 1n, OWN, null],
      [`eip155:1/erc1155:${TOKEN}/8`, 4n, OWN, null],
      [`eip155:1/erc721:${TOKEN}`, 1n, OWN, null],
    ]);
    assert.deepEqual([effects.validity.notBefore, effects.validity.notAfter], [10n, 20n]);
    assert.deepEqual(effects.unresolved, []);
  });

  test('of CoW and 0x offer what they sell', () => {
    const cow = effectsOf(ORDER_TYPES.get('cow.Order')!, {
      sellToken: TOKEN,
      buyToken: OTHER,
      receiver: OWN,
      sellAmount: '100',
      buyAmount: '1',
      validTo: 30,
      appData: WORD,
      feeAmount: '3',
      kind: 'sell',
      partiallyFillable: false,
      sellTokenBalance: 'erc20',
      buyTokenBalance: 'erc20',
    });
    assert.deepEqual(amounts(cow), [[ERC20, 103n, OWN, null]]);
    const common = {
      makerToken: TOKEN,
      takerToken: OTHER,
      makerAmount: '100',
      takerAmount: '1',
      maker: OWN,
      taker: OTHER,
      pool: WORD,
      expiry: 40,
      salt: 1,
    };
    const limit = effectsOf(ORDER_TYPES.get('0x.LimitOrder')!, {
      ...common,
      takerTokenFeeAmount: 0,
      sender: OTHER,
      feeRecipient: OTHER,
    });
    const quote = effectsOf(ORDER_TYPES.get('0x.RfqOrder')!, { ...common, txOrigin: OTHER });
    for (const each of [limit, quote]) {
      assert.deepEqual([amounts(each), each.validity.notAfter], [[[ERC20, 100n, OWN, null]], 40n]);
    }
  });
});

test('typed data that takes more hashes than the step budget allows is refused', () => {
  const types = { List: [{ name: 'items', type: 'Item[]' }], Item: [{ name: 'value', type: 'uint256' }] };
  const hash = (count: number, steps = new StepBudget(60_000)) => {
    const items = Array.from({ length: count }, () => ({ value: 1 }));
    return hashTypedData({ types, primaryType: 'List', domain, message: { items } }, OWN, { steps });
  };
  const steps = new StepBudget(60_000);
  hash(100, steps);
  assert.ok(steps.used > 100 && steps.used < 5_000, String(steps.used));
  assert.throws(() => hash(10_000), { code: 'transaction-too-complex' });
});
