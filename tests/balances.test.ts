import { withStack } from './with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, createClient } from '@keystead/sdk/client';
import { toSolanaSigner } from '@keystead/sdk/solana';
import { toViemAccount } from '@keystead/sdk/viem';
import {
  address,
  appendTransactionMessageInstruction,
  createSolanaRpc,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  getSignatureFromTransaction,
  lamports,
  pipe,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
} from '@solana/kit';
import { getTransferSolInstruction } from '@solana-program/system';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { createPublicClient, createWalletClient, http, serializeTransaction } from 'viem';
import { toAccount } from 'viem/accounts';
import { sepolia } from 'viem/chains';
import { SEPOLIA } from './chains/anvil.ts';
import { DEVNET } from './chains/litesvm-rpc.ts';
import type { StampKey } from './raw-client.ts';

const SOLANA_PATH = "m/44'/501'/0'/0'";
const ETHEREUM_PATH = "m/44'/60'/0'/0/0";
const SOL = 1_000_000_000n;
const ETHER = 10n ** 18n;
const RECIPIENT = '0x000000000000000000000000000000000000bEEF';

let client: Client;
let wallet: { readonly organizationId: string; readonly walletId: string };

const stamperOf = (key: StampKey) => ({
  algorithm: 'ed25519' as const,
  publicKey: key.publicKeyBytes,
  sign: async (message: Uint8Array) => key.sign(message),
});

const running = withStack({ chains: true }, async (running) => {
  const organization = await running.organization();
  client = createClient({
    baseUrl: running.api,
    stamper: stamperOf(organization.client.key),
    root: running.stack.deploymentId,
  });
  const { organizationId } = organization;
  const { walletId } = await client.call('createWallet', { organizationId, walletName: 'W' });
  wallet = { organizationId, walletId };
});

test('an account of viem moves ether', async () => {
  const account = toAccount(await toViemAccount(client, { ...wallet, derivationInfo: ETHEREUM_PATH }));
  await running.anvil.fund(account.address, 10n * ETHER);
  const transport = http(running.anvil.url);
  const sender = createWalletClient({ account, chain: sepolia, transport });
  const before = await running.anvil.balance(RECIPIENT);
  const hash = await sender.sendTransaction({ to: RECIPIENT, value: 2n * ETHER });
  assert.ok(await running.anvil.mined(hash));
  assert.equal((await running.anvil.balance(RECIPIENT)) - before, 2n * ETHER);
  const reader = createPublicClient({ chain: sepolia, transport });
  const signature = await sender.signMessage({ message: 'hello' });
  assert.ok(await reader.verifyMessage({ address: account.address, message: 'hello', signature }));
});

test('a signer of @solana/kit moves lamports', async () => {
  const signer = await toSolanaSigner(client, { ...wallet, derivationInfo: SOLANA_PATH });
  running.solana.fund(signer.address, 10n * SOL);
  const destination = address(Keypair.generate().publicKey.toBase58());
  const rpc = createSolanaRpc(running.solana.url);
  const { value: blockhash } = await rpc.getLatestBlockhash().send();
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (draft) => setTransactionMessageFeePayerSigner(signer as never, draft),
    (draft) => setTransactionMessageLifetimeUsingBlockhash(blockhash, draft),
    (draft) =>
      appendTransactionMessageInstruction(
        getTransferSolInstruction({ source: signer as never, destination, amount: lamports(3n * SOL) }),
        draft,
      ),
  );
  const transaction = await signTransactionMessageWithSigners(message as never);
  const signature = await rpc
    .sendTransaction(getBase64EncodedWireTransaction(transaction), { encoding: 'base64' })
    .send();
  assert.equal(signature, getSignatureFromTransaction(transaction));
  assert.equal(running.solana.balance(destination), 3n * SOL);
});

test('sign and send in one request moves a balance on both chains, once for equal bytes', async () => {
  const [ethereum, solana] = await client.call('getAccounts', {
    ...wallet,
    accounts: [ETHEREUM_PATH, SOLANA_PATH],
  });
  await running.anvil.fund(ethereum!.address, 10n * ETHER);
  running.solana.fund(solana!.address, 10n * SOL);
  const nonce = Number(await running.anvil.call('eth_getTransactionCount', [ethereum!.address, 'latest']));
  const unsigned = serializeTransaction({
    type: 'eip1559',
    chainId: sepolia.id,
    nonce,
    to: RECIPIENT,
    value: ETHER,
    gas: 21_000n,
    maxFeePerGas: 10n ** 10n,
    maxPriorityFeePerGas: 10n ** 9n,
  });
  const before = await running.anvil.balance(RECIPIENT);
  const sent = await client.callVerified('signTransaction', {
    ...wallet,
    chain: 'ethereum',
    transaction: Buffer.from(unsigned.slice(2), 'hex').toString('base64url'),
    derivationInfo: ETHEREUM_PATH,
    network: SEPOLIA,
  });
  const { result: hash } = sent.submission as { result: string };
  assert.ok(await running.anvil.mined(hash));
  assert.equal((await running.anvil.balance(RECIPIENT)) - before, ETHER);

  const payer = new PublicKey(solana!.address);
  const to = Keypair.generate().publicKey;
  const bytes = new Transaction({ feePayer: payer, recentBlockhash: running.solana.blockhash() })
    .add(SystemProgram.transfer({ fromPubkey: payer, toPubkey: to, lamports: SOL }))
    .serializeMessage();
  const request = {
    ...wallet,
    chain: 'solana' as const,
    transaction: bytes.toString('base64url'),
    derivationInfo: SOLANA_PATH,
    network: DEVNET,
  };
  const first = await client.callVerified('signTransaction', request);
  // Another request with the same transaction: signed again, executed once.
  const second = await client.callVerified('signTransaction', request);
  assert.deepEqual(second.submission, first.submission);
  assert.equal(running.solana.balance(to.toBase58()), SOL);
});
