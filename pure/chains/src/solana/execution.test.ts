import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base58Decode, base58Encode } from '@keystead/crypto/base58';
import { publicKey, sign } from '@keystead/crypto/ed25519';
import { type Address, getTransactionDecoder, lamports } from '@solana/kit';
import {
  ComputeBudgetProgram,
  PublicKey,
  SystemProgram,
  TransactionInstruction,
  TransactionMessage,
} from '@solana/web3.js';
import fc from 'fast-check';
import { FailedTransactionMetadata, LiteSVM } from 'litesvm';
import { associatedTokenAddress } from './address.ts';
import { solana } from './chain.ts';
import { ASSOCIATED_TOKEN_PROGRAM, TOKEN_PROGRAM, WRAPPED_SOL_MINT } from './programs.ts';

const SEED = new Uint8Array(32).fill(1);
const ours = base58Encode(publicKey(SEED));
const theirs = base58Encode(publicKey(new Uint8Array(32).fill(2)));
const mint = base58Encode(new Uint8Array(32).fill(77));
const ourTokens = associatedTokenAddress(ours, mint, TOKEN_PROGRAM);
const theirTokens = associatedTokenAddress(theirs, mint, TOKEN_PROGRAM);
const ourWrapped = associatedTokenAddress(ours, WRAPPED_SOL_MINT, TOKEN_PROGRAM);
const account = {
  publicKey: publicKey(SEED),
  addressFormat: 'Solana',
  address: ours,
  derivationPath: "m/44'/501'/0'/0'",
} as const;

function u64(value: bigint): number[] {
  return Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function instruction(program: string, data: number[], ...keys: string[]): TransactionInstruction {
  return new TransactionInstruction({
    programId: new PublicKey(program),
    data: Buffer.from(data),
    keys: keys.map((key) => ({ pubkey: new PublicKey(key), isSigner: key === ours, isWritable: true })),
  });
}

/** A chain on which we have 10 SOL and 1,000 tokens of `mint`. */
function newChain(): LiteSVM {
  const chain = new LiteSVM();
  chain.airdrop(ours as Address, lamports(10_000_000_000n));
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
  mintData.set(u64(1000n), 36);
  mintData.set([6, 1], 44);
  install(mint, mintData);
  const tokens = new Uint8Array(165);
  tokens.set(base58Decode(mint), 0);
  tokens.set(base58Decode(ours), 32);
  tokens.set(u64(1000n), 64);
  tokens[108] = 1;
  install(ourTokens, tokens);
  return chain;
}

function tokensOf(chain: LiteSVM, address: string): bigint {
  const found = chain.getAccount(address as Address);
  if (!found.exists || found.data.length !== 165) return 0n;
  return new DataView(found.data.buffer, found.data.byteOffset).getBigUint64(64, true);
}

const solOf = (chain: LiteSVM, address: string): bigint => chain.getBalance(address as Address) ?? 0n;

const create = (owner: string, of: string) =>
  instruction(
    ASSOCIATED_TOKEN_PROGRAM,
    [1],
    ours,
    associatedTokenAddress(owner, of, TOKEN_PROGRAM),
    owner,
    of,
    SystemProgram.programId.toBase58(),
    TOKEN_PROGRAM,
  );

const send = (to: string, amount: bigint) =>
  SystemProgram.transfer({ fromPubkey: new PublicKey(ours), toPubkey: new PublicKey(to), lamports: amount });

const amount = fc.bigInt({ min: 0n, max: 600n });
const operation: fc.Arbitrary<TransactionInstruction[]> = fc.oneof(
  fc.bigInt({ min: 1_000_000n, max: 4_000_000_000n }).map((each) => [send(theirs, each)]),
  fc.constant<TransactionInstruction[]>([create(theirs, mint)]),
  amount.map((each) => [
    create(theirs, mint),
    instruction(TOKEN_PROGRAM, [12, ...u64(each), 6], ourTokens, mint, theirTokens, ours),
  ]),
  amount.map((each) => [
    create(theirs, mint),
    instruction(TOKEN_PROGRAM, [3, ...u64(each)], ourTokens, theirTokens, ours),
  ]),
  amount.map((each) => [instruction(TOKEN_PROGRAM, [15, ...u64(each), 6], ourTokens, mint, ours)]),
  amount.map((each) => [instruction(TOKEN_PROGRAM, [4, ...u64(each)], ourTokens, theirs, ours)]),
  fc
    .bigInt({ min: 1n, max: 2_000_000_000n })
    .map((each) => [
      create(ours, WRAPPED_SOL_MINT),
      send(ourWrapped, each),
      instruction(TOKEN_PROGRAM, [17], ourWrapped),
    ]),
  fc
    .constantFrom(ours, theirs)
    .map((to) => [create(ours, WRAPPED_SOL_MINT), instruction(TOKEN_PROGRAM, [9], ourWrapped, to, ours)]),
);
const price = fc.option(fc.bigInt({ min: 0n, max: 10n ** 9n }), { nil: null });

test('what a transaction really takes in a validator is at most what its effects say', () => {
  let executed = 0;
  let exact = 0;
  fc.assert(
    fc.property(fc.array(operation, { minLength: 1, maxLength: 3 }), price, (operations, microLamports) => {
      const chain = newChain();
      const instructions = operations.flat();
      if (microLamports !== null)
        instructions.push(ComputeBudgetProgram.setComputeUnitPrice({ microLamports }));
      const message = new TransactionMessage({
        payerKey: new PublicKey(ours),
        recentBlockhash: chain.latestBlockhash(),
        instructions,
      }).compileToV0Message();
      const parsed = solana.parseTransaction(message.serialize(), account);
      const signed = parsed.assemble([{ bytes: sign(SEED, parsed.signingInputs[0]!.bytes) }]);
      const before = [solOf(chain, ours), tokensOf(chain, ourTokens)] as const;
      const result = chain.sendTransaction(getTransactionDecoder().decode(signed.transaction));
      const lost = before[0] - solOf(chain, ours);
      const fee = parsed.effects.maxFee!.amount;
      if (result instanceof FailedTransactionMetadata) {
        assert.ok(lost <= fee, 'a failed transaction takes the fee at most');
        return;
      }
      executed += 1;
      assert.equal(base58Encode(result.signature()), signed.id());
      const { outflows, takeovers } = parsed.effects;
      const isToken = (asset: string): boolean => asset.startsWith('solana/token:');
      const limit = (token: boolean): bigint | null => {
        let total = 0n;
        for (const each of outflows) {
          if (isToken(each.asset) !== token) continue;
          if (each.amount === 'unbounded') return null;
          total += each.amount;
        }
        return total;
      };
      const solLimit = limit(false);
      if (solLimit !== null) assert.ok(lost <= solLimit + fee, `lost ${lost}, told ${solLimit + fee}`);
      if (lost === (solLimit ?? 0n) + fee) exact += 1;
      const lostTokens = before[1] - tokensOf(chain, ourTokens);
      assert.equal(lostTokens, limit(true), 'tokens are told exactly');
      assert.deepEqual(takeovers, []);
      const named = outflows.filter((each) => each.to === theirs && each.asset === 'solana/slip44:501');
      const received = solOf(chain, theirs);
      const bound = named.reduce<bigint | null>(
        (sum, each) => (sum === null || each.amount === 'unbounded' ? null : sum + each.amount),
        0n,
      );
      if (bound !== null) assert.ok(received <= bound, `they received ${received}, told ${bound}`);
    }),
    { numRuns: 80, seed: 24300 },
  );
  assert.ok(executed > 40 && exact > 20, `seed 24300: ${executed} executed, ${exact} to the lamport`);
});

test('a batch does in a validator what its effects say', () => {
  const chain = newChain();
  const inner = [12, ...u64(5n), 6];
  const batch = instruction(
    TOKEN_PROGRAM,
    [255, 4, inner.length, ...inner, 4, inner.length, ...inner],
    ...[ourTokens, mint, theirTokens, ours, ourTokens, mint, theirTokens, ours],
  );
  const message = new TransactionMessage({
    payerKey: new PublicKey(ours),
    recentBlockhash: chain.latestBlockhash(),
    instructions: [create(theirs, mint), batch],
  }).compileToV0Message();
  const parsed = solana.parseTransaction(message.serialize(), account);
  const signed = parsed.assemble([{ bytes: sign(SEED, parsed.signingInputs[0]!.bytes) }]);
  const result = chain.sendTransaction(getTransactionDecoder().decode(signed.transaction));
  assert.ok(!(result instanceof FailedTransactionMetadata), result.toString());
  const told = parsed.effects.outflows.filter((each) => each.asset.includes('token'));
  assert.deepEqual(
    told.map((each) => [each.amount, each.to]),
    [
      [5n, theirs],
      [5n, theirs],
    ],
  );
  assert.equal(tokensOf(chain, theirTokens), 10n);
});
