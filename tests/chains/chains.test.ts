import '../loopback-only.ts';
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Connection, Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { privateKeyToAccount } from 'viem/accounts';
import { type Anvil, SEPOLIA_CHAIN_ID, startAnvil } from './anvil.ts';
import { type LiteSvmRpc, startLiteSvmRpc } from './litesvm-rpc.ts';

describe('anvil', () => {
  let anvil: Anvil;
  before(async () => {
    anvil = await startAnvil();
  });
  after(() => anvil.stop());

  test('runs as Sepolia, funds an address and moves what a transaction sends', async () => {
    assert.equal(await anvil.call('eth_chainId', []), `0x${SEPOLIA_CHAIN_ID.toString(16)}`);
    const account = privateKeyToAccount(`0x${'11'.repeat(32)}`);
    const to = '0x000000000000000000000000000000000000bEEF';
    await anvil.fund(account.address, 10n ** 18n);
    const raw = await account.signTransaction({
      type: 'eip1559',
      chainId: SEPOLIA_CHAIN_ID,
      nonce: 0,
      to,
      value: 5n,
      gas: 21_000n,
      maxFeePerGas: 10n ** 10n,
      maxPriorityFeePerGas: 1n,
    });
    assert.ok(await anvil.mined((await anvil.call('eth_sendRawTransaction', [raw])) as string));
    assert.equal(await anvil.balance(to), 5n);
    await assert.rejects(anvil.call('eth_sendRawTransaction', [raw]), /nonce too low|already/);
  });
});

describe('Solana over LiteSVM', () => {
  let solana: LiteSvmRpc;
  before(async () => {
    solana = await startLiteSvmRpc();
  });
  after(() => solana.stop());

  test('serves an ordinary client, and executes a transfer once', async () => {
    const connection = new Connection(solana.url, 'confirmed');
    const payer = Keypair.generate();
    const to = Keypair.generate().publicKey;
    await connection.requestAirdrop(payer.publicKey, 1_000_000_000);
    const { blockhash } = await connection.getLatestBlockhash();
    const transaction = new Transaction({ feePayer: payer.publicKey, recentBlockhash: blockhash });
    transaction.add(
      SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: to, lamports: 5_000_000 }),
    );
    transaction.sign(payer);
    const wire = transaction.serialize();
    const signature = await connection.sendRawTransaction(wire);
    assert.equal(await connection.getBalance(to), 5_000_000);
    const statuses = await connection.getSignatureStatuses([signature]);
    assert.equal(statuses.value[0]?.err, null);
    await assert.rejects(connection.sendRawTransaction(wire), /already been processed|AlreadyProcessed/);
    assert.equal(await connection.getBalance(to), 5_000_000);
  });

  test('refuses a transaction whose signature does not verify', async () => {
    const connection = new Connection(solana.url, 'confirmed');
    const payer = Keypair.generate();
    solana.fund(payer.publicKey.toBase58(), 1_000_000_000n);
    const transaction = new Transaction({ feePayer: payer.publicKey, recentBlockhash: solana.blockhash() });
    const to = new PublicKey(new Uint8Array(32).fill(9));
    transaction.add(SystemProgram.transfer({ fromPubkey: payer.publicKey, toPubkey: to, lamports: 1 }));
    transaction.sign(payer);
    const wire = transaction.serialize();
    wire[10]! ^= 1;
    await assert.rejects(connection.sendRawTransaction(wire), /signature|Signature/);
    assert.equal(solana.balance(to.toBase58()), 0n);
  });
});
