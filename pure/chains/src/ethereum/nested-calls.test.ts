import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { Interface } from 'ethers';
import { concatHex, encodeFunctionData, numberToHex, padHex, parseAbi, size } from 'viem';
import type { ParseContext } from '../chain.ts';
import { StepBudget } from '../step-budget.ts';
import { checksumAddress } from './address.ts';
import { CallReader } from './call-reader.ts';
import { KNOWN_CALLS } from './calls/known.ts';

const named = (fill: number) => checksumAddress(new Uint8Array(20).fill(fill));
const OWN = named(1);
const TOKEN = named(2);
const OTHER = named(3);
const SAFE = named(4);
const BATCH = named(5);
const MULTICALL3 = '0xcA11bde05977b3631167028862bE2a173976CA11';
const ERC20 = `eip155:1/erc20:${TOKEN}`;
const ETH = 'eip155:1/slip44:60';
const ZERO = `0x${'0'.repeat(40)}`;
const WORD = `0x${'0'.repeat(64)}`;

type Hex = `0x${string}`;

/** Call data as ethers writes it, from a signature. */
function encode(signature: string, ...values: readonly unknown[]): Hex {
  const contract = new Interface([`function ${signature}`]);
  return contract.encodeFunctionData(signature.slice(0, signature.indexOf('(')), values) as Hex;
}

const transfer = (amount: bigint, to = OTHER): Hex =>
  encode('transfer(address to,uint256 amount)', to, amount);

function read(
  target: string,
  data: Hex,
  value = 0n,
  options: { context?: ParseContext; gas?: bigint; network?: string } = {},
) {
  const reader = new CallReader({
    network: options.network ?? 'eip155:1',
    gasLimit: options.gas ?? null,
    steps: new StepBudget(60_000),
    context: options.context ?? {},
  });
  reader.read({ caller: OWN, target, value, data: hexDecode(data.slice(2)), field: 'data' });
  return reader;
}

const amounts = (reader: CallReader) =>
  reader.outflows.map(({ asset, amount, from, to }) => [asset, amount, from, to]);
const doubts = (reader: CallReader) => reader.unresolved.map(({ kind, field }) => [kind, field]);

const CALL = '(address target,uint256 value,bytes data)';
const multicall = (...data: Hex[]): Hex => encode('multicall(bytes[] data)', data);
const execTransaction = (
  to: string,
  data: Hex,
  { value = 0n, operation = 0, safeTxGas = 0n, baseGas = 0n, gasPrice = 0n, gasToken = ZERO } = {},
): Hex =>
  encode(
    'execTransaction(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,bytes signatures)',
    to,
    value,
    data,
    operation,
    safeTxGas,
    baseGas,
    gasPrice,
    gasToken,
    OTHER,
    '0x12',
  );
const packed = (operation: number, to: string, value: bigint, data: Hex): Hex =>
  concatHex([
    numberToHex(operation, { size: 1 }),
    to as Hex,
    numberToHex(value, { size: 32 }),
    numberToHex(size(data), { size: 32 }),
    data,
  ]);
const multiSend = (...calls: Hex[]): Hex => encode('multiSend(bytes transactions)', concatHex(calls));

describe('calls inside calls', () => {
  test('what a contract calls on itself is called by us', () => {
    const reader = read(TOKEN, multicall(transfer(5n), multicall(transfer(6n)), '0xdeadbeef'));
    assert.deepEqual(amounts(reader), [
      [ERC20, 5n, OWN, OTHER],
      [ERC20, 6n, OWN, OTHER],
    ]);
    assert.deepEqual(doubts(reader), [['unknown-call', 'data.calls[2]']]);
    assert.equal(reader.unresolved[0]!.subject, `${TOKEN}:0xdeadbeef`);
    const [, first, nested, inner] = reader.calls;
    assert.deepEqual(
      [first!.arguments['call.field'], nested!.name, inner!.arguments['call.field']],
      ['data.calls[0]', 'batch.multicall', 'data.calls[1].calls[0]'],
    );
    for (const data of [
      encode('multicall(uint256 deadline,bytes[] data)', 9n, [transfer(5n)]),
      encode('multicall(bytes32 previousBlockhash,bytes[] data)', WORD, [transfer(5n)]),
    ]) {
      assert.deepEqual(amounts(read(TOKEN, data)), [[ERC20, 5n, OWN, OTHER]]);
    }
  });

  test('a multicall contract acts for itself', () => {
    const call = encode('transferFrom(address from,address to,uint256 amount)', OWN, OTHER, 7n);
    for (const data of [
      encode('aggregate((address target,bytes callData)[] calls)', [[TOKEN, call]]),
      encode('tryAggregate(bool requireSuccess,(address target,bytes callData)[] calls)', true, [
        [TOKEN, call],
      ]),
      encode('aggregate3((address target,bool allowFailure,bytes callData)[] calls)', [[TOKEN, true, call]]),
    ]) {
      assert.deepEqual(amounts(read(BATCH, data)), [[ERC20, 7n, OWN, OTHER]]);
    }
  });

  test('value that Multicall3 passes on counts once, and what another contract says that it passes on counts beside it', () => {
    const values = (mayFail: boolean) =>
      encode('aggregate3Value((address target,bool allowFailure,uint256 value,bytes callData)[] calls)', [
        [OTHER, mayFail, 30n, '0x'],
        [TOKEN, false, 12n, transfer(1n)],
      ]);
    const passed = (from: string): unknown[] => [
      [ETH, 30n, from, OTHER],
      [ETH, 12n, from, TOKEN],
      [ERC20, 1n, from, OTHER],
    ];
    assert.deepEqual(amounts(read(MULTICALL3, values(false), 50n)), [
      [ETH, 8n, OWN, MULTICALL3],
      ...passed(MULTICALL3),
    ]);
    assert.deepEqual(amounts(read(MULTICALL3, values(false), 42n)), [
      [ETH, 0n, OWN, MULTICALL3],
      ...passed(MULTICALL3),
    ]);
    // What a call was to get that may fail stays with the contract when it does.
    assert.deepEqual(amounts(read(MULTICALL3, values(true), 50n)), [
      [ETH, 38n, OWN, MULTICALL3],
      ...passed(MULTICALL3),
    ]);
    // Whatever has the function may keep the value, and so may whatever is at that address on another network.
    assert.deepEqual(amounts(read(BATCH, values(false), 50n)), [[ETH, 50n, OWN, BATCH], ...passed(BATCH)]);
    const elsewhere = read(MULTICALL3, values(false), 50n, { network: 'eip155:987654321' });
    assert.equal(elsewhere.outflows[0]!.amount, 50n);
  });

  test('a Safe does what its transaction says, and pays the refund that it promises', () => {
    const plain = read(SAFE, execTransaction(TOKEN, transfer(5n), { value: 3n }));
    assert.deepEqual(amounts(plain), [
      [ETH, 3n, SAFE, TOKEN],
      [ERC20, 5n, SAFE, OTHER],
    ]);
    assert.deepEqual(plain.unresolved, []);
    const refund = read(
      SAFE,
      execTransaction(TOKEN, transfer(5n), { baseGas: 10n, gasPrice: 2n, gasToken: TOKEN }),
      0n,
      { gas: 1_000_000n },
    );
    const [first] = refund.outflows;
    assert.deepEqual([first!.asset, first!.from, first!.to], [ERC20, SAFE, OTHER]);
    assert.ok((first!.amount as bigint) >= 2n * 1_000_010n);
    const native = read(SAFE, execTransaction(TOKEN, '0x', { safeTxGas: 50n, gasPrice: 1n }));
    assert.equal(native.outflows[0]!.asset, ETH);
  });

  test('code that runs as the Safe is doubted by its address, and read all the same', () => {
    const reader = read(
      SAFE,
      execTransaction(
        BATCH,
        multiSend(
          packed(0, TOKEN, 0n, transfer(5n)),
          packed(0, OTHER, 9n, '0x'),
          packed(1, OTHER, 0n, '0x12'),
        ),
        { operation: 1 },
      ),
    );
    assert.deepEqual(amounts(reader), [
      [ERC20, 5n, SAFE, OTHER],
      [ETH, 9n, SAFE, OTHER],
    ]);
    assert.deepEqual(
      reader.unresolved.map(({ kind, subject }) => [kind, subject]),
      [
        ['delegatecall', BATCH],
        ['delegatecall', OTHER],
        ['unknown-call', `${OTHER}:0x12`],
      ],
    );
    assert.deepEqual(doubts(read(SAFE, execTransaction(TOKEN, '0x', { operation: 2 }))), [
      ['unknown-mode', 'data'],
    ]);
    // Called from outside, a multiSend acts for itself.
    assert.equal(read(BATCH, multiSend(packed(0, OTHER, 9n, '0x'))).outflows[0]!.from, BATCH);
    const cut = packed(0, OTHER, 9n, '0x1234').slice(0, -2) as Hex;
    assert.throws(() => read(BATCH, multiSend(cut)), { code: 'transaction-malformed', field: 'data' });
    assert.throws(() => read(BATCH, multiSend(packed(2, OTHER, 9n, '0x'))), {
      code: 'transaction-malformed',
    });
  });

  test('accounts of ERC-4337 do what they are told, one call or many', () => {
    const account = SAFE;
    const single = encode('execute(address target,uint256 value,bytes data)', TOKEN, 2n, transfer(5n));
    assert.deepEqual(amounts(read(account, single)), [
      [ETH, 2n, account, TOKEN],
      [ERC20, 5n, account, OTHER],
    ]);
    for (const data of [
      encode('executeBatch(address[] targets,bytes[] data)', [TOKEN], [transfer(5n)]),
      encode('executeBatch(address[] targets,uint256[] values,bytes[] data)', [TOKEN], [0n], [transfer(5n)]),
      encode(`executeBatch(${CALL}[] calls)`, [[TOKEN, 0n, transfer(5n)]]),
    ]) {
      assert.deepEqual(amounts(read(account, data)), [[ERC20, 5n, account, OTHER]]);
    }
  });

  test('reads every mode of ERC-7821 and the calls of ERC-7579, and no other mode', () => {
    const mode = (prefix: string): Hex => padHex(prefix as Hex, { size: 32, dir: 'right' });
    const list = (calls: unknown[], more?: Hex): Hex => {
      const signature = more === undefined ? `f(${CALL}[] calls)` : `f(${CALL}[] calls,bytes opData)`;
      const values = more === undefined ? [calls] : [calls, more];
      return `0x${encode(signature, ...values).slice(10)}`;
    };
    const execute = (prefix: string, data: Hex) =>
      read(OWN, encode('execute(bytes32 mode,bytes executionData)', mode(prefix), data));
    const calls = [
      [ZERO, 1n, '0x'],
      [TOKEN, 0n, transfer(5n)],
    ];
    const expected = [
      [ETH, 1n, OWN, OWN],
      [ERC20, 5n, OWN, OTHER],
    ];
    const batches: Hex = `0x${encode('f(bytes[] batches)', [list(calls), list(calls, '0x99')]).slice(10)}`;
    assert.deepEqual(amounts(execute('0x01000000000000000000', list(calls))), expected);
    assert.deepEqual(amounts(execute('0x01010000000000000000', list(calls))), expected);
    assert.deepEqual(amounts(execute('0x01000000000078210001', list(calls, '0x99'))), expected);
    assert.deepEqual(amounts(execute('0x01000000000078210001', list(calls))), expected);
    assert.deepEqual(amounts(execute('0x01000000000078210002', batches)), [...expected, ...expected]);
    const one = concatHex([TOKEN as Hex, numberToHex(3n, { size: 32 }), transfer(5n)]);
    assert.deepEqual(amounts(execute('0x00', one)), [
      [ETH, 3n, OWN, TOKEN],
      [ERC20, 5n, OWN, OTHER],
    ]);
    assert.deepEqual(doubts(execute('0xff', concatHex([BATCH as Hex, '0xdeadbeef']))), [
      ['delegatecall', 'data.calls[0]'],
      ['unknown-call', 'data.calls[0]'],
    ]);
    for (const prefix of ['0xfe', '0x02', '0x0102', '0x01000000000078210003', `0x${'01'.repeat(32)}`]) {
      assert.deepEqual(doubts(execute(prefix, list(calls))), [['unknown-mode', 'data']], prefix);
    }
    const padded = concatHex([list(calls), '0x00']);
    assert.throws(() => execute('0x01', padded), { code: 'transaction-malformed' });
  });

  test('L17: depth 4 and 64 calls are read and summed; one more of either is refused', () => {
    const deep = (levels: number): Hex =>
      Array.from({ length: levels }).reduce<Hex>((inner) => multicall(inner), transfer(1n));
    assert.equal(read(TOKEN, deep(4)).outflows.length, 1);
    assert.throws(() => read(TOKEN, deep(5)), { code: 'transaction-too-complex' });
    const wide = (count: number) =>
      multiSend(...Array.from({ length: count }, () => packed(0, TOKEN, 0n, transfer(1n))));
    const sum = read(BATCH, wide(64)).outflows.reduce((total, { amount }) => total + (amount as bigint), 0n);
    assert.equal(sum, 64n);
    assert.throws(() => read(BATCH, wide(65)), { code: 'transaction-too-complex' });
  });
});

describe('who controls a contract', () => {
  const cases: readonly [kind: string, by: string | null, data: Hex][] = [
    ['safe-owner', OTHER, encode('addOwnerWithThreshold(address,uint256)', OTHER, 1n)],
    ['safe-owner', null, encode('removeOwner(address,address,uint256)', OWN, OTHER, 1n)],
    ['safe-owner', OTHER, encode('swapOwner(address,address,address)', OWN, OWN, OTHER)],
    ['safe-threshold', null, encode('changeThreshold(uint256)', 1n)],
    ['safe-module', OTHER, encode('enableModule(address)', OTHER)],
    ['safe-fallback-handler', OTHER, encode('setFallbackHandler(address)', OTHER)],
    ['safe-guard', OTHER, encode('setGuard(address)', OTHER)],
    ['ownership', OTHER, encode('transferOwnership(address)', OTHER)],
    ['ownership', null, encode('renounceOwnership()')],
    ['role', OTHER, encode('grantRole(bytes32,address)', WORD, OTHER)],
    ['upgrade', OTHER, encode('upgradeTo(address)', OTHER)],
    ['upgrade', OTHER, encode('upgradeToAndCall(address,bytes)', OTHER, '0x')],
  ];
  for (const [kind, by, data] of cases) {
    test(`E10: ${data.slice(0, 10)} is a takeover of kind ${kind}, also inside a Safe's own transaction`, () => {
      assert.deepEqual(read(SAFE, data).takeovers, [{ kind, account: SAFE, by }]);
      assert.deepEqual(read(SAFE, execTransaction(SAFE, data)).takeovers, [{ kind, account: SAFE, by }]);
    });
  }
});

describe('known calls', () => {
  test('have the selectors of the published interfaces', () => {
    const selectors = new Map(KNOWN_CALLS.map(({ selector, signature }) => [selector, signature]));
    assert.equal(selectors.size, KNOWN_CALLS.length, 'no two share a selector');
    for (const { selector, signature } of KNOWN_CALLS) {
      const name = signature.slice(0, signature.indexOf('('));
      assert.equal(`0x${selector}`, new Interface([`function ${signature}`]).getFunction(name)!.selector);
    }
    // As the standards and the contracts' own documentation print them.
    for (const selector of [
      'a9059cbb',
      '23b872dd',
      '095ea7b3',
      '39509351',
      '42842e0e',
      'b88d4fde',
      'f242432a',
      '2eb2c2d6',
      'a22cb465',
      '959b8c3f',
      'd505accf',
      '8fcbaf0c',
      '87517c45',
      'e3ee160e',
      'ef55bec6',
      'ac9650d8',
      '5ae401dc',
      '82ad56cb',
      '174dea71',
      '252dba42',
      'bce38bd7',
      '6a761202',
      '468721a7',
      '8d80ff0a',
      'e9ae5c53',
      'b61d27f6',
      '18dfb3c7',
      '47e1da2a',
      '34fcd5be',
      '765e827f',
      '1fad948c',
      'dbed18e0',
      '4b1d7cf5',
      '2b67b570',
      '2a2d80d1',
      '36c78516',
      '0d58b1db',
      '30f28b7a',
      'edd9444b',
      '137c29fe',
      'fe8ec1a7',
      'cc53287f',
      '0d582f13',
      'f8dc5dd9',
      'e318b52b',
      '694e80c3',
      '610b5925',
      'f08a0323',
      'e19a9dd9',
      'f2fde38b',
      '715018a6',
      '2f2ff15d',
      '3659cfe6',
      '4f1ef286',
    ]) {
      assert.ok(selectors.has(selector), selector);
    }
  });

  test('permits of Permit2 are grants, and what they transfer leaves its owner', () => {
    const details = [TOKEN, 9n, 100n, 0n];
    const single = encode(
      'permit(address owner,((address token,uint160 amount,uint48 expiration,uint48 nonce) details,address spender,uint256 sigDeadline) permitSingle,bytes signature)',
      OWN,
      [details, OTHER, 1n],
      '0x',
    );
    assert.deepEqual(read(BATCH, single).grants, [
      { kind: 'permit', spender: OTHER, asset: ERC20, amount: 9n, expires: 100n },
    ]);
    const batch = encode(
      'permitTransferFrom(((address token,uint256 amount)[] permitted,uint256 nonce,uint256 deadline) permit,(address to,uint256 requestedAmount)[] transferDetails,address owner,bytes signature)',
      [[[TOKEN, 9n]], 0n, 1n],
      [[OTHER, 4n]],
      OWN,
      '0x',
    );
    assert.deepEqual(amounts(read(BATCH, batch)), [[ERC20, 4n, OWN, OTHER]]);
    const direct = encode('transferFrom((address from,address to,uint160 amount,address token)[] details)', [
      [OWN, OTHER, 4n, TOKEN],
    ]);
    assert.deepEqual(amounts(read(BATCH, direct)), [[ERC20, 4n, OWN, OTHER]]);
  });

  test('authorised transfers of ERC-3009 leave the account that signed them', () => {
    for (const name of ['transferWithAuthorization', 'receiveWithAuthorization']) {
      for (const [types, values] of [
        ['uint8 v,bytes32 r,bytes32 s', [27, WORD, WORD]],
        ['bytes signature', ['0x12']],
      ] as const) {
        const data = encode(
          `${name}(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce,${types})`,
          OWN,
          OTHER,
          4n,
          0n,
          9n,
          WORD,
          ...values,
        );
        assert.deepEqual(amounts(read(TOKEN, data)), [[ERC20, 4n, OWN, OTHER]]);
      }
    }
  });
});

describe('calls that a policy describes', () => {
  const abi = parseAbi([
    'struct Hop { address token; uint24 fee; }',
    'function swap(address to, uint256 amount, Hop[] path, string note, int8 side)',
  ]);
  const data = encodeFunctionData({
    abi,
    args: [OTHER as Hex, 5n, [{ token: TOKEN as Hex, fee: 500 }], 'hé', -1],
  });
  const description = {
    chain: 'ethereum',
    name: 'router.swap',
    network: 'eip155:1',
    contract: BATCH.toLowerCase(),
    signature: 'swap(address to, uint256 amount, (address token, uint24 fee)[] path, string note, int8 side)',
  } as const;
  const context = { calls: [description] };

  test('have their arguments by name, and stay for a rule to accept', () => {
    const reader = read(BATCH, data, 0n, { context });
    assert.deepEqual(reader.calls, [
      {
        target: BATCH,
        name: 'router.swap',
        arguments: { to: OTHER, amount: '5', path: `(${TOKEN},500)`, note: 'hé', side: '-1' },
      },
    ]);
    assert.deepEqual(
      reader.unresolved.map(({ kind, subject }) => [kind, subject]),
      [['described-call', 'router.swap']],
    );
  });

  test('are those of that contract on that network only, and never hide what a built-in call does', () => {
    assert.deepEqual(doubts(read(TOKEN, data, 0n, { context })), [['unknown-call', 'data']]);
    const elsewhere = { calls: [{ ...description, network: 'eip155:10' }] };
    assert.deepEqual(doubts(read(BATCH, data, 0n, { context: elsewhere })), [['unknown-call', 'data']]);
    const lie = { ...description, name: 'harmless', contract: TOKEN, signature: 'transfer(address,uint256)' };
    const reader = read(TOKEN, transfer(5n), 0n, { context: { calls: [lie] } });
    assert.deepEqual([reader.calls[0]!.name, reader.outflows.length], ['erc20.transfer', 1]);
  });

  test('are refused in any encoding but the one of a compiler', () => {
    const bytes = hexDecode(data.slice(2));
    const broken = [new Uint8Array([...bytes, 0]), bytes.slice(0, -1)];
    for (const at of [4, 4 + 64 + 31, 4 + 4 * 32, bytes.length - 1]) {
      const copy = bytes.slice();
      copy[at] = copy[at]! ^ 1;
      broken.push(copy);
    }
    for (const each of broken) {
      assert.throws(() => read(BATCH, `0x${hexEncode(each)}`, 0n, { context }), {
        code: 'transaction-malformed',
      });
    }
  });
});
