import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicKey } from '@keystead/crypto/ed25519';
import {
  appendTransactionMessageInstructions,
  type Blockhash,
  address as kitAddress,
  compileTransaction,
  createNoopSigner,
  createTransactionMessage,
  getTransactionEncoder,
  type Instruction,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from '@solana/kit';
import { getTransferSolInstruction } from '@solana-program/system';
import {
  findAssociatedTokenPda,
  getApproveCheckedInstruction,
  getBatchInstruction,
  getCloseAccountInstruction,
  getCreateAssociatedTokenIdempotentInstruction,
  getTransferCheckedInstruction,
  TOKEN_PROGRAM_ADDRESS,
} from '@solana-program/token';
import fc from 'fast-check';
import { address } from './address.ts';
import { solana } from './chain.ts';

const keyOf = (fill: number): Uint8Array => publicKey(new Uint8Array(32).fill(fill));
const us = kitAddress(address(keyOf(1), 'Solana'));
const them = kitAddress(address(keyOf(2), 'Solana'));
const mint = kitAddress('EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGkZwyTDt1v');
const signer = createNoopSigner(us);
const account = {
  publicKey: keyOf(1),
  addressFormat: 'Solana',
  address: us,
  derivationPath: "m/44'/501'/0'/0'",
} as const;

function compile(instructions: readonly Instruction[], version: 0 | 'legacy' = 0) {
  const blockhash = address(new Uint8Array(32).fill(7), 'Solana') as Blockhash;
  return compileTransaction(
    pipe(
      createTransactionMessage({ version }),
      (message) => setTransactionMessageFeePayer(us, message),
      (message) =>
        setTransactionMessageLifetimeUsingBlockhash({ blockhash, lastValidBlockHeight: 1n }, message),
      (message) => appendTransactionMessageInstructions(instructions, message),
    ),
  );
}

test('reads what kit compiles, as message bytes and as a wire transaction', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.constantFrom(0 as const, 'legacy' as const),
      (amount, recipient, version) => {
        const destination = kitAddress(address(recipient, 'Solana'));
        fc.pre(destination !== us && !/^1{32}$/.test(destination));
        const compiled = compile(
          [getTransferSolInstruction({ source: signer, destination, amount })],
          version,
        );
        const message = Uint8Array.from(compiled.messageBytes);
        const wire = Uint8Array.from(getTransactionEncoder().encode(compiled));
        for (const bytes of [message, wire]) {
          const parsed = solana.parseTransaction(bytes, account);
          assert.deepEqual(parsed.signingInputs[0]!.bytes, message);
          assert.deepEqual(parsed.effects.outflows, [
            { asset: 'solana/slip44:501', amount, from: us, to: destination, kind: 'transfer' },
          ]);
          assert.equal(parsed.effects.version, version === 0 ? 'v0' : 'legacy');
          const assembled = parsed.assemble([{ bytes: new Uint8Array(64) }]);
          assert.deepEqual(assembled.transaction, wire);
        }
      },
    ),
    { numRuns: 300, seed: 8400 },
  );
});

test('reads the token instructions that the program client builds, also inside its batch', async () => {
  const find = async (owner: typeof us) =>
    (await findAssociatedTokenPda({ owner, mint, tokenProgram: TOKEN_PROGRAM_ADDRESS }))[0];
  const [source, destination] = [await find(us), await find(them)];
  const create = getCreateAssociatedTokenIdempotentInstruction({
    payer: signer,
    ata: destination,
    owner: them,
    mint,
  });
  const inner = [
    getTransferCheckedInstruction({ source, mint, destination, authority: signer, amount: 42n, decimals: 6 }),
    getApproveCheckedInstruction({ source, mint, delegate: them, owner: signer, amount: 43n, decimals: 6 }),
    getCloseAccountInstruction({ account: source, destination: them, owner: signer }),
  ];
  const batched = getBatchInstruction(inner);
  for (const instructions of [
    [create, ...inner],
    [create, batched],
  ]) {
    const message = Uint8Array.from(compile(instructions).messageBytes);
    const { effects } = solana.parseTransaction(message, account);
    assert.deepEqual(
      effects.outflows.map((each) => [each.asset, each.amount, each.to, each.kind]),
      [
        ['solana/slip44:501', 2_039_280n, them, 'rent'],
        [`solana/token:${mint}`, 42n, them, 'transfer'],
        ['solana/slip44:501', 'unbounded', them, 'transfer'],
      ],
    );
    assert.deepEqual(
      effects.grants.map((each) => [each.spender, each.amount]),
      [[them, 43n]],
    );
    assert.deepEqual(effects.unresolved, []);
  }
});
