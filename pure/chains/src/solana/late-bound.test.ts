import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keypair, type PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { withoutLateBound } from './late-bound.ts';

const from = Keypair.generate().publicKey;
const to = Keypair.generate().publicKey;

function transfer(lamports: number, recipient: PublicKey = to): Transaction {
  return new Transaction({ feePayer: from, recentBlockhash: Keypair.generate().publicKey.toBase58() }).add(
    SystemProgram.transfer({ fromPubkey: from, toPubkey: recipient, lamports }),
  );
}
const wire = (transaction: Transaction) =>
  new Uint8Array(transaction.serialize({ requireAllSignatures: false, verifySignatures: false }));
const bare = (transaction: Transaction) => new Uint8Array(transaction.serializeMessage());

for (const [form, bytes] of [
  ['a wire transaction', wire],
  ['a bare message', bare],
] as const) {
  test(`${form} is the same whatever its blockhash, and another when anything else differs`, () => {
    const open = withoutLateBound(bytes(transfer(1)));
    assert.deepEqual(withoutLateBound(bytes(transfer(1))), open);
    assert.notDeepEqual(withoutLateBound(bytes(transfer(2))), open);
    assert.notDeepEqual(withoutLateBound(bytes(transfer(1, Keypair.generate().publicKey))), open);
  });
}

test('signatures of others are left open, since they cover the blockhash', () => {
  const bytes = wire(transfer(1));
  const signed = bytes.slice();
  signed.fill(7, 1, 65);
  assert.deepEqual(withoutLateBound(signed), withoutLateBound(bytes));
});

test('nothing of a transaction with a durable nonce is left open', () => {
  const nonce = SystemProgram.nonceAdvance({ noncePubkey: to, authorizedPubkey: from });
  const durable = () => {
    const transaction = transfer(1);
    transaction.instructions.unshift(nonce);
    return bare(transaction);
  };
  const bytes = durable();
  assert.deepEqual(withoutLateBound(bytes), bytes);
  assert.notDeepEqual(withoutLateBound(bytes), withoutLateBound(durable()));
});

test('bytes that are no transaction are refused', () => {
  assert.throws(() => withoutLateBound(new Uint8Array(200)));
});
