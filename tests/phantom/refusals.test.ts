import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiKeyStamper } from '@phantom/api-key-stamper';
import { generateKeyPair, type Keypair, NetworkId, PhantomClient } from '@phantom/client';
import { Keypair as SolanaKeypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { serializeTransaction } from 'viem';
import { addressOf, clientWith, found, keypairOf, type PhantomOrganization } from './phantom-client.ts';

const ABSENT = '00000000-0000-8000-8000-000000000000';
const SOLANA = NetworkId.SOLANA_DEVNET;
const SEPOLIA = NetworkId.ETHEREUM_SEPOLIA;

let organization: PhantomOrganization;
let client: PhantomClient;
let organizationId: string;
let walletId: string;
let solana: string;
const worker = generateKeyPair();
const locked = generateKeyPair();

const running = withStack({}, async (running) => {
  organization = await found(running, [
    { username: 'worker', role: 'USER', authenticators: [keypairOf(worker)] },
  ]);
  ({ client, organizationId } = organization);
  const wallet = await client.createWallet('W');
  walletId = wallet.walletId;
  solana = addressOf(wallet.addresses, 'Solana');
  await client.addUserToOrganization({
    organizationId,
    user: {
      username: 'locked',
      authenticators: [keypairOf(locked)] as never,
      policy: { type: 'CEL', preset: 'DENY_ALL' } as never,
      traits: { appId: 'app-1' },
    },
  });
});

/** The caller sees a sentence, what to do and the stable code; the HTTP status stays at hand where the client keeps it. */
async function refused(call: Promise<unknown>, code: string, says: RegExp, status?: number): Promise<void> {
  await assert.rejects(call, (error: Error & { response?: { status: number } }) => {
    assert.match(error.message, says);
    assert.ok(error.message.includes(code), `${code} is not in: ${error.message}`);
    assert.doesNotMatch(error.message, /status code|\[object|undefined|\bnull\b|internal/i);
    if (status !== undefined) assert.equal(error.response?.status, status);
    return true;
  });
}

const as = (pair: Keypair, id = organizationId) => clientWith(running, pair, id);
const hello = (id = walletId) => ({ walletId: id, message: 'hello', networkId: SOLANA });

test('a key that nobody registered', async () => {
  const stranger = as(generateKeyPair());
  const says = /no authenticator|Unknown authenticator/i;
  await refused(stranger.signUtf8Message(hello()), 'authenticator-unknown', says, 401);
  await refused(stranger.getOrganization(organizationId), 'authenticator-unknown', says, 401);
  await refused(stranger.createWallet('W'), 'authenticator-unknown', says, 401);
});

test('a user whom the policy denies, and why', async () => {
  const denied = as(locked);
  await refused(denied.signUtf8Message(hello()), 'policy-denied', /DENY_ALL.*Ask a root user/, 403);
  const request = {
    organizationId,
    user: { username: 'x', authenticators: [], policy: { type: 'ROOT' } as never, traits: { appId: 'a' } },
  };
  await refused(as(worker).addUserToOrganization(request), 'policy-denied', /LEGACY_USER_ROLE/, 403);
});

test('a wallet, organization, user or authenticator that is not there', async () => {
  await refused(client.signUtf8Message(hello(ABSENT)), 'wallet-not-found', /No such wallet/, 404);
  await refused(client.getWalletAddresses(ABSENT), 'wallet-not-found', /No such wallet/, 404);
  // Whoever is not in an organization is not told whether it exists.
  await refused(as(organization.pair, ABSENT).getWallets(), 'authenticator-unknown', /authenticator/, 401);
  const named = { organizationId, username: 'root', authenticatorId: ABSENT };
  await refused(client.deleteAuthenticator(named), 'authenticator-not-found', /authenticator/i, 404);
  const nobody = { ...named, username: 'nobody' };
  await refused(client.deleteAuthenticator(nobody), 'user-not-found', /No such user/, 404);
});

test('what exists already, and what would lock everybody out', async () => {
  const add = {
    organizationId,
    user: { username: 'root', authenticators: [], policy: { type: 'ROOT' } as never, traits: { appId: 'a' } },
  };
  await refused(client.addUserToOrganization(add), 'user-exists', /exists/, 409);
  const again = {
    organizationId,
    username: 'root',
    authenticatorName: 'again',
    authenticator: keypairOf(worker, 'again'),
  };
  await refused(client.createAuthenticator(again), 'authenticator-exists', /exists|already/, 409);
  const { users } = await client.getOrganization(organizationId);
  const [only] = users[0]!.authenticators as unknown as { id: string }[];
  const last = { organizationId, username: 'root', authenticatorId: only!.id };
  await refused(client.deleteAuthenticator(last), 'last-root-authenticator', /root/, 409);
});

test('an organization that nobody could administer, or whose founder is not in it', async () => {
  const pair = generateKeyPair();
  const users = (role: 'ADMIN' | 'USER', key: Keypair) => [
    { username: 'u', role, authenticators: [keypairOf(key)] },
  ];
  const noRoot = clientWith(running, pair).createOrganization('Acme', users('USER', pair));
  await refused(noRoot, 'root-required', /ROOT user/, 400);
  const other = clientWith(running, pair).createOrganization('Acme', users('ADMIN', generateKeyPair()));
  await refused(other, 'root-required', /the key that stamps the request/, 400);
});

test('what comes later is named as such', async () => {
  const authenticator = {
    authenticatorKind: 'oidc' as const,
    authenticatorName: 'login',
    jwksUrl: 'https://login.invalid/jwks',
    idTokenClaims: { sub: 's', iss: 'https://login.invalid' },
  };
  const request = { organizationId, username: 'root', authenticatorName: 'login', authenticator };
  await refused(client.createAuthenticator(request), 'not-supported', /oidc/, 400);
  const stamper = new ApiKeyStamper({ apiSecretKey: organization.pair.secretKey });
  Object.assign(stamper, { type: 'OIDC', idToken: 'e30.e30.x', salt: '' });
  const login = new PhantomClient({ apiBaseUrl: running.wallets, organizationId }, stamper);
  await refused(login.getWallets(), 'not-supported', /OIDC/, 400);
});

test('transactions that are refused before and after /prepare', async () => {
  const to = SolanaKeypair.generate().publicKey;
  const build = (payer: string) =>
    new Transaction({ feePayer: new PublicKey(payer), recentBlockhash: to.toBase58() }).add(
      SystemProgram.transfer({ fromPubkey: new PublicKey(payer), toPubkey: to, lamports: 1 }),
    );
  const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  const unsigned = (payer: string) => encode(build(payer).serialize({ requireAllSignatures: false }));
  const server = clientWith(running, organization.pair, organizationId, 'server-wallet');
  const stranger = SolanaKeypair.generate();

  const garbage = { walletId, transaction: encode(Buffer.from('garbage')), networkId: SOLANA };
  await refused(server.signTransaction(garbage), 'transaction-malformed', /./, 400);
  // The client shows the member `detail` alone when /prepare refuses.
  await refused(
    client.signTransaction({ ...garbage, account: solana }),
    'more accounts than there are',
    /header/,
  );

  const foreign = { walletId, transaction: unsigned(stranger.publicKey.toBase58()), networkId: SOLANA };
  await refused(server.signTransaction(foreign), 'transaction-not-ours', /./, 400);

  const own = { walletId, transaction: unsigned(solana), networkId: SOLANA };
  const denied = clientWith(running, locked, organizationId, 'server-wallet');
  await refused(denied.signTransaction(own), 'policy-denied', /DENY_ALL/, 403);
  await assert.rejects(as(locked).signTransaction({ ...own, account: solana }), /DENY_ALL/);

  const evm = serializeTransaction({
    type: 'eip1559',
    chainId: 11_155_111,
    to: '0x000000000000000000000000000000000000bEEF',
    value: 1n,
    gas: 21_000n,
    maxFeePerGas: 1n,
    maxPriorityFeePerGas: 1n,
  });
  const request = { walletId, networkId: SEPOLIA, message: encode(Buffer.from(evm.slice(2), 'hex')) };
  await refused(client.ethereumSignMessage(request), 'message-is-transaction', /signTransaction/, 403);
  const { rawTransaction } = await client.signTransaction({ walletId, networkId: SEPOLIA, transaction: evm });
  const signed = `0x${Buffer.from(rawTransaction, 'base64url').toString('hex')}`;
  await refused(
    client.signTransaction({ walletId, networkId: SEPOLIA, transaction: signed }),
    'transaction-already-signed',
    /sign/,
    400,
  );
  const broken = { walletId, networkId: SEPOLIA, transaction: `${evm}00` };
  await refused(client.signTransaction(broken), 'transaction-malformed', /./, 400);
});

test('typed data that names no contract, or leaves something unsaid', async () => {
  const domain = { name: 'Mail', version: '1', chainId: 1 };
  const typedData = {
    types: {
      EIP712Domain: [
        { name: 'name', type: 'string' },
        { name: 'version', type: 'string' },
        { name: 'chainId', type: 'uint256' },
      ],
      Mail: [{ name: 'contents', type: 'string' }],
    },
    primaryType: 'Mail',
    domain,
    message: { contents: 'hello' },
  };
  const sign = (data: object) =>
    client.ethereumSignTypedData({ walletId, typedData: data, networkId: SEPOLIA });
  await refused(sign(typedData), 'transaction-blocked', /names no contract/, 400);
  const extra = { ...typedData, message: { contents: 'hello', amount: '1' } };
  await refused(sign(extra), 'typed-data-malformed', /./, 400);
});

test('an authenticator whose time is over', async () => {
  const pair = generateKeyPair();
  await client.createAuthenticator({
    organizationId,
    username: 'root',
    authenticatorName: 'short',
    authenticator: { ...keypairOf(pair, 'short'), expiresInMs: 400 },
  });
  const short = as(pair);
  const end = Date.now() + 450;
  while (Date.now() < end) await new Promise((wake) => setTimeout(wake, 50));
  await refused(short.getWallets(), 'authenticator-expired', /expired/i, 401);
});
