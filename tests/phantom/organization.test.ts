import { withStack } from '../with-stack.ts';
import { refusedHosts } from '../loopback-only.ts';
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { generateKeyPair, NetworkId } from '@phantom/client';
import { clientWith, found, keypairOf, publicKeyOf } from './phantom-client.ts';

const running = withStack();

after(() => {
  // The client asks its own time host before every request; nothing else may try to leave.
  assert.deepEqual([...new Set(refusedHosts())], ['time.phantom.app']);
});

test('createOrganization founds an organization whose root is the stamping key', async () => {
  const pair = generateKeyPair();
  const other = generateKeyPair();
  const organization = await clientWith(running, pair).createOrganization(
    'Acme',
    [
      { username: 'root', role: 'ADMIN', authenticators: [keypairOf(pair)] },
      { username: 'worker', role: 'USER', authenticators: [keypairOf(other, 'second')] },
    ],
    ['t1'],
  );
  assert.equal(organization.organizationName, 'Acme');
  assert.deepEqual(organization.tags, ['t1']);
  assert.deepEqual(
    organization.users.map(({ username, policy }) => [username, policy]),
    [
      ['root', { type: 'ROOT' }],
      ['worker', { type: 'CEL', preset: 'LEGACY_USER_ROLE' }],
    ],
  );
  const [authenticator] = organization.users[0]!.authenticators as unknown as Record<string, unknown>[];
  assert.equal(authenticator!.publicKey, publicKeyOf(pair));
  assert.equal(authenticator!.authenticatorName, 'first');
});

test('getOrganization answers what was founded', async () => {
  const { client, organizationId } = await found(running);
  const organization = await client.getOrganization(organizationId);
  assert.equal(organization.organizationId, organizationId);
  assert.equal(organization.users.length, 1);
});

test('createWallet and getWallets: addresses of four chains, wallets in pages', async () => {
  const { client } = await found(running);
  const names = ['one', 'two', 'three'];
  const made = [];
  for (const name of names) made.push(await client.createWallet(name));
  for (const { addresses } of made) {
    assert.deepEqual(
      addresses.map(({ addressType }) => addressType),
      ['Solana', 'Ethereum', 'BitcoinSegwit', 'Sui'],
    );
  }
  assert.equal(new Set(made.flatMap(({ addresses }) => addresses.map(({ address }) => address))).size, 12);
  const all = await client.getWallets();
  assert.deepEqual([all.totalCount, all.limit, all.offset], [3, 20, 0]);
  assert.deepEqual(all.wallets.map(({ walletName }) => walletName).sort(), [...names].sort());
  const page = await client.getWallets(2, 2);
  assert.deepEqual([page.wallets.length, page.totalCount, page.limit, page.offset], [1, 3, 2, 2]);
});

test('getWalletAddresses: index 0 are those of the new wallet, index 1 are others, both stay', async () => {
  const { client } = await found(running);
  const { walletId, addresses } = await client.createWallet('W');
  const first = await client.getWalletAddresses(walletId);
  assert.deepEqual(first, addresses);
  const second = await client.getWalletAddresses(walletId, undefined, 1);
  assert.equal(second.length, 4);
  for (const { address } of second) assert.ok(!addresses.some((one) => one.address === address));
  assert.deepEqual(await client.getWalletAddresses(walletId, undefined, 1), second);
  const [only] = await client.getWalletAddresses(walletId, ["m/44'/501'/1'/0'"]);
  assert.equal(only!.address, second[0]!.address);
});

test('createAuthenticator lets another key stamp, deleteAuthenticator ends that', async () => {
  const { client, organizationId } = await found(running);
  const pair = generateKeyPair();
  const request = { organizationId, username: 'root', authenticatorName: 'second' };
  const made = await client.createAuthenticator({ ...request, authenticator: keypairOf(pair, 'second') });
  const { id } = made as unknown as { id: string };
  const second = clientWith(running, pair, organizationId);
  assert.equal((await second.getOrganization(organizationId)).organizationId, organizationId);
  await client.deleteAuthenticator({ organizationId, username: 'root', authenticatorId: id });
  await assert.rejects(second.getOrganization(organizationId), /authenticator-unknown/);
});

test('addUserToOrganization adds an expiring user of an app, who can sign', async () => {
  const { client, organizationId } = await found(running);
  const { walletId } = await client.createWallet('W');
  const pair = generateKeyPair();
  await client.addUserToOrganization({
    organizationId,
    replaceExpirable: true,
    user: {
      username: 'app',
      authenticators: [keypairOf(pair)] as never,
      policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' } as never,
      traits: { appId: 'app-1' },
      expiresInMs: 86_400_000,
    },
  });
  const { users } = await client.getOrganization(organizationId);
  const user = users.find(({ username }) => username === 'app') as unknown as Record<string, unknown>;
  assert.deepEqual(user.traits, { appId: 'app-1' });
  assert.equal((user.expiresAtMs as number) - (user.createdAtMs as number), 86_400_000);
  const signature = await clientWith(running, pair, organizationId).signUtf8Message({
    walletId,
    message: 'hello',
    networkId: NetworkId.SOLANA_DEVNET,
  });
  assert.equal(Buffer.from(signature, 'base64url').length, 64);
});

test('grantOrganizationAccess lets another organization use a wallet', async () => {
  const owner = await found(running);
  const target = await found(running);
  const { walletId } = await owner.client.createWallet('W');
  const message = { walletId, message: 'hello', networkId: NetworkId.SOLANA_DEVNET };
  await assert.rejects(target.client.signUtf8Message(message), /wallet-not-found/);
  await owner.client.grantOrganizationAccess({
    ownerOrganizationId: owner.organizationId,
    targetOrganizationId: target.organizationId,
    walletId,
    policy: { version: 'v0', scopes: ['signaturePayload'] },
  } as never);
  assert.equal(
    await target.client.signUtf8Message({ ...message, message: 'granted' }),
    await owner.client.signUtf8Message({ ...message, message: 'granted' }),
  );
});

test('getWalletWithTag finds a wallet by its tag, with the accounts that are named', async () => {
  const { client, organizationId } = await found(running);
  const tag = 'client-1';
  await assert.rejects(
    client.getWalletWithTag({ organizationId, tag, derivationPaths: ["m/44'/501'/0'/0'"] }),
    /wallet-not-found/,
  );
  // The published client makes no wallet with a tag; its login does, through the same method.
  const raw = running.client();
  const authenticator = { ...keypairOf(generateKeyPair()), publicKey: raw.key.publicKey };
  await client.createAuthenticator({
    organizationId,
    username: 'root',
    authenticatorName: 'raw',
    authenticator,
  });
  const made = await raw.call('getOrCreateWalletWithTag', { organizationId, walletName: 'App Wallet', tag });
  const paths = ["m/44'/60'/0'/0/3", "m/44'/501'/0'/0'"];
  const wallet = await client.getWalletWithTag({ organizationId, tag, derivationPaths: paths });
  assert.equal(wallet.walletId, made.walletId);
  assert.deepEqual(wallet.tags, [tag]);
  const accounts = wallet.accounts as { derivationPath: string; address: string }[];
  assert.deepEqual(
    accounts.map(({ derivationPath }) => derivationPath),
    paths,
  );
  const addresses = await client.getWalletAddresses(wallet.walletId, paths);
  assert.deepEqual(
    accounts.map(({ address }) => address),
    addresses.map(({ address }) => address),
  );
});
