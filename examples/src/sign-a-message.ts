/**
 * Signs a message with the wallet of a credentials file and verifies the signature without the SDK.
 *
 *   node examples/src/sign-a-message.ts .keystead/development/credentials.json "hello"
 */
import { createPublicKey, verify } from 'node:crypto';
import { createClient } from '@keystead/sdk/client';
import { readCredentials, stamperOf } from '@keystead/sdk/node/credentials';

const [path, message = 'hello'] = process.argv.slice(2);
if (path === undefined) throw new Error('name the credentials file that npm start has made');
const credentials = readCredentials(path);
const { api, deploymentId, organizationId, walletId } = credentials;
if (organizationId === undefined || walletId === undefined) throw new Error(`${path} names no wallet`);

// The deployment id is pinned: an answer that no enclave of that deployment states is refused.
const client = createClient({ baseUrl: api, stamper: stamperOf(credentials), root: deploymentId });
const { address, signature } = await client.call('signUtf8Message', {
  organizationId,
  walletId,
  message,
  algorithm: 'Ed25519',
  derivationInfo: "m/44'/501'/0'/0'",
});

const key = { kty: 'OKP', crv: 'Ed25519', x: fromBase58(address).toString('base64url') };
const publicKey = createPublicKey({ key, format: 'jwk' });
if (!verify(null, Buffer.from(message), publicKey, Buffer.from(signature, 'base64url')))
  throw new Error('the signature does not verify');
process.stdout.write(`${JSON.stringify({ message, address, signature, verified: true })}\n`);

/** An address of Solana is the base58 of the 32-byte public key. */
function fromBase58(text: string): Buffer {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
  let value = 0n;
  for (const letter of text) value = value * 58n + BigInt(alphabet.indexOf(letter));
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
}
