import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { Interface } from 'ethers';
import fc from 'fast-check';
import { encodeFunctionData, parseAbi } from 'viem';
import { ChainError } from '../error.ts';
import { checksumAddress } from './address.ts';
import { StepBudget } from '../step-budget.ts';
import { CallReader } from './call-reader.ts';
import { encodeCallData, selectorOf } from './selector.ts';

const CONTRACT = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
const OWN = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';
const OTHER = '0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB';
const THIRD = '0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb';
const ERC20 = `eip155:1/erc20:${CONTRACT}`;
const MAX = 2n ** 256n - 1n;

function decodeCallData(data: Uint8Array) {
  const steps = new StepBudget(60_000);
  const reader = new CallReader({ network: 'eip155:1', gasLimit: null, steps });
  reader.read({ caller: OWN, target: CONTRACT, value: 0n, data, field: 'data' });
  const { outflows, grants, unresolved, calls } = reader;
  return { outflows, grants, unresolved, call: calls[0]! };
}

function decode(signature: string, values: readonly unknown[]) {
  const name = signature.slice(0, signature.indexOf('('));
  const data = new Interface([`function ${signature}`]).encodeFunctionData(name, values);
  return decodeCallData(hexDecode(data.slice(2)));
}

test('has the selectors of the published interfaces', () => {
  for (const [selector, signature] of [
    ['a9059cbb', 'transfer(address,uint256)'],
    ['23b872dd', 'transferFrom(address,address,uint256)'],
    ['095ea7b3', 'approve(address,uint256)'],
    ['39509351', 'increaseAllowance(address,uint256)'],
    ['42842e0e', 'safeTransferFrom(address,address,uint256)'],
    ['b88d4fde', 'safeTransferFrom(address,address,uint256,bytes)'],
    ['f242432a', 'safeTransferFrom(address,address,uint256,uint256,bytes)'],
    ['2eb2c2d6', 'safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)'],
    ['a22cb465', 'setApprovalForAll(address,bool)'],
    ['959b8c3f', 'authorizeOperator(address)'],
    ['d505accf', 'permit(address,address,uint256,uint256,uint8,bytes32,bytes32)'],
    ['8fcbaf0c', 'permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)'],
    ['87517c45', 'approve(address,address,uint160,uint48)'],
    ['d0e30db0', 'deposit()'],
    ['2e1a7d4d', 'withdraw(uint256)'],
  ]) {
    assert.equal(selectorOf(signature!), selector);
  }
});

test('decodes token transfers into outflows of the named holder', () => {
  assert.deepEqual(decode('transfer(address to,uint256 amount)', [OTHER, 7n]), {
    outflows: [{ asset: ERC20, amount: 7n, from: OWN, to: OTHER, kind: 'transfer' }],
    grants: [],
    unresolved: [],
    call: { target: CONTRACT, name: 'erc20.transfer', arguments: { to: OTHER, amount: '7' } },
  });
  assert.deepEqual(decode('transferFrom(address,address,uint256)', [THIRD, OTHER, MAX]).outflows, [
    { asset: ERC20, amount: MAX, from: THIRD, to: OTHER, kind: 'transfer' },
  ]);
  assert.deepEqual(decode('safeTransferFrom(address,address,uint256)', [OWN, OTHER, 12n]).outflows, [
    { asset: `eip155:1/erc721:${CONTRACT}/12`, amount: 1n, from: OWN, to: OTHER, kind: 'transfer' },
  ]);
  assert.deepEqual(
    decode('safeTransferFrom(address,address,uint256,bytes)', [OWN, OTHER, 12n, '0x1234']).outflows,
    [{ asset: `eip155:1/erc721:${CONTRACT}/12`, amount: 1n, from: OWN, to: OTHER, kind: 'transfer' }],
  );
  assert.deepEqual(
    decode('safeTransferFrom(address,address,uint256,uint256,bytes)', [OWN, OTHER, 12n, 3n, '0x']).outflows,
    [{ asset: `eip155:1/erc1155:${CONTRACT}/12`, amount: 3n, from: OWN, to: OTHER, kind: 'transfer' }],
  );
  const batch = decode('safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)', [
    OWN,
    OTHER,
    [1n, 2n],
    [3n, 4n],
    '0xff',
  ]);
  assert.deepEqual(
    batch.outflows.map(({ asset, amount }) => [asset, amount]),
    [
      [`eip155:1/erc1155:${CONTRACT}/1`, 3n],
      [`eip155:1/erc1155:${CONTRACT}/2`, 4n],
    ],
  );
  assert.deepEqual(decode('withdraw(uint256)', [9n]).outflows, [
    { asset: ERC20, amount: 9n, from: OWN, to: CONTRACT, kind: 'swap' },
  ]);
});

test('a figure that ERC-721 reads as a token id counts at least one, because the id may be zero', () => {
  for (const [signature, values] of [
    ['transfer(address,uint256)', [OTHER, 0n]],
    ['transferFrom(address,address,uint256)', [OWN, OTHER, 0n]],
    ['burn(uint256)', [0n]],
    ['transferFrom(address,address,uint160,address)', [OWN, OTHER, 0n, THIRD]],
  ] as const)
    assert.equal(decode(signature, values).outflows[0]!.amount, 1n, signature);
  for (const [signature, values] of [
    ['approve(address,uint256)', [OTHER, 0n]],
    ['approve(address,address,uint160,uint48)', [THIRD, OTHER, 0n, 55n]],
  ] as const)
    assert.equal(decode(signature, values).grants[0]!.amount, 1n, signature);
  // Where the id stands beside the amount, none leaves.
  const none = decode('safeTransferFrom(address,address,uint256,uint256,bytes)', [OWN, OTHER, 0n, 0n, '0x']);
  assert.equal(none.outflows[0]!.amount, 0n);
});

test('decodes approvals into grants and the largest integer into an unbounded one', () => {
  const grant = { kind: 'allowance', spender: OTHER, asset: ERC20, amount: 7n, expires: null };
  assert.deepEqual(decode('approve(address,uint256)', [OTHER, 7n]).grants, [grant]);
  assert.deepEqual(decode('approve(address,uint256)', [OTHER, MAX]).grants, [
    { ...grant, amount: 'unbounded' },
  ]);
  assert.deepEqual(decode('increaseAllowance(address,uint256)', [OTHER, 7n]).grants, [grant]);
  const bytes32 = `0x${'11'.repeat(32)}`;
  assert.deepEqual(
    decode('permit(address,address,uint256,uint256,uint8,bytes32,bytes32)', [
      OWN,
      OTHER,
      7n,
      99n,
      27,
      bytes32,
      bytes32,
    ]).grants,
    [{ ...grant, kind: 'permit' }],
  );
  const dai = 'permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)';
  assert.deepEqual(decode(dai, [OWN, OTHER, 1n, 99n, true, 27, bytes32, bytes32]).grants, [
    { ...grant, kind: 'permit', amount: 'unbounded' },
  ]);
  assert.deepEqual(decode(dai, [OWN, OTHER, 1n, 99n, false, 27, bytes32, bytes32]).grants, []);
  assert.deepEqual(
    decode('approve(address,address,uint160,uint48)', [THIRD, OTHER, 2n ** 160n - 1n, 55n]).grants,
    [
      {
        kind: 'allowance',
        spender: OTHER,
        asset: `eip155:1/erc20:${THIRD}`,
        amount: 'unbounded',
        expires: 55n,
      },
    ],
  );
  const collection = {
    kind: 'operator',
    spender: OTHER,
    asset: `eip155:1/erc721:${CONTRACT}`,
    amount: 'unbounded',
    expires: null,
  };
  assert.deepEqual(decode('setApprovalForAll(address,bool)', [OTHER, true]).grants, [collection]);
  assert.deepEqual(decode('setApprovalForAll(address,bool)', [OTHER, false]).grants, []);
});

test('reports an unknown selector as unresolved and names it', () => {
  for (const data of ['deadbeef', 'deadbeef00', 'a9059c', '01']) {
    const { unresolved, call, outflows } = decodeCallData(hexDecode(data));
    assert.deepEqual(unresolved, [
      {
        kind: 'unknown-call',
        field: 'data',
        detail: `selector 0x${data.slice(0, 8)}`,
        subject: `${CONTRACT}:0x${data.slice(0, 8)}`,
      },
    ]);
    assert.equal(call.name, null);
    assert.deepEqual(outflows, []);
  }
});

test('refuses dirty padding, trailing bytes and short arguments of a known call', () => {
  const clean = encodeCallData('transfer(address,uint256)', [OTHER, 7n]);
  decodeCallData(clean);
  const dirty = clean.slice();
  dirty[4] = 1;
  for (const data of [
    dirty,
    new Uint8Array([...clean, 0]),
    new Uint8Array([...clean, ...new Uint8Array(32)]),
    clean.subarray(0, -1),
  ]) {
    assert.throws(() => decodeCallData(data), { code: 'transaction-malformed', field: 'data' });
  }
  const approval = encodeCallData('setApprovalForAll(address,bool)', [OTHER, true]);
  const two = approval.slice();
  two[two.length - 1] = 2;
  assert.throws(() => decodeCallData(two), { code: 'transaction-malformed' });
});

test('refuses offsets and lengths that no compiler writes', () => {
  const signature = 'safeTransferFrom(address,address,uint256,bytes)';
  const clean = encodeCallData(signature, [OWN, OTHER, 1n, hexDecode('1234')]);
  decodeCallData(clean);
  for (const [offset, value] of [
    [4 + 4 * 32 - 1, 0xa0],
    [4 + 4 * 32 - 1, 0x60],
    [4 + 4 * 32 - 1, 0x81],
    [4 + 5 * 32 - 1, 0x01],
    [4 + 5 * 32 - 1, 0x21],
    [4 + 3 * 32, 0x80],
    [clean.length - 1, 1],
  ] as const) {
    const data = clean.slice();
    data[offset] = value;
    assert.throws(() => decodeCallData(data), { code: 'transaction-malformed' }, `${offset}=${value}`);
  }
});

test('encodes arguments as viem does', () => {
  const abi = parseAbi(['function safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)']);
  const addresses = fc
    .uint8Array({ minLength: 20, maxLength: 20 })
    .map((bytes) => checksumAddress(bytes) as `0x${string}`);
  const integers = fc.array(fc.bigInt({ min: 0n, max: MAX }), { maxLength: 4 });
  fc.assert(
    fc.property(
      addresses,
      addresses,
      integers,
      integers,
      fc.uint8Array({ maxLength: 70 }),
      (from, to, ids, amounts, data) => {
        const expected = encodeFunctionData({ abi, args: [from, to, ids, amounts, `0x${hexEncode(data)}`] });
        const own = encodeCallData('safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)', [
          from,
          to,
          ids,
          amounts,
          data,
        ]);
        assert.equal(`0x${hexEncode(own)}`, expected);
        assert.equal(decodeCallData(own).outflows.length, ids.length);
      },
    ),
  );
});

test('refuses a mutated known call or decodes it into what re-encodes to the same bytes', () => {
  const samples = [
    encodeCallData('transfer(address,uint256)', [OTHER, 7n]),
    encodeCallData('safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)', [
      OWN,
      OTHER,
      [1n],
      [2n, 3n],
      hexDecode('99'),
    ]),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...samples), fc.nat(), fc.nat({ max: 255 }), (sample, position, value) => {
      const data = sample.slice();
      data[4 + (position % (data.length - 4))] = value;
      try {
        decodeCallData(data);
      } catch (error) {
        assert.ok(error instanceof ChainError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
