/**
 * Generated EVM transactions of two own accounts: coins, tokens, collectibles, allowances, multicalls that are what they say
 * and contracts that only have the same functions. A small world beside the decoder carries out what was meant, with every
 * contract that may cheat cheating; of the transactions of one nonce any one lands.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SigningAccount } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import { address, parseAddress } from '@keystead/chains/ethereum/address';
import { parseTransaction } from '@keystead/chains/ethereum/parse';
import { encodeUnsignedTransaction } from '@keystead/chains/ethereum/transaction';
import { hexDecode } from '@keystead/crypto/hex';
import { publicKey } from '@keystead/crypto/secp256k1';
import { placesOf } from '@keystead/policy/exclusive';
import { Random } from '@keystead/policy/testing/generate';
import { Interface } from 'ethers';
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
  'function execTransaction(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,bytes signatures)',
]);
const encode = (name: string, ...values: readonly unknown[]): string =>
  functions.encodeFunctionData(name, values);

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
const networks = [1n, 10n, 1337n];
const COINS = networks.map((chainId) => `eip155:${chainId}/slip44:60`);
const NOTHING = '0x';

/** A transaction, and what it takes of us at worst: by asset, and by asset and stranger. */
interface Sent {
  readonly account: SigningAccount;
  readonly chainId: bigint;
  readonly nonce: bigint;
  readonly to: string;
  readonly value: bigint;
  readonly data: string;
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

const GAS = 100_000n;
const GAS_PRICE = 2n;

function sentBy(random: Random): Sent {
  const account = random.pick(accounts);
  const sender = account.address;
  const chainId = random.pick(networks);
  const { happens, ...call } = random.pick([
    () => plain(random),
    () => tokenCall(random, sender),
    () => collectibleCall(random, sender),
    () => multicallWithValue(random, chainId),
    () => cheated(random),
    () => batched(random, sender),
  ])();
  const world = new World(chainId);
  // Whether it succeeds or not, the gas may cost so much.
  world.pay(world.coin, '', GAS * GAS_PRICE);
  happens(world);
  const nonce = BigInt(random.below(3));
  return { account, chainId, nonce, ...call, losses: world.losses, received: world.received };
}

function effectsOf({ account, chainId, nonce, to, value, data }: Sent): Effects {
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
  for (const each of sent) {
    const place = `${each.chainId} ${each.account.address} ${each.nonce}`;
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
  for (const each of sent) counting.sign(rule(effectsOf(each)), { walletId: 'one', ownAddresses: own });
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
