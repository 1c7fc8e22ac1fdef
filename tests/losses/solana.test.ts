/**
 * Generated Solana transactions of two own accounts and a stranger's, each of which may pay, sign and receive, carried out by
 * a validator. What leaves our accounts is no more than what limits counted under our signatures together.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SigningAccount } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import { associatedTokenAddress } from '@keystead/chains/solana/address';
import { parseTransaction } from '@keystead/chains/solana/parse';
import {
  ASSOCIATED_TOKEN_PROGRAM,
  SOL,
  TOKEN_PROGRAM,
  WRAPPED_SOL_MINT,
} from '@keystead/chains/solana/programs';
import { base58Decode, base58Encode } from '@keystead/crypto/base58';
import { publicKey, sign } from '@keystead/crypto/ed25519';
import { Random } from '@keystead/policy/testing/generate';
import { type Address, getTransactionDecoder, lamports } from '@solana/kit';
import {
  ComputeBudgetProgram,
  PublicKey,
  SystemProgram,
  TransactionInstruction,
  TransactionMessage,
} from '@solana/web3.js';
import { FailedTransactionMetadata, LiteSVM } from 'litesvm';
import { Counting } from './counting.ts';

const seeds = [1, 2, 3].map((fill) => new Uint8Array(32).fill(fill));
const [first, second, stranger] = seeds.map((seed) => base58Encode(publicKey(seed))) as [
  string,
  string,
  string,
];
const parties = [first, second, stranger];
const ours = [first, second];
const own = new Set(ours);
const mint = base58Encode(new Uint8Array(32).fill(77));
const TOKEN = `solana/token:${mint}`;
const tokensAt = (owner: string, of: string): string => associatedTokenAddress(owner, of, TOKEN_PROGRAM);
const accountOf = (address: string): SigningAccount => ({
  publicKey: base58Decode(address),
  addressFormat: 'Solana',
  address,
  derivationPath: null,
});

const u64 = (value: bigint): number[] =>
  Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

function newChain(): LiteSVM {
  const chain = new LiteSVM();
  const install = (address: string, data: Uint8Array): void =>
    chain.setAccount({
      address: address as Address,
      data,
      executable: false,
      lamports: lamports(chain.minimumBalanceForRentExemption(BigInt(data.length))),
      programAddress: TOKEN_PROGRAM as Address,
      space: BigInt(data.length),
    });
  const mintData = new Uint8Array(82);
  mintData.set(u64(10n ** 9n), 36);
  mintData.set([6, 1], 44);
  install(mint, mintData);
  for (const owner of parties) {
    chain.airdrop(owner as Address, lamports(10n ** 13n));
    const tokens = new Uint8Array(165);
    tokens.set(base58Decode(mint), 0);
    tokens.set(base58Decode(owner), 32);
    tokens.set(u64(10n ** 8n), 64);
    tokens[108] = 1;
    install(tokensAt(owner, mint), tokens);
  }
  return chain;
}

const solOf = (chain: LiteSVM, address: string): bigint => chain.getBalance(address as Address) ?? 0n;

function tokensOf(chain: LiteSVM, address: string): bigint {
  const found = chain.getAccount(address as Address);
  if (!found.exists || found.data.length !== 165) return 0n;
  return new DataView(found.data.buffer, found.data.byteOffset).getBigUint64(64, true);
}

/** Lamports of our addresses; with `kept` those of our token accounts too. */
function ourSol(chain: LiteSVM, kept: boolean): bigint {
  const addresses = kept
    ? ours.flatMap((owner) => [owner, tokensAt(owner, mint), tokensAt(owner, WRAPPED_SOL_MINT)])
    : ours;
  return addresses.reduce((sum, address) => sum + solOf(chain, address), 0n);
}

const ourTokens = (chain: LiteSVM): bigint =>
  ours.reduce((sum, owner) => sum + tokensOf(chain, tokensAt(owner, mint)), 0n);

function instruction(program: string, data: number[], ...keys: string[]): TransactionInstruction {
  return new TransactionInstruction({
    programId: new PublicKey(program),
    data: Buffer.from(data),
    keys: keys.map((key) => ({
      pubkey: new PublicKey(key),
      isSigner: parties.includes(key),
      isWritable: true,
    })),
  });
}

/** The owner of an associated account need not sign. */
function create(payer: string, owner: string, of: string): TransactionInstruction {
  const made = instruction(
    ASSOCIATED_TOKEN_PROGRAM,
    [1],
    payer,
    tokensAt(owner, of),
    owner,
    of,
    SystemProgram.programId.toBase58(),
    TOKEN_PROGRAM,
  );
  made.keys[2]!.isSigner = owner === payer;
  return made;
}

const pay = (from: string, to: string, amount: bigint): TransactionInstruction =>
  SystemProgram.transfer({ fromPubkey: new PublicKey(from), toPubkey: new PublicKey(to), lamports: amount });

/** Some instructions that belong together. */
function someOf(random: Random): TransactionInstruction[] {
  const from = random.pick(parties);
  const to = random.pick(parties);
  const payer = random.pick(parties);
  const amount = BigInt(1 + random.below(1_000_000));
  const of = random.pick([mint, WRAPPED_SOL_MINT]);
  const decimals = of === mint ? 6 : 9;
  const transfer = (by: string): TransactionInstruction =>
    instruction(TOKEN_PROGRAM, [12, ...u64(amount), decimals], tokensAt(from, of), of, tokensAt(to, of), by);
  const wrap = [
    create(payer, from, WRAPPED_SOL_MINT),
    pay(payer, tokensAt(from, WRAPPED_SOL_MINT), amount),
    instruction(TOKEN_PROGRAM, [17], tokensAt(from, WRAPPED_SOL_MINT)),
  ];
  const data = [12, ...u64(amount), decimals];
  switch (random.below(8)) {
    case 0:
      return [pay(from, to, amount + 1_000_000n)];
    case 1:
      return [create(payer, to, of)];
    case 2:
      return [create(payer, to, of), transfer(from)];
    case 3:
      return wrap;
    case 4:
      return [
        ...wrap,
        create(payer, to, WRAPPED_SOL_MINT),
        instruction(
          TOKEN_PROGRAM,
          [12, ...u64(amount), 9],
          tokensAt(from, WRAPPED_SOL_MINT),
          WRAPPED_SOL_MINT,
          tokensAt(to, WRAPPED_SOL_MINT),
          from,
        ),
      ];
    case 5:
      return [...wrap, instruction(TOKEN_PROGRAM, [9], tokensAt(from, WRAPPED_SOL_MINT), from, from)];
    case 6:
      // Whom one of ours lets take, another signature takes for.
      return [
        create(payer, to, of),
        instruction(TOKEN_PROGRAM, [4, ...u64(amount)], tokensAt(from, of), payer, from),
        transfer(payer),
      ];
    default:
      return [
        create(payer, to, of),
        instruction(
          TOKEN_PROGRAM,
          [255, 4, data.length, ...data, 4, data.length, ...data],
          ...[tokensAt(from, of), of, tokensAt(to, of), from],
          ...[tokensAt(from, of), of, tokensAt(to, of), from],
        ),
      ];
  }
}

type Rule = (effects: Effects, signer: string) => Effects;

interface Run {
  executed: number;
  several: number;
  leak: string | null;
}

/** Carries transactions out one after the other, until one takes more than was counted. */
function run(count: number, rule: Rule = (effects) => effects): Run {
  const chain = newChain();
  const found: Run = { executed: 0, several: 0, leak: null };
  for (let seed = 1; seed <= count && found.leak === null; seed += 1) {
    const random = new Random(seed);
    const instructions = Array.from({ length: 1 + random.below(2) }, () => someOf(random)).flat();
    if (random.chance(30))
      instructions.push(ComputeBudgetProgram.setComputeUnitPrice({ microLamports: random.below(10 ** 6) }));
    chain.expireBlockhash();
    const message = new TransactionMessage({
      payerKey: new PublicKey(random.pick(parties)),
      recentBlockhash: chain.latestBlockhash(),
      instructions,
    }).compileToV0Message();
    let wire: Uint8Array = message.serialize();
    const counting = new Counting();
    const signers = message.staticAccountKeys
      .slice(0, message.header.numRequiredSignatures)
      .map((key) => key.toBase58());
    let refused = false;
    for (const signer of signers) {
      const parsed = parseTransaction(wire, accountOf(signer));
      const seedOf = seeds[parties.indexOf(signer)]!;
      wire = parsed.assemble([{ bytes: sign(seedOf, parsed.signingInputs[0]!.bytes) }]).transaction;
      if (!own.has(signer)) continue;
      const { outflows, grants, unresolved, takeovers } = parsed.effects;
      // Denied unless a rule accepts it: then nothing bounds it, or nobody knows.
      refused ||= [...outflows, ...grants].some(({ amount }) => amount === 'unbounded');
      refused ||= unresolved.length + takeovers.length > 0;
      if (!refused) counting.sign(rule(parsed.effects, signer), { walletId: 'one', ownAddresses: own });
    }
    if (refused) continue;
    const before = [ourSol(chain, false), ourSol(chain, true), ourTokens(chain)] as const;
    const result = chain.sendTransaction(getTransactionDecoder().decode(wire));
    if (!(result instanceof FailedTransactionMetadata)) {
      found.executed += 1;
      if (signers.filter((signer) => own.has(signer)).length > 1) found.several += 1;
    }
    const [sol, kept, tokens] = [
      before[0] - ourSol(chain, false),
      before[1] - ourSol(chain, true),
      before[2] - ourTokens(chain),
    ];
    if (sol > counting.asset(SOL)) found.leak = `seed ${seed}: SOL`;
    else if (kept > counting.wallet(SOL, 'one', true)) found.leak = `seed ${seed}: SOL without what stays`;
    else if (tokens > counting.asset(TOKEN)) found.leak = `seed ${seed}: tokens`;
    else if (tokens > counting.wallet(TOKEN, 'one', true)) found.leak = `seed ${seed}: tokens that leave`;
  }
  return found;
}

test('L17, L18: whatever a Solana transaction of several own accounts takes in a validator, limits counted', () => {
  const { leak, executed, several } = run(700);
  assert.equal(leak, null);
  assert.ok(executed > 100 && several > 30, `${executed} executed, ${several} of both accounts`);
});

test('the same search finds the loss when only the signature of who pays the fee counts', () => {
  const payerAlone: Rule = (effects, signer) =>
    signer === effects.feePayer ? effects : { ...effects, outflows: [], grants: [] };
  assert.match(run(500, payerAlone).leak ?? '', /^seed/);
});

test('the same search finds the loss when what goes to an own token account is taken for kept', () => {
  const keptInTokens: Rule = (effects) => ({
    ...effects,
    outflows: effects.outflows.filter(({ from }) => !ours.some((each) => from === tokensAt(each, mint))),
  });
  assert.match(run(500, keptInTokens).leak ?? '', /^seed/);
});
