/**
 * Generated Solana transactions of two own accounts and a stranger's, each of which may pay, sign and receive, carried out by
 * a validator. What leaves our accounts is no more than what limits counted under our signatures together.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ParseContext, SigningAccount } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import { associatedTokenAddress } from '@keystead/chains/solana/address';
import { parseTransaction } from '@keystead/chains/solana/parse';
import {
  ASSOCIATED_TOKEN_PROGRAM,
  SOL,
  TOKEN_2022_PROGRAM,
  TOKEN_PROGRAM,
  WRAPPED_SOL_MINT,
} from '@keystead/chains/solana/programs';
import { base58Decode, base58Encode } from '@keystead/crypto/base58';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { publicKey, sign } from '@keystead/crypto/ed25519';
import { sha256 } from '@keystead/crypto/sha256';
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
/** A mint of Token-2022 that keeps a tenth of every transfer. */
const taxed = base58Encode(new Uint8Array(32).fill(78));
const TAXED = `solana/token:${taxed}`;
const programOf = (of: string): string => (of === taxed ? TOKEN_2022_PROGRAM : TOKEN_PROGRAM);
const tokensAt = (owner: string, of: string): string => associatedTokenAddress(owner, of, programOf(of));
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
  const install = (address: string, data: Uint8Array, program = TOKEN_PROGRAM): void =>
    chain.setAccount({
      address: address as Address,
      data,
      executable: false,
      lamports: lamports(chain.minimumBalanceForRentExemption(BigInt(data.length))),
      programAddress: program as Address,
      space: BigInt(data.length),
    });
  const mintData = new Uint8Array(82);
  mintData.set(u64(10n ** 9n), 36);
  mintData.set([6, 1], 44);
  install(mint, mintData);
  // Base mint, padding, kind of account (1: mint), then the extension of transfer fees (1): no authorities, nothing withheld,
  // and twice the same fee, from epoch 0 on, without a cap, of 1,000 hundredths of a percent.
  const fee = [...u64(0n), ...u64(2n ** 64n - 1n), 0xe8, 0x03];
  const config = [...new Uint8Array(64), ...u64(0n), ...fee, ...fee];
  const taxedData = new Uint8Array(166 + 4 + config.length);
  taxedData.set(mintData, 0);
  taxedData.set([1, 1, 0, config.length, 0, ...config], 165);
  install(taxed, taxedData, TOKEN_2022_PROGRAM);
  for (const owner of parties) {
    chain.airdrop(owner as Address, lamports(10n ** 13n));
    const tokens = new Uint8Array(165);
    tokens.set(base58Decode(mint), 0);
    tokens.set(base58Decode(owner), 32);
    tokens.set(u64(10n ** 8n), 64);
    tokens[108] = 1;
    install(tokensAt(owner, mint), tokens);
    // Kind of account (2), and the extension that holds what was withheld (2).
    const withheld = new Uint8Array(178);
    withheld.set(tokens, 0);
    withheld.set(base58Decode(taxed), 0);
    withheld.set([2, 2, 0, 8, 0], 165);
    install(tokensAt(owner, taxed), withheld, TOKEN_2022_PROGRAM);
  }
  return chain;
}

const solOf = (chain: LiteSVM, address: string): bigint => chain.getBalance(address as Address) ?? 0n;

function tokensOf(chain: LiteSVM, address: string): bigint {
  const found = chain.getAccount(address as Address);
  if (!found.exists || found.data.length < 165) return 0n;
  return new DataView(found.data.buffer, found.data.byteOffset).getBigUint64(64, true);
}

/** Lamports of our addresses; with `kept` those of our token accounts too. */
function ourSol(chain: LiteSVM, kept: boolean): bigint {
  const addresses = kept
    ? ours.flatMap((owner) => [owner, ...[mint, taxed, WRAPPED_SOL_MINT].map((of) => tokensAt(owner, of))])
    : ours;
  return addresses.reduce((sum, address) => sum + solOf(chain, address), 0n);
}

const ourTokens = (chain: LiteSVM, of: string): bigint =>
  ours.reduce((sum, owner) => sum + tokensOf(chain, tokensAt(owner, of)), 0n);

/** A nonce account that one of ours has the seed of. */
const nonceOf = (base: string): string =>
  base58Encode(
    sha256(
      concatBytes(base58Decode(base), utf8Encode('n'), base58Decode(SystemProgram.programId.toBase58())),
    ),
  );

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
    programOf(of),
  );
  made.keys[2]!.isSigner = owner === payer;
  return made;
}

const pay = (from: string, to: string, amount: bigint): TransactionInstruction =>
  SystemProgram.transfer({ fromPubkey: new PublicKey(from), toPubkey: new PublicKey(to), lamports: amount });

/** A tenth is withheld; whether that is said or not. */
function taxedTransfer(random: Random, from: string, to: string, amount: bigint): TransactionInstruction {
  const fee = (amount + 9n) / 10n;
  const data = random.chance(50)
    ? [12, ...u64(amount), 6]
    : [26, 1, ...u64(amount), 6, ...u64(random.chance(90) ? fee : fee + 1n)];
  return instruction(TOKEN_2022_PROGRAM, data, tokensAt(from, taxed), taxed, tokensAt(to, taxed), from);
}

function nonceAccount(from: string, payer: string, amount: bigint): TransactionInstruction[] {
  const noncePubkey = new PublicKey(nonceOf(from));
  return SystemProgram.createNonceAccount({
    fromPubkey: new PublicKey(payer),
    noncePubkey,
    authorizedPubkey: new PublicKey(from),
    lamports: Number(amount),
    basePubkey: new PublicKey(from),
    seed: 'n',
  }).instructions;
}

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
  switch (random.below(12)) {
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
    case 7:
      return [create(payer, to, taxed), taxedTransfer(random, from, to, amount)];
    case 8:
      return [taxedTransfer(random, from, to, amount), taxedTransfer(random, to, from, amount)];
    case 9:
      return nonceAccount(from, payer, BigInt(1_500_000 + random.below(1_000_000)));
    case 10:
      return [
        SystemProgram.nonceWithdraw({
          noncePubkey: new PublicKey(nonceOf(from)),
          authorizedPubkey: new PublicKey(from),
          toPubkey: new PublicKey(to),
          lamports: random.below(600_000),
        }),
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
  /** Transactions of which the mint kept something. */
  taxed: number;
  /** Nonce accounts that were made or drawn from. */
  nonces: number;
  leak: string | null;
}

/** Carries transactions out one after the other, until one takes more than was counted. */
function run(
  count: number,
  rule: Rule = (effects) => effects,
  context: ParseContext = { ownAddresses: own },
): Run {
  const chain = newChain();
  const found: Run = { executed: 0, several: 0, taxed: 0, nonces: 0, leak: null };
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
      const parsed = parseTransaction(wire, accountOf(signer), context);
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
    const before = [
      ourSol(chain, false),
      ourSol(chain, true),
      ourTokens(chain, mint),
      ourTokens(chain, taxed),
    ] as const;
    const result = chain.sendTransaction(getTransactionDecoder().decode(wire));
    if (!(result instanceof FailedTransactionMetadata)) {
      found.executed += 1;
      if (message.staticAccountKeys.some((key) => parties.some((each) => key.toBase58() === nonceOf(each))))
        found.nonces += 1;
      if (signers.filter((signer) => own.has(signer)).length > 1) found.several += 1;
    }
    const [sol, kept, tokens, taxedTokens] = [
      before[0] - ourSol(chain, false),
      before[1] - ourSol(chain, true),
      before[2] - ourTokens(chain, mint),
      before[3] - ourTokens(chain, taxed),
    ];
    if (taxedTokens > 0n) found.taxed += 1;
    if (sol > counting.asset(SOL)) found.leak = `seed ${seed}: SOL`;
    else if (kept > counting.wallet(SOL, 'one', true)) found.leak = `seed ${seed}: SOL without what stays`;
    else if (tokens > counting.asset(TOKEN)) found.leak = `seed ${seed}: tokens`;
    else if (tokens > counting.wallet(TOKEN, 'one', true)) found.leak = `seed ${seed}: tokens that leave`;
    else if (taxedTokens > counting.asset(TAXED)) found.leak = `seed ${seed}: taxed tokens`;
    else if (taxedTokens > counting.wallet(TAXED, 'one', true))
      found.leak = `seed ${seed}: what a mint keeps`;
  }
  return found;
}

test('L17, L18: whatever a Solana transaction of several own accounts takes in a validator, limits counted', () => {
  const { leak, executed, several, taxed: taxedOnes, nonces } = run(1000);
  assert.equal(leak, null);
  const figures = `${executed} executed, ${several} of both accounts, ${taxedOnes} taxed, ${nonces} of nonces`;
  assert.ok(executed > 100 && several > 30 && taxedOnes > 20 && nonces > 5, figures);
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

test('the same search finds the loss when a transfer to the other own account is taken for kept, whatever its mint keeps', () => {
  assert.match(run(1000, undefined, {}).leak ?? '', /what a mint keeps$/);
});
