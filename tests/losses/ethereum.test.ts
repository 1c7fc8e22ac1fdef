/**
 * Generated EVM transactions of two own accounts: coins, tokens, collectibles, allowances, multicalls that are what they say
 * and contracts that only have the same functions, user operations of a contract account, permits. A small world beside the decoder carries out what was meant, with every
 * contract that may cheat cheating; of the transactions of one nonce any one lands.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SigningAccount } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import { address, parseAddress } from '@keystead/chains/ethereum/address';
import { parseTransaction } from '@keystead/chains/ethereum/parse';
import { encodeUnsignedTransaction } from '@keystead/chains/ethereum/transaction';
import { hashTypedData } from '@keystead/chains/ethereum/typed-data';
import { hexDecode } from '@keystead/crypto/hex';
import { publicKey } from '@keystead/crypto/secp256k1';
import { placesOf } from '@keystead/policy/exclusive';
import { Random } from '@keystead/policy/testing/generate';
import { type FunctionFragment, Interface } from 'ethers';
import { Counting } from './counting.ts';

const functions = new Interface([
  'function transfer(address to,uint256 amount)',
  'function transferFrom(address from,address to,uint256 amount)',
  'function approve(address spender,uint256 amount)',
  'function burn(uint256 amount)',
  'function safeTransferFrom(address from,address to,uint256 tokenId)',
  'function deposit()',
  'function multicall(bytes[] data)',
  'function aggregate3Value((address target,bool allowFailure,uint256 value,bytes callData)[] calls)',
  'function execute(address target,uint256 value,bytes data)',
  'function handleOps((address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData,bytes signature)[] operations,address beneficiary)',
  'function approve(address token,address spender,uint160 amount,uint48 expiration)',
  'function transferFrom(address from,address to,uint160 amount,address token)',
  'function withdrawTo(address account,uint256 amount)',
  'function execTransaction(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,bytes signatures)',
]);
const encode = (name: string, ...values: readonly unknown[]): string => {
  const meant = name.includes('(')
    ? name
    : functions.fragments.find((each) => (each as FunctionFragment).name === name)!.format();
  return functions.encodeFunctionData(meant, values);
};

const accounts = [1, 2].map((fill): SigningAccount => {
  const key = publicKey(new Uint8Array(32).fill(fill));
  return {
    publicKey: key,
    addressFormat: 'Ethereum',
    address: address(key, 'Ethereum'),
    derivationPath: null,
  };
});
const [first, second] = accounts.map((account) => account.address) as [string, string];
const own = new Set([first, second]);
const thief = '0x1111111111111111111111111111111111111111';
/** Takes no value. */
const refusing = '0x3333333333333333333333333333333333333333';
const token = '0x2222222222222222222222222222222222222222';
/** ERC-721. */
const collection = '0x4444444444444444444444444444444444444444';
/** Has every function, and keeps what it gets. */
const cheat = '0x5555555555555555555555555555555555555555';
const multicall3 = '0xcA11bde05977b3631167028862bE2a173976CA11';
const permit2 = '0x000000000022D473030F116dDEE9F6B43aC78BA3';
const entryPoint = '0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108';
/** A contract account whose owner is our key; what leaves it is lost like what leaves the key's own address. */
const account4337 = '0x6666666666666666666666666666666666666666';
const networks = [1n, 10n, 1337n];
const COINS = networks.map((chainId) => `eip155:${chainId}/slip44:60`);
const NOTHING = '0x';

/** A transaction, and what it takes of us at worst: by asset, and by asset and stranger. */
interface Sent {
  readonly account: SigningAccount;
  readonly chainId: bigint;
  /** Of these at most one lands; null where nothing excludes it. */
  readonly nonce: bigint | null;
  readonly effects: Effects;
  readonly losses: ReadonlyMap<string, bigint>;
  readonly received: ReadonlyMap<string, bigint>;
}

/** Adds up what leaves; names are those of the assets that effects use. */
class World {
  readonly losses = new Map<string, bigint>();
  readonly received = new Map<string, bigint>();
  readonly network: string;

  constructor(chainId: bigint) {
    this.network = `eip155:${chainId}`;
  }

  get coin(): string {
    return `${this.network}/slip44:60`;
  }

  pay(asset: string, to: string, amount: bigint): void {
    if (own.has(to)) return;
    this.losses.set(asset, (this.losses.get(asset) ?? 0n) + amount);
    const name = `${asset} ${to}`;
    this.received.set(name, (this.received.get(name) ?? 0n) + amount);
  }

  /** A token of the collection counts as one, under the name that the function gives it. */
  collectible(to: string): void {
    this.pay(`${this.network}/erc20:${collection}`, to, 1n);
  }
}

/** Data for a contract, what it does when the caller has everything, and the contract. */
interface Meant {
  readonly to: string;
  readonly value: bigint;
  readonly data: string;
  readonly happens: (world: World) => void;
}

const erc20 = (world: World): string => `${world.network}/erc20:${token}`;

function tokenCall(random: Random, sender: string): Meant {
  const to = random.pick([thief, refusing, first, second]);
  const amount = BigInt(random.below(50));
  const call = (data: string, happens: (world: World) => void): Meant => ({
    to: token,
    value: 0n,
    data,
    happens,
  });
  switch (random.below(4)) {
    case 0:
      return call(encode('transfer', to, amount), (world) => world.pay(erc20(world), to, amount));
    case 1:
      return call(encode('transferFrom', sender, to, amount), (world) => world.pay(erc20(world), to, amount));
    case 2:
      // Whoever may take it does, and nobody pays it twice.
      return call(encode('approve', to, amount), (world) => world.pay(erc20(world), to, amount));
    default:
      return call(encode('burn', amount), (world) => world.pay(erc20(world), '', amount));
  }
}

function collectibleCall(random: Random, sender: string): Meant {
  const id = BigInt(random.below(3));
  const to = random.pick([thief, first, second]);
  const call = (data: string, happens: (world: World) => void): Meant => ({
    to: collection,
    value: 0n,
    data,
    happens,
  });
  switch (random.below(4)) {
    case 0:
      return call(encode('transferFrom', sender, to, id), (world) => world.collectible(to));
    case 1:
      return call(encode('approve', to, id), (world) => world.collectible(to));
    case 2:
      return call(encode('burn', id), (world) => world.collectible(''));
    default:
      return call(encode('safeTransferFrom(address,address,uint256)', sender, to, id), (world) =>
        world.pay(`${world.network}/erc721:${collection}/${id}`, to, 1n),
      );
  }
}

/** `aggregate3Value`, at Multicall3 or at somebody's contract; on a network without Multicall3 nobody's. */
function multicallWithValue(random: Random, chainId: bigint): Meant {
  const inner = Array.from({ length: 1 + random.below(3) }, () => ({
    target: random.pick([thief, refusing, first, second, cheat]),
    allowFailure: random.chance(40),
    value: BigInt(random.below(40)),
    callData: NOTHING,
  }));
  const to = random.pick([multicall3, multicall3, cheat]);
  const value = inner.reduce((sum, each) => sum + each.value, 0n);
  return {
    to,
    value,
    data: encode('aggregate3Value', inner),
    happens: (world) => {
      if (to === cheat || chainId === networks.at(-1)) {
        world.pay(world.coin, to, value);
        return;
      }
      const fails = (each: (typeof inner)[number]): boolean => each.target === refusing;
      if (inner.some((each) => fails(each) && !each.allowFailure)) return;
      for (const each of inner) world.pay(world.coin, fails(each) ? to : each.target, each.value);
    },
  };
}

/** A call of a contract that has every function: it keeps what comes with the call, whatever the data says. */
function cheated(random: Random): Meant {
  const value = BigInt(random.below(60));
  const aim = random.pick([first, second, thief]);
  const data = random.pick([
    encode('transfer', aim, 3n),
    encode('deposit'),
    encode('multicall', [encode('transfer', aim, 2n)]),
    encode('execTransaction', aim, value, NOTHING, 0, 0n, 0n, 0n, cheat, cheat, NOTHING),
    NOTHING,
  ]);
  return { to: cheat, value, data, happens: (world) => world.pay(world.coin, cheat, value) };
}

/** Several calls of the token on itself. */
function batched(random: Random, sender: string): Meant {
  const calls = Array.from({ length: 1 + random.below(3) }, () =>
    random.chance(80) ? tokenCall(random, sender) : { ...batchedOnce(random, sender) },
  );
  return {
    to: token,
    value: 0n,
    data: encode(
      'multicall',
      calls.map(({ data }) => data),
    ),
    happens: (world) => {
      for (const call of calls) call.happens(world);
    },
  };
}

function batchedOnce(random: Random, sender: string): Meant {
  const call = tokenCall(random, sender);
  return { ...call, data: encode('multicall', [call.data]) };
}

function plain(random: Random): Meant {
  const to = random.pick([thief, first, second]);
  const value = BigInt(random.below(100));
  return { to, value, data: NOTHING, happens: (world) => world.pay(world.coin, to, value) };
}

/** Half the value of a call of our contract account, which may come back to one of ours. */
function accountCall(random: Random): Omit<Meant, 'to' | 'value'> {
  if (random.chance(50)) {
    const inner = tokenCall(random, account4337);
    return { data: encode('execute', token, 0n, inner.data), happens: inner.happens };
  }
  const to = random.pick([thief, first, cheat]);
  const value = BigInt(random.below(80));
  return {
    data: encode('execute', to, value, NOTHING),
    happens: (world) => world.pay(world.coin, to, value),
  };
}

const word = (high: bigint, low: bigint): string =>
  `0x${high.toString(16).padStart(32, '0')}${low.toString(16).padStart(32, '0')}`;

interface Operation {
  /** Fields as they are signed, in order, with what EIP-712 calls them. */
  readonly message: Readonly<Record<string, string>>;
  readonly cost: bigint;
  readonly happens: (world: World) => void;
}

/** Verification, call and preparation use all that they may, at the highest price. */
function operation(random: Random): Operation {
  const gas = Array.from({ length: 3 }, () => BigInt(random.below(500)));
  const price = BigInt(random.below(9));
  const { data, happens } = accountCall(random);
  return {
    message: {
      sender: account4337,
      nonce: '0',
      initCode: NOTHING,
      callData: data,
      accountGasLimits: word(gas[0]!, gas[1]!),
      preVerificationGas: String(gas[2]!),
      gasFees: word(0n, price),
      paymasterAndData: NOTHING,
    },
    cost: gas.reduce((sum, each) => sum + each, 0n) * price,
    happens,
  };
}

/** Operations of our contract account, handed in by one of our addresses. */
function handedIn(random: Random): Meant {
  const operations = Array.from({ length: 1 + random.below(2) }, () => operation(random));
  const beneficiary = random.pick([thief, first, second]);
  return {
    to: entryPoint,
    value: 0n,
    data: encode(
      'handleOps',
      operations.map(({ message }) => [...Object.values(message), NOTHING]),
      beneficiary,
    ),
    happens: (world) => {
      for (const each of operations) {
        world.pay(world.coin, beneficiary, each.cost);
        each.happens(world);
      }
    },
  };
}

/** Allowances and transfers through Permit2, and a token that wraps another. */
function throughPermit2(random: Random, sender: string): Meant {
  const to = random.pick([thief, first, second]);
  const amount = BigInt(random.below(50));
  switch (random.below(3)) {
    case 0:
      return {
        to: permit2,
        value: 0n,
        data: encode('approve(address,address,uint160,uint48)', token, to, amount, 99n),
        happens: (world) => world.pay(erc20(world), to, amount),
      };
    case 1:
      return {
        to: permit2,
        value: 0n,
        data: encode('transferFrom(address,address,uint160,address)', sender, to, amount, token),
        happens: (world) => world.pay(erc20(world), to, amount),
      };
    default:
      return {
        to: token,
        value: 0n,
        data: encode('withdrawTo', to, amount),
        happens: (world) => world.pay(erc20(world), to, amount),
      };
  }
}

const fieldsOf = (text: string) =>
  text.split(',').map((field) => {
    const [type, name] = field.split(' ') as [string, string];
    return { name, type };
  });
const OPERATION_FIELDS = fieldsOf(
  'address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData',
);
const PERMIT_FIELDS = fieldsOf('address owner,address spender,uint256 value,uint256 nonce,uint256 deadline');

/** Typed data that somebody else submits: an operation of our contract account, or a permit. */
function signedFor(random: Random, account: SigningAccount, chainId: bigint): Sent {
  const world = new World(chainId);
  const sign = (
    primaryType: string,
    fields: typeof PERMIT_FIELDS,
    verifyingContract: string,
    message: object,
  ) =>
    hashTypedData(
      {
        types: { [primaryType]: fields },
        primaryType,
        domain: { name: 'x', chainId: String(chainId), verifyingContract },
        message: { ...message },
      },
      account.address,
    ).effects;
  const done = (effects: Effects): Sent => ({
    account,
    chainId,
    nonce: null,
    effects,
    losses: world.losses,
    received: world.received,
  });
  if (random.chance(50)) {
    const { message, cost, happens } = operation(random);
    world.pay(world.coin, '', cost);
    happens(world);
    return done(sign('PackedUserOperation', OPERATION_FIELDS, entryPoint, message));
  }
  const spender = random.pick([thief, first]);
  const value = BigInt(random.below(50));
  world.pay(erc20(world), spender, value);
  const message = { owner: account.address, spender, value: String(value), nonce: '0', deadline: '99' };
  return done(sign('Permit', PERMIT_FIELDS, token, message));
}

const GAS = 100_000n;
const GAS_PRICE = 2n;

function sentBy(random: Random): Sent {
  const account = random.pick(accounts);
  const sender = account.address;
  const chainId = random.pick(networks);
  if (random.chance(20)) return signedFor(random, account, chainId);
  const { happens, ...call } = random.pick([
    () => plain(random),
    () => tokenCall(random, sender),
    () => collectibleCall(random, sender),
    () => multicallWithValue(random, chainId),
    () => cheated(random),
    () => batched(random, sender),
    () => handedIn(random),
    () => throughPermit2(random, sender),
  ])();
  const world = new World(chainId);
  // Whether it succeeds or not, the gas may cost so much.
  world.pay(world.coin, '', GAS * GAS_PRICE);
  happens(world);
  const nonce = BigInt(random.below(3));
  const effects = effectsOf(account, chainId, nonce, call);
  return { account, chainId, nonce, effects, losses: world.losses, received: world.received };
}

function effectsOf(
  account: SigningAccount,
  chainId: bigint,
  nonce: bigint,
  { to, value, data }: Omit<Meant, 'happens'>,
): Effects {
  const bytes = encodeUnsignedTransaction({
    version: 'eip1559',
    chainId,
    nonce,
    maxPriorityFeePerGas: 1n,
    maxFeePerGas: GAS_PRICE,
    gasLimit: GAS,
    to: parseAddress(to),
    value,
    data: hexDecode(data.slice(2)),
    accessList: [],
    authorizationList: [],
  });
  return parseTransaction(bytes, account).effects;
}

/** The most that lands: of each chain, account and nonce the one that takes most. */
function mostOf(sent: readonly Sent[], of: (each: Sent) => bigint): bigint {
  const most = new Map<string, bigint>();
  for (const [index, each] of sent.entries()) {
    const place = `${each.chainId} ${each.account.address} ${each.nonce ?? `signed ${index}`}`;
    const amount = of(each);
    if (amount > (most.get(place) ?? 0n)) most.set(place, amount);
  }
  return [...most.values()].reduce((sum, amount) => sum + amount, 0n);
}

function uncounted(
  seed: number,
  rule: (effects: Effects) => Effects,
  places: typeof placesOf,
): string | null {
  const random = new Random(seed);
  const sent = Array.from({ length: 1 + random.below(8) }, () => sentBy(random));
  const counting = new Counting(places, COINS);
  for (const { effects } of sent) {
    // Nothing of this needs a rule of its own, or the limits would not be all that stands before it.
    assert.deepEqual([effects.unresolved, effects.takeovers], [[], []]);
    counting.sign(rule(effects), { walletId: 'one', ownAddresses: own });
  }
  for (const asset of new Set(sent.flatMap(({ losses }) => [...losses.keys()]))) {
    const loss = mostOf(sent, ({ losses }) => losses.get(asset) ?? 0n);
    if (loss > counting.asset(asset)) return asset;
    if (loss > counting.wallet(asset, 'one', true)) return `${asset} without what stays`;
  }
  const ofCoins = ({ losses }: Sent): bigint =>
    COINS.reduce((sum, coin) => sum + (losses.get(coin) ?? 0n), 0n);
  if (mostOf(sent, ofCoins) > counting.together()) return 'coins of all chains';
  for (const name of new Set(sent.flatMap(({ received }) => [...received.keys()]))) {
    const [asset, to] = name.split(' ') as [string, string];
    const got = mostOf(sent, ({ received }) => received.get(name) ?? 0n);
    if (got > counting.received(asset, to)) return name;
  }
  return null;
}

const SEEDS = 500;

function firstLeak(rule = (effects: Effects): Effects => effects, places = placesOf): string | null {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const leak = uncounted(seed, rule, places);
    if (leak !== null) return `seed ${seed}: ${leak}`;
  }
  return null;
}

test('E8, E9, L12: whatever EVM transactions can land together take no more than limits counted', () => {
  assert.equal(firstLeak(), null);
});

test('the same search finds the loss when any contract is believed to pass value on', () => {
  const believing = (effects: Effects): Effects => {
    const [sent, ...others] = effects.outflows;
    if (!effects.calls.some(({ name }) => name === 'multicall3.aggregate3Value')) return effects;
    return { ...effects, outflows: sent?.kind === 'call-value' ? others : effects.outflows };
  };
  assert.match(firstLeak(believing) ?? '', /^seed/);
});

test('the same search finds the loss when a figure of zero is nothing', () => {
  const zero = (effects: Effects): Effects => {
    const isZero = effects.calls.some(({ arguments: { amount } }) => amount === '0');
    if (!isZero || effects.calls.length > 1) return effects;
    return {
      ...effects,
      outflows: effects.outflows.map((each) => ({ ...each, amount: 0n })),
      grants: effects.grants.map((each) => ({ ...each, amount: 0n })),
    };
  };
  assert.match(firstLeak(zero) ?? '', /^seed/);
});

test('the same search finds the loss when a nonce is one place on all chains, or of all accounts', () => {
  const onAllChains: typeof placesOf = ({ signers, validity }) => [`${signers[0]} ${validity.key}`];
  const ofAllAccounts: typeof placesOf = ({ network, validity }) => [`${network} ${validity.key}`];
  for (const places of [onAllChains, ofAllAccounts])
    assert.match(firstLeak((effects) => effects, places) ?? '', /^seed/);
});

test('the same search finds the loss when the gas of user operations is nobody’s', () => {
  const ofNobody = (effects: Effects): Effects => ({
    ...effects,
    maxFee: effects.version === 'typed-data' ? null : effects.maxFee,
    outflows: effects.calls.some(({ name }) => name === 'erc4337.handleOps')
      ? effects.outflows.filter(({ kind }) => kind !== 'other')
      : effects.outflows,
  });
  assert.match(firstLeak(ofNobody) ?? '', /^seed/);
});

test('the same search finds the loss when withdrawTo of any contract is that of an entry point', () => {
  const asEntryPoint = (effects: Effects): Effects => ({
    ...effects,
    outflows: effects.calls.some(({ name }) => name === 'erc4337.withdrawTo')
      ? effects.outflows.slice(0, 1)
      : effects.outflows,
  });
  assert.match(firstLeak(asEntryPoint) ?? '', /erc20/);
});
