/**
 * Generated Bitcoin transactions of several own addresses and wallets, with inputs of strangers, with change and with PSBTs
 * that say what they like about whose is whose. Whatever can be mined together takes no more than what limits counted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountKey, SigningAccount } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import { ChainError } from '@keystead/chains/error';
import { address, ownScript, scriptToAddress } from '@keystead/chains/bitcoin/address';
import { parseTransaction } from '@keystead/chains/bitcoin/parse';
import { encodePsbt, GLOBAL, INPUT, OUTPUT } from '@keystead/chains/bitcoin/psbt';
import type { PsbtRecord } from '@keystead/chains/bitcoin/psbt-map';
import {
  encodeOutput,
  encodeTransaction,
  transactionHash,
  transactionIdText,
} from '@keystead/chains/bitcoin/transaction';
import { placesOf } from '@keystead/policy/exclusive';
import { Random } from '@keystead/policy/testing/generate';
import { HDKey } from '@scure/bip32';
import { Counting } from './counting.ts';

const ASSET = 'bip122:000000000019d6689c085ae165831e93/slip44:0';
const HARDENED = 0x8000_0000;
const none: Uint8Array = new Uint8Array(0);

/** An address of ours, or with `wallet` null a stranger's. */
interface Party {
  readonly wallet: string | null;
  readonly script: Uint8Array;
  readonly address: string;
  /** Absent for a stranger. */
  readonly place?: readonly [branch: number, index: number];
  readonly account?: Account;
  readonly publicKey?: Uint8Array;
}

interface Account {
  readonly wallet: string;
  readonly format: 'BitcoinSegwit' | 'BitcoinTaproot';
  readonly purpose: number;
  readonly key: Omit<AccountKey, 'addresses'>;
  readonly node: HDKey;
}

function accountOf(wallet: string, seed: number, purpose: 84 | 86): Account {
  const node = HDKey.fromMasterSeed(new Uint8Array(32).fill(seed)).derive(`m/${purpose}'/0'/0'`);
  return {
    wallet,
    format: purpose === 84 ? 'BitcoinSegwit' : 'BitcoinTaproot',
    purpose,
    key: {
      path: `m/${purpose}'/0'/0'`,
      publicKey: node.publicKey!,
      chainCode: node.chainCode!,
      highestUsed: [3, 3],
    },
    node,
  };
}

function partyOf(account: Account, ...place: [branch: number, index: number]): Party {
  const publicKey = account.node.deriveChild(place[0]).deriveChild(place[1]).publicKey!;
  const script = ownScript(publicKey, account.format);
  return {
    wallet: account.wallet,
    script,
    address: address(publicKey, account.format),
    place,
    account,
    publicKey,
  };
}

function strangerOf(fill: number): Party {
  const script = Uint8Array.from([0, 20, ...new Uint8Array(20).fill(fill)]);
  return { wallet: null, script, address: scriptToAddress(script, 'mainnet')! };
}

const one = accountOf('one', 1, 84);
const taproot = accountOf('one', 1, 86);
const two = accountOf('two', 2, 84);
const senders: readonly Party[] = [
  partyOf(one, 0, 0),
  partyOf(one, 0, 1),
  partyOf(one, 0, 2),
  partyOf(one, 1, 0),
  partyOf(taproot, 0, 0),
  partyOf(taproot, 0, 1),
  partyOf(two, 0, 0),
  strangerOf(7),
];
const receivers: readonly Party[] = [
  ...senders,
  partyOf(one, 1, 4),
  partyOf(one, 1, 90),
  partyOf(taproot, 1, 1),
  partyOf(two, 1, 1),
  strangerOf(8),
  strangerOf(9),
];
const strangers = receivers.filter(({ wallet }) => wallet === null);
const wallets = ['one', 'two'];
const ownAddresses = (wallet: string): Set<string> =>
  new Set(receivers.filter((party) => party.wallet === wallet).map((party) => party.address));

interface Coin {
  readonly party: Party;
  readonly amount: bigint;
  readonly previous: ReturnType<typeof previousOf>;
}

function previousOf(party: Party, amount: bigint, number: number) {
  const transaction = {
    version: 2,
    inputs: [
      {
        previousId: new Uint8Array(32).fill(number + 1),
        previousIndex: 0,
        scriptSig: none,
        sequence: 0,
        witness: [],
      },
    ],
    outputs: [{ amount, script: party.script }],
    lockTime: 0,
  };
  return { bytes: encodeTransaction(transaction), id: transactionHash(transaction) };
}

interface Spend {
  readonly inputs: readonly Coin[];
  readonly outputs: readonly { readonly party: Party; readonly amount: bigint }[];
}

/** What a transaction takes from all of ours, or from one wallet. */
function lossOf({ inputs, outputs }: Spend, wallet?: string): bigint {
  const ours = ({ party }: { readonly party: Party }): boolean =>
    wallet === undefined ? party.wallet !== null : party.wallet === wallet;
  const sum = (list: readonly { readonly party: Party; readonly amount: bigint }[]): bigint =>
    list.filter(ours).reduce((total, { amount }) => total + amount, 0n);
  return sum(inputs) - sum(outputs);
}

/** What a stranger gets, in a transaction that only we pay. */
function receivedOf({ inputs, outputs }: Spend, stranger: Party): bigint {
  if (inputs.some(({ party }) => party.wallet === null)) return 0n;
  return outputs.reduce((sum, { party, amount }) => (party === stranger ? sum + amount : sum), 0n);
}

function spendOf(random: Random, coins: readonly Coin[]): Spend {
  const inputs = random.some(coins, 4);
  let left = inputs.reduce((sum, { amount }) => sum + amount, 0n);
  const outputs = Array.from({ length: 1 + random.below(4) }, () => {
    const amount = random.chance(20) ? left : (left * BigInt(random.below(100))) / 100n;
    left -= amount;
    return { party: random.pick(receivers), amount };
  });
  return { inputs, outputs };
}

/** A PSBT as somebody asks for a signature with it: it claims what it likes. */
function psbtOf(random: Random, spend: Spend, honest: boolean): Uint8Array {
  const unsigned = encodeTransaction({
    version: 2,
    inputs: spend.inputs.map(({ previous }) => ({
      previousId: previous.id,
      previousIndex: 0,
      scriptSig: none,
      sequence: 0xffff_fffd,
      witness: [],
    })),
    outputs: spend.outputs.map(({ party, amount }) => ({ script: party.script, amount })),
    lockTime: 0,
  });
  const record = (type: number, value: Uint8Array): PsbtRecord => ({ type, keyData: none, value });
  const claim = (of: 'input' | 'output', party: Party): PsbtRecord[] => {
    const claimed = honest || random.chance(60) ? party : random.pick(receivers);
    if (claimed.account === undefined || (!honest && random.chance(30))) return [];
    return [derivationOf(of, claimed)];
  };
  return encodePsbt({
    global: [record(GLOBAL.UNSIGNED_TX, unsigned)],
    inputs: spend.inputs.map(({ party, amount, previous }) => {
      const sighash = honest || random.chance(98) ? [] : [record(INPUT.SIGHASH_TYPE, hashTypeOf(random))];
      return [
        record(INPUT.NON_WITNESS_UTXO, previous.bytes),
        record(INPUT.WITNESS_UTXO, encodeOutput({ amount, script: party.script })),
        ...sighash,
        ...claim('input', party),
      ];
    }),
    outputs: spend.outputs.map(({ party }) => claim('output', party)),
  });
}

/** ALL, or one that leaves something open: refused for our inputs. */
const hashTypeOf = (random: Random): Uint8Array =>
  Uint8Array.of(random.pick([0x01, 0x02, 0x03, 0x81, 0x83]), 0, 0, 0);

function derivationOf(of: 'input' | 'output', party: Party): PsbtRecord {
  const { purpose, format } = party.account!;
  const levels = [purpose + HARDENED, HARDENED, HARDENED, ...party.place!];
  const value = new Uint8Array(4 + 4 * levels.length);
  for (const [i, level] of levels.entries()) new DataView(value.buffer).setUint32(4 + 4 * i, level, true);
  const types = of === 'input' ? INPUT : OUTPUT;
  return format === 'BitcoinTaproot'
    ? {
        type: types.TAP_BIP32_DERIVATION,
        keyData: party.publicKey!.subarray(1),
        value: Uint8Array.from([0, ...value]),
      }
    : { type: types.BIP32_DERIVATION, keyData: party.publicKey!, value };
}

/** The effects under one address of ours, or null when the signature is refused. */
function effectsOf(random: Random, spend: Spend, party: Party, honest: boolean): Effects | null {
  const { account } = party;
  const signing: SigningAccount = {
    publicKey: party.publicKey!,
    addressFormat: account!.format,
    address: party.address,
    derivationPath: `${account!.key.path}/${party.place!.join('/')}`,
  };
  // What the wallet remembers grows, and the signer may not tell the key.
  const addresses = new Set(
    senders
      .filter((each) => each.account === account && (honest || random.chance(20)))
      .map((each) => each.address),
  );
  const context = honest || random.chance(85) ? { accountKey: { ...account!.key, addresses } } : {};
  try {
    return parseTransaction(psbtOf(random, spend, honest), signing, context).effects;
  } catch (error) {
    if (
      error instanceof ChainError &&
      ['transaction-unsafe', 'transaction-not-understood'].includes(error.code)
    )
      return null;
    throw error;
  }
}

type Rule = (effects: Effects, spend: Spend, party: Party) => Effects;
const right: Rule = (effects) => effects;

/** Every own address of some spends signs, some of them twice; gives what a set of spends took that was not counted. */
function uncounted(seed: number, rule: Rule = right, places = placesOf): string | null {
  const random = new Random(seed);
  const coins = senders.map((party, index): Coin => {
    const amount = BigInt(1 + random.below(20)) * 1000n;
    return { party, amount, previous: previousOf(party, amount, index) };
  });
  const spends = Array.from({ length: 1 + random.below(4) }, () => spendOf(random, coins));
  const counting = new Counting(places);
  const asked = spends.flatMap((spend) =>
    [...new Set(spend.inputs.map(({ party }) => party))]
      .filter(({ wallet }) => wallet !== null)
      .flatMap((party) =>
        random.chance(15)
          ? [
              { spend, party },
              { spend, party },
            ]
          : [{ spend, party }],
      ),
  );
  const signed = new Map<Spend, Set<Party>>(spends.map((spend) => [spend, new Set()]));
  for (const { spend, party } of shuffled(random, asked)) {
    const effects = effectsOf(random, spend, party, random.chance(30));
    if (effects === null) continue;
    signed.get(spend)!.add(party);
    const { wallet } = party;
    counting.sign(rule(effects, spend, party), {
      walletId: wallet!,
      ownAddresses: ownAddresses(wallet!),
    });
  }
  const complete = spends.filter((spend) =>
    spend.inputs.every(({ party }) => party.wallet === null || signed.get(spend)!.has(party)),
  );
  for (const mined of compatible(complete)) {
    const sum = (of: (spend: Spend) => bigint): bigint =>
      mined.reduce((total, spend) => total + of(spend), 0n);
    if (sum((spend) => lossOf(spend)) > counting.asset(ASSET)) return 'all of ours';
    for (const wallet of wallets) {
      const loss = sum((spend) => lossOf(spend, wallet));
      if (loss > counting.wallet(ASSET, wallet, false)) return `wallet ${wallet}`;
      if (loss > counting.wallet(ASSET, wallet, true)) return `wallet ${wallet}, without what stays`;
    }
    for (const stranger of strangers)
      if (sum((spend) => receivedOf(spend, stranger)) > counting.received(ASSET, stranger.address))
        return 'one receiver';
  }
  return null;
}

function shuffled<T>(random: Random, values: readonly T[]): T[] {
  const left = [...values];
  return values.map(() => left.splice(random.below(left.length), 1)[0]!);
}

/** Every set of spends of which no two take the same coin. */
function compatible(spends: readonly Spend[]): Spend[][] {
  const sets: Spend[][] = [[]];
  for (const spend of spends) {
    const takes = (set: readonly Spend[]): boolean =>
      set.some((other) => other.inputs.some((coin) => spend.inputs.includes(coin)));
    sets.push(...sets.filter((set) => !takes(set)).map((set) => [...set, spend]));
  }
  return sets;
}

const SEEDS = 800;

/** The first seed at which limits count too little, and what for. */
function firstLeak(rule: Rule, places = placesOf): string | null {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const leak = uncounted(seed, rule, places);
    if (leak !== null) return `seed ${seed}: ${leak}`;
  }
  return null;
}

test('L13: whatever Bitcoin transactions can be mined together take no more than limits counted', () => {
  assert.equal(firstLeak(right), null);
});

test('the same search finds the loss when change to the account is taken off for each address that signs', () => {
  const eachTakesItOff: Rule = (effects, { inputs, outputs }, party) => {
    const sum = (list: Spend['outputs'], counts: (each: Party) => boolean): bigint =>
      list.filter((each) => counts(each.party)).reduce((total, { amount }) => total + amount, 0n);
    const given = sum(inputs, (each) => each === party);
    const kept = sum(outputs, (each) => each.account === party.account);
    const lost = given > kept ? given - kept : 0n;
    const own = new Set(
      receivers.filter(({ account }) => account === party.account).map((each) => each.address),
    );
    const atMost = (amount: bigint): bigint => (amount < lost ? amount : lost);
    return {
      ...effects,
      maxFee: { ...effects.maxFee!, amount: atMost(effects.maxFee!.amount) },
      outflows: effects.outflows
        .filter(({ to }) => to === null || !own.has(to))
        .map((outflow) => ({ ...outflow, amount: atMost(outflow.amount as bigint) })),
    };
  };
  assert.match(firstLeak(eachTakesItOff) ?? '', /^seed/);
});

test('the same search finds the loss when every input is a place, whoever signs it', () => {
  const outpoints = new Map<Effects, string>();
  const remember: Rule = (effects, { inputs }) => {
    const key = inputs.map(({ previous }) => `${transactionIdText(previous.id)}:0`).join(',');
    outpoints.set(effects, key);
    return effects;
  };
  const everyInput = (effects: Effects): readonly string[] =>
    placesOf({ ...effects, validity: { ...effects.validity, key: outpoints.get(effects)! } });
  assert.match(firstLeak(remember, everyInput) ?? '', /^seed/);
});

test('an honest PSBT of one account counts what leaves and no more', () => {
  let several = 0;
  for (let seed = 1; seed <= 300; seed += 1) {
    const random = new Random(seed);
    const account = random.pick([one, taproot, two]);
    const coins = senders
      .filter((party) => party.account === account)
      .map((party, index): Coin => ({ party, amount: 9_000n, previous: previousOf(party, 9_000n, index) }));
    const spend = spendOf(random, coins);
    const out = spend.outputs.filter(({ party }) => party.account === account && party.place![1] === 90);
    if (out.length > 0) continue;
    const counting = new Counting();
    const parties = new Set(spend.inputs.map(({ party }) => party));
    if (parties.size > 1) several += 1;
    for (const party of parties)
      counting.sign(effectsOf(random, spend, party, true)!, {
        walletId: account.wallet,
        ownAddresses: ownAddresses(account.wallet),
      });
    const kept = spend.outputs.filter(({ party }) => party.account === account);
    const loss =
      spend.inputs.reduce((sum, { amount }) => sum + amount, 0n) -
      kept.reduce((sum, { amount }) => sum + amount, 0n);
    assert.equal(counting.asset(ASSET), loss, `seed ${seed}`);
  }
  assert.ok(several > 50, String(several));
});
