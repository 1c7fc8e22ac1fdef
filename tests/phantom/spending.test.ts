import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  generateKeyPair,
  NetworkId,
  type PhantomClient,
  SpendingLimitError,
  TransactionBlockedError,
} from '@phantom/client';
import { Keypair, PublicKey, SystemProgram, Transaction, type TransactionInstruction } from '@solana/web3.js';
import { Transaction as EthereumTransaction } from 'ethers';
import { Scene, SOL } from '../policies/scene.ts';
import { clientWith, keypairOf, type WalletType } from './phantom-client.ts';

const running = withStack();

const ETHER = 'eip155:11155111/slip44:60';
const SOLANA = NetworkId.SOLANA_DEVNET;
const SEPOLIA = NetworkId.ETHEREUM_SEPOLIA;

/** An app that a person connected with a dollar a day; SOL is 100 and ether 2,000 dollars. */
async function connected() {
  const scene = await Scene.of(running);
  const { organizationId, wallet } = scene;
  await scene.pricedAlike({ [SOL]: ['100000000', 9], [ETHER]: ['2000000000', 18] });
  const pair = generateKeyPair();
  await scene.root.call('addUserToOrganization', {
    organizationId,
    replaceExpirable: true,
    user: {
      username: 'app',
      authenticators: [keypairOf(pair)],
      policy: {
        type: 'CEL',
        preset: 'DAPP_CONNECTION_USER',
        walletId: wallet.walletId,
        usdLimit: { usdCentsLimitPerDay: 100, memoryAccount: 'm', memoryId: 0, memoryBump: 255 },
      },
      traits: { appId: 'app-1' },
      expiresInMs: 3_600_000,
    },
  });
  const app = (kind: WalletType = 'user-wallet') => clientWith(running, pair, organizationId, kind);
  const account = scene.address('Solana');
  const from = new PublicKey(account);
  const solana = (instruction: TransactionInstruction) => ({
    walletId: wallet.walletId,
    networkId: SOLANA,
    account,
    transaction: new Transaction({ feePayer: from, recentBlockhash: Keypair.generate().publicKey.toBase58() })
      .add(instruction)
      .serialize({ requireAllSignatures: false })
      .toString('base64url'),
  });
  const pays = (client: PhantomClient, lamports: number) =>
    client.signTransaction(
      solana(SystemProgram.transfer({ fromPubkey: from, toPubkey: Keypair.generate().publicKey, lamports })),
    );
  const paysEther = (client: PhantomClient, wei: bigint) =>
    client.signTransaction({
      walletId: wallet.walletId,
      networkId: SEPOLIA,
      transaction: EthereumTransaction.from({
        type: 2,
        chainId: 11_155_111,
        nonce: 0,
        to: '0x000000000000000000000000000000000000bEEF',
        value: wei,
        gasLimit: 21_000n,
        maxFeePerGas: 1n,
        maxPriorityFeePerGas: 1n,
      }).unsignedSerialized,
    });
  return { scene, app, from, solana, pays, paysEther };
}

test('a dollar a day: what goes beyond is a SpendingLimitError with its four figures, before anything is signed', async () => {
  const { app, pays } = await connected();
  // 0.006 SOL are 60 cents; with 5,000 lamports of fee a little more.
  await pays(app(), 6_000_000);
  await assert.rejects(pays(app(), 5_000_000), (error: unknown) => {
    assert.ok(error instanceof SpendingLimitError, String(error));
    const { previousSpendCents, transactionSpendCents, totalSpendCents, limitCents } = error;
    assert.deepEqual(
      [previousSpendCents, transactionSpendCents, totalSpendCents, limitCents],
      [61, 51, 111, 100],
    );
    return true;
  });
  await pays(app(), 3_000_000);
});

test('the limit holds without /prepare, and on EVM, in one budget', async () => {
  const { app, pays, paysEther } = await connected();
  const server = app('server-wallet');
  await pays(server, 6_000_000);
  // 0.0001 ether are 20 cents.
  await paysEther(server, 100_000_000_000_000n);
  const beyond = /DAPP_CONNECTION_USER\/usd-per-day: deny: .*spending-limit-exceeded/;
  await assert.rejects(pays(server, 5_000_000), beyond);
  await assert.rejects(paysEther(server, 200_000_000_000_000n), beyond);
  await paysEther(server, 50_000_000_000_000n);
});

test('what hands over an account is a TransactionBlockedError that names rule and part', async () => {
  const { app, from, solana } = await connected();
  const handsOver = SystemProgram.nonceAuthorize({
    noncePubkey: Keypair.generate().publicKey,
    authorizedPubkey: from,
    newAuthorizedPubkey: Keypair.generate().publicKey,
  });
  await assert.rejects(app().signTransaction(solana(handsOver)), (error: unknown) => {
    assert.ok(error instanceof TransactionBlockedError, String(error));
    const { rule, field } = error.scannerResult as { rule: string; field: string };
    assert.equal(rule, 'effects-takeover');
    assert.match(field, /takeovers\[0\]/);
    return true;
  });
});

test('an app has its wallet and no other, and cannot let anybody in', async () => {
  const { scene, app } = await connected();
  const { organizationId } = scene;
  const other = await scene.root.call<{ walletId: string }>('createWallet', {
    organizationId,
    walletName: 'other',
  });
  const sign = (walletId: string) => app().signUtf8Message({ walletId, message: 'hi', networkId: SOLANA });
  await sign(scene.wallet.walletId);
  await assert.rejects(sign(other.walletId), /DAPP_CONNECTION_USER\/wallet: deny: resource.wallet/);
  await assert.rejects(app().createWallet('mine'), /nothing allows createWallet/);
});

test('rules in CEL with constants decide, and what does not parse changes nothing', async () => {
  const scene = await Scene.of(running);
  const friend = Keypair.generate().publicKey;
  const policy = (expression: string) => ({
    type: 'CEL',
    rules: [
      { expression, outcome: 'ALLOW', comment: 'friends only' },
      { expression: 'effects.fee > 5000', outcome: 'DENY', comment: 'no tips' },
    ],
    constants: [{ name: 'friends', value: [friend.toBase58()] }],
  });
  const agent = await scene.user('agent', policy('effects.outflows.all(o, o.to in friends)'));
  const sends = (to = Keypair.generate().publicKey) => agent.send(scene.body(agent, scene.transfer(1, to)));
  assert.equal((await sends(friend)).status, 200);
  const refused = (await sends()).body!;
  assert.deepEqual([refused.code, refused.field], ['policy-denied', 'effects.outflows[0].to']);
  await assert.rejects(
    scene.change('agent', policy('effects.outflows.all(o, o.to in enemies)')),
    /no list is named enemies/,
  );
  await assert.rejects(scene.change('agent', policy('effects.outflows.map(o, o.to)')), /line 1, column 18/);
  assert.equal((await sends(friend)).status, 200);
});
