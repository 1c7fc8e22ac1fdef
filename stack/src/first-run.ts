import { base58Decode } from '@keystead/crypto/base58';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { verify } from '@keystead/crypto/ed25519';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type Client, createClient } from '@keystead/sdk/client';
import { keyStamper } from '@keystead/sdk/stampers/key';
import {
  type Credentials,
  credentialsPathOf,
  makeCredentials,
  readCredentials,
  writeCredentials,
} from './credentials.ts';
import { StackError } from './stack-error.ts';
import type { Stack } from './start-stack.ts';

/** What the first start makes, and every later one finds. */
export interface FirstRun {
  readonly organizationId: string;
  readonly walletId: string;
  /** Path of the file with the root user's key. */
  readonly credentials: string;
}

const solanaAccount = "m/44'/501'/0'/0'";
const walletTag = 'first-wallet';

/**
 * Makes the first organization and its wallet with one account per chain, unless they are there, and signs one
 * message that it verifies itself: proof that this deployment signs. Throws StackError.
 */
export async function firstRun(stack: Pick<Stack, 'api' | 'deploymentId' | 'home'>): Promise<FirstRun> {
  const { api, deploymentId, home } = stack;
  const path = credentialsPathOf(home);
  let credentials = readCredentials(path, deploymentId) ?? makeCredentials(api, deploymentId);
  const keep = (added: Partial<Credentials>) => {
    credentials = { ...credentials, ...added };
    writeCredentials(path, credentials);
  };
  // Before anything is founded with it.
  if (credentials.api !== api || credentials.organizationId === undefined) keep({ api });

  const privateKey = SecretBytes.take(base64urlDecode(credentials.privateKey));
  try {
    const stamper = keyStamper({ algorithm: credentials.algorithm, privateKey });
    const client = createClient({ baseUrl: api, stamper, root: deploymentId });
    if (credentials.organizationId === undefined)
      keep({ organizationId: await foundOrganization(client, credentials) });
    const organizationId = credentials.organizationId!;
    const walletId = credentials.walletId ?? (await makeWallet(client, organizationId));
    if (credentials.walletId === undefined) keep({ walletId });
    await signOnce(client, organizationId, walletId);
    return { organizationId, walletId, credentials: path };
  } finally {
    privateKey.wipe();
  }
}

async function foundOrganization(
  client: Client,
  { username, algorithm, publicKey }: Credentials,
): Promise<string> {
  const organization = await client.call('createOrganization', {
    organizationName: 'First organization',
    users: [
      {
        username,
        policy: { type: 'ROOT' },
        authenticators: [
          {
            authenticatorKind: 'keypair',
            authenticatorName: 'development key',
            algorithm,
            publicKey,
            stampKinds: ['native', 'pki'],
          },
        ],
      },
    ],
  });
  return organization.organizationId;
}

/** Under a tag: a start that was interrupted finds what it made. */
async function makeWallet(client: Client, organizationId: string): Promise<string> {
  const wallet = await client.call('getOrCreateWalletWithTag', {
    organizationId,
    walletName: 'First wallet',
    tag: walletTag,
  });
  return wallet.walletId;
}

async function signOnce(client: Client, organizationId: string, walletId: string): Promise<void> {
  const message = `Keystead started at ${new Date().toISOString()}`;
  const answer = await client.call('signUtf8Message', {
    organizationId,
    walletId,
    message,
    algorithm: 'Ed25519',
    derivationInfo: solanaAccount,
  });
  // A Solana address is the public key itself.
  if (!verify(base58Decode(answer.address), utf8Encode(message), base64urlDecode(answer.signature)))
    throw new StackError(
      'the first signature does not verify',
      'this deployment must not be used; keep its home and report it',
    );
}
