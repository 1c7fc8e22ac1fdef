/**
 * Gives an agent a key of its own that may sign and nothing else: it cannot take the secret out, and root ends it.
 *
 *   node examples/src/limited-user.ts .keystead/development/credentials.json
 */
import { randomBytes } from 'node:crypto';
import { type Client, createClient, encodeBytes } from '@keystead/sdk/client';
import { KmsError } from '@keystead/sdk/errors';
import { newCredentials, readCredentials, stamperOf } from '@keystead/sdk/node/credentials';
import { newKeypairAuthenticator } from '@keystead/sdk/stampers/possession';

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('name the credentials file that npm start has made');
const root = readCredentials(path);
const { api, deploymentId, organizationId, walletId } = root;
if (organizationId === undefined || walletId === undefined) throw new Error(`${path} names no wallet`);
const rootClient = createClient({ baseUrl: api, stamper: stamperOf(root), root: deploymentId });

const username = `agent-${randomBytes(4).toString('hex')}`;
const agent = newCredentials({ api, deploymentId, organizationId, walletId, username });
const stamper = stamperOf(agent);
const registration = { deploymentId: rootClient.deploymentId, organizationId, username };
await rootClient.call('addUserToOrganization', {
  organizationId,
  user: {
    username,
    policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
    authenticators: [await newKeypairAuthenticator(stamper, registration, { authenticatorName: 'agent' })],
    expiresInMs: 3_600_000,
  },
});

const agentClient = createClient({ baseUrl: api, stamper, root: deploymentId });
const { signature } = await sign(agentClient);
const denied = await codeOf(
  agentClient.call('exportWallet', { organizationId, walletId, publicKey: encodeBytes(randomBytes(32)) }),
);
await rootClient.call('deleteUserFromOrganization', { organizationId, username });
const gone = await codeOf(sign(agentClient));
if (denied !== 'policy-denied' || gone !== 'authenticator-unknown')
  throw new Error(`the agent got ${denied} and ${gone}`);
process.stdout.write(`${JSON.stringify({ username, signature, export: denied, afterwards: gone })}\n`);

async function sign(client: Client): Promise<{ readonly signature: string }> {
  return await client.call('signUtf8Message', {
    organizationId: organizationId!,
    walletId: walletId!,
    message: `from ${username}`,
    algorithm: 'Ed25519',
    derivationInfo: "m/44'/501'/0'/0'",
  });
}

/** The stable code of a refusal; `none` when there is none. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'none';
  } catch (error) {
    if (error instanceof KmsError) return error.code;
    throw error;
  }
}
