import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keypair } from '@solana/web3.js';
import { Mnemonic, Wallet as EthereumWallet } from 'ethers';
import type { RawClient } from '../raw-client.ts';
import { conforming } from './conforms.ts';
import { open, recipientKeys, seal } from './hpke-secrets.ts';
import { code } from './refused.ts';

const running = withStack({ settings: { compatibilityImport: true } });

/** Its entropy is 32 zero bytes. */
const PHRASE_OF_ZEROS = `${'abandon '.repeat(23)}art`;

interface Envelope {
  envelope: string;
  publicKey: string;
}
interface Wallet {
  walletId: string;
  type: string;
  accounts?: { address: string }[];
  account?: { address: string };
}

async function imported(
  client: RawClient,
  organizationId: string,
  secret: Uint8Array,
  wallet: Record<string, unknown>,
  names = ['initWalletImport', 'completeImportWallet'],
): Promise<Wallet> {
  const [init, complete] = names as [string, string];
  const importEnvelope = conforming(
    'initWalletImport',
    await client.call<Envelope>(init, { organizationId }),
  );
  const encrypted = await seal(importEnvelope.publicKey, running.stack.deploymentId, organizationId, secret);
  return conforming(
    'completeImportWallet',
    await client.call<Wallet>(complete, {
      organizationId,
      walletName: 'I',
      importEnvelope,
      encryptedSecret: Buffer.from(encrypted).toString('base64'),
      ...wallet,
    }),
  );
}

/** The plaintext of an export, opened with a fresh key. */
async function exported(client: RawClient, organizationId: string, walletId: string): Promise<Uint8Array> {
  const recipient = await recipientKeys();
  const publicKey = Buffer.from(recipient.publicKey).toString('base64');
  const { encryptedBundle } = conforming(
    'exportWallet',
    await client.call<{ encryptedBundle: string }>('exportWallet', { organizationId, walletId, publicKey }),
  );
  const bundle = Buffer.from(encryptedBundle, 'base64url');
  return await open(recipient.privateKey, running.stack.deploymentId, organizationId, walletId, bundle);
}

test('initWalletImport: gives a fresh key each time, under the older name too', async () => {
  const { client, organizationId } = await running.organization();
  const names = ['initWalletImport', 'initWalletImport', 'initMnemonicImport'];
  const keys = new Set<string>();
  for (const name of names) {
    const { envelope, publicKey } = await client.call<Envelope>(name, { organizationId });
    assert.equal(Buffer.from(publicKey, 'base64url').length, 32);
    assert.ok(envelope.length > 32);
    keys.add(publicKey);
  }
  assert.equal(keys.size, 3);
});

test('completeImportWallet: a phrase gives the address that another wallet shows for it', async () => {
  const { client, organizationId } = await running.organization();
  const entropy = Buffer.from(Mnemonic.fromPhrase(PHRASE_OF_ZEROS).entropy.slice(2), 'hex');
  const accounts = ["m/44'/60'/0'/0/0"];
  // All its bytes are equal, which is no secret.
  await assert.rejects(
    imported(client, organizationId, entropy, { accounts, mnemonicLength: 24 }),
    code('import-invalid'),
  );
  const own = Mnemonic.fromEntropy(`0x${Buffer.from([...Array(16).keys()]).toString('hex')}`);
  const secret = Buffer.from(own.entropy.slice(2), 'hex');
  for (const names of [undefined, ['initMnemonicImport', 'completeMnemonicImport']]) {
    const wallet = await imported(
      client,
      organizationId,
      secret,
      { accounts, mnemonicLength: 12, tags: ['imported'] },
      names,
    );
    assert.equal(wallet.type, 'MNEMONIC');
    const expected = EthereumWallet.fromPhrase(own.phrase).address;
    assert.equal(wallet.accounts![0]!.address, expected);
  }
});

test('completeImportWallet: single keys of both curves', async () => {
  const { client, organizationId } = await running.organization();
  const solana = Keypair.generate();
  const seed = solana.secretKey.subarray(0, 32);
  const first = await imported(client, organizationId, seed, { curve: 'Ed25519' });
  assert.equal(first.account!.address, solana.publicKey.toBase58());
  const ethereum = EthereumWallet.createRandom();
  const key = Buffer.from(ethereum.privateKey.slice(2), 'hex');
  const second = await imported(client, organizationId, key, { curve: 'K256', addressFormat: 'Ethereum' });
  assert.equal(second.account!.address, ethereum.address);
});

test('completeImportWallet: refuses what was not encrypted for this key, organization and wallet', async () => {
  const { client, organizationId } = await running.organization();
  const other = await running.organization();
  const secret = Keypair.generate().secretKey.subarray(0, 32);
  const importEnvelope = await client.call<Envelope>('initWalletImport', { organizationId });
  const complete = (sealed: Uint8Array, more: Record<string, unknown> = {}, by = client) =>
    by.call('completeImportWallet', {
      organizationId,
      walletName: 'I',
      importEnvelope,
      encryptedSecret: Buffer.from(sealed).toString('base64'),
      curve: 'Ed25519',
      ...more,
    });
  const elsewhere = await seal(
    importEnvelope.publicKey,
    running.stack.deploymentId,
    other.organizationId,
    secret,
  );
  await assert.rejects(complete(elsewhere), code('import-invalid'));
  const right = await seal(importEnvelope.publicKey, running.stack.deploymentId, organizationId, secret);
  await assert.rejects(
    complete(right, { organizationId: other.organizationId }, other.client),
    code('import-invalid'),
  );
  const broken = Uint8Array.from(right);
  broken[40]! ^= 1;
  await assert.rejects(complete(broken), code('import-invalid'));
  const short = await seal(
    importEnvelope.publicKey,
    running.stack.deploymentId,
    organizationId,
    secret.subarray(0, 16),
  );
  await assert.rejects(complete(short), code('import-invalid'));
  const { totalCount } = await client.call<{ totalCount: number }>('getOrganizationWallets', {
    organizationId,
  });
  assert.equal(totalCount, 0);
  await complete(right);
});

test('exportWallet: gives the secret to the key that the request names, for a round trip', async () => {
  const { client, organizationId } = await running.organization();
  const path = "m/44'/60'/0'/0/0";
  const made = await client.call<Wallet>('createWallet', {
    organizationId,
    walletName: 'W',
    accounts: [path],
    mnemonicLength: 12,
  });
  const bundle = await exported(client, organizationId, made.walletId);
  assert.equal(bundle[0], 1);
  const entropy = bundle.subarray(5, 5 + Buffer.from(bundle).readUInt32BE(1));
  const phrase = Mnemonic.fromEntropy(`0x${Buffer.from(entropy).toString('hex')}`).phrase;
  assert.equal(phrase.split(' ').length, 12);
  assert.equal(EthereumWallet.fromPhrase(phrase).address, made.accounts![0]!.address);
  const again = await imported(client, organizationId, entropy, { accounts: [path], mnemonicLength: 12 });
  assert.equal(again.accounts![0]!.address, made.accounts![0]!.address);
  assert.notEqual(again.walletId, made.walletId);
  assert.deepEqual(await exported(client, organizationId, again.walletId), bundle);
});

test('exportWallet: a single key, and no key of low order', async () => {
  const { client, organizationId } = await running.organization();
  const { walletId, account } = await client.call<Wallet>('createWallet', {
    organizationId,
    walletName: 'K',
    curve: 'Ed25519',
  });
  const bundle = await exported(client, organizationId, walletId);
  assert.deepEqual([...bundle.subarray(0, 3)], [2, 1, 1]);
  assert.equal(Keypair.fromSeed(bundle.subarray(3)).publicKey.toBase58(), account!.address);
  const publicKey = Buffer.alloc(32).toString('base64');
  await assert.rejects(
    client.call('exportWallet', { organizationId, walletId, publicKey }),
    code('export-key-unacceptable'),
  );
});

test('listPendingMigrations: an empty list', async () => {
  const { client, organizationId } = await running.organization();
  const list = conforming(
    'listPendingMigrations',
    await client.call('listPendingMigrations', { organizationId }),
  );
  assert.deepEqual(list, { pendingMigrations: [] });
});

test('completeWalletTransfer: says that it needs Connect', async () => {
  const { client, organizationId } = await running.organization();
  await assert.rejects(
    client.call('completeWalletTransfer', { organizationId, migrationId: 'm-1' }),
    code('not-supported'),
  );
});
