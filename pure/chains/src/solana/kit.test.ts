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
import fc from 'fast-check';
import { address } from './address.ts';
import { solana } from './chain.ts';

const keyOf = (fill: number): Uint8Array => publicKey(new Uint8Array(32).fill(fill));
const us = kitAddress(address(keyOf(1), 'Solana'));
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
