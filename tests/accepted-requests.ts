/** The accepted requests of vectors/requests.json, about a real organization, so that each of them succeeds. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { AnswerSignature } from '@keystead/protocol/answer';
import type { MethodName } from '@keystead/protocol/method-table';
import { Transaction as EthereumTransaction } from 'ethers';
import { seal } from './methods/hpke-secrets.ts';
import { newStampKey, possessionProof, type RawClient, type StampKey } from './raw-client.ts';
import { keypair, type TestStack } from './with-stack.ts';

export interface AcceptedRequest {
  readonly surface: 'native' | 'compatibility';
  readonly route: 'rpc' | 'prepare' | 'simulations';
  readonly method: MethodName;
  readonly name: string;
  readonly request: { readonly [member: string]: unknown };
  /** Of somebody else than the root that stamps the others. */
  readonly key?: StampKey;
}

const ORGANIZATION = '1e7d9a3c-0b1d-4c2e-8f3a-5a6b7c8d9e0f';
const TARGET = '2e7d9a3c-0b1d-4c2e-8f3a-5a6b7c8d9e0f';
const WALLET = '9a37c5d1-77aa-4bb1-9cc2-1234567890ab';
const AUTHENTICATOR = '533d0f6e-18c2-4f60-9d5e-aabbccddeeff';
const ED25519 = Buffer.alloc(32, 7).toString('base64url');
const P256 = Buffer.concat([Uint8Array.of(4), Buffer.alloc(64, 9)]).toString('base64url');
const SUBJECT = Buffer.alloc(32, 5).toString('base64url');
const PROOF = Buffer.alloc(64, 1).toString('base64url');

const ETHEREUM = { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' };
const SOLANA = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };

/** Their parts are no real registrations or transactions; other vectors stand for the same methods. */
const SHAPE_ONLY = ['passkey', 'PSBT in base64', 'with a ceiling'];

/** What a guardian asks for. */
const GUARDIANS_METHODS: readonly MethodName[] = ['startRecovery', 'completeRecovery'];

interface TypedData {
  types: { EIP712Domain: { name: string; type: string }[] };
  domain: Record<string, unknown>;
}

/** Typed data without a contract has no bound, and is denied. */
function nameContract({ types, domain }: TypedData): void {
  types.EIP712Domain.push({ name: 'verifyingContract', type: 'address' });
  domain.verifyingContract = '0x00000000000000000000000000000000c0ffee00';
}

/** Makes what the requests are about: users, wallets, keys. The organization's root stamps with `client`. */
export async function acceptedRequests(
  running: TestStack,
  client: RawClient,
  organizationId: string,
): Promise<AcceptedRequest[]> {
  const vectors = JSON.parse(readFileSync(new URL('../vectors/requests.json', import.meta.url), 'utf8')) as {
    accepted: AcceptedRequest[];
  };
  const target = await running.organization('Target', client.key);
  const newWallet = () =>
    client.call<{ walletId: string; accounts: { address: string }[] }>('createWallet', {
      organizationId,
      walletName: 'W',
    });
  const wallet = await newWallet();
  const solana = wallet.accounts[0]!.address;
  for (const tag of ['client', 't'])
    await client.call('getOrCreateWalletWithTag', { organizationId, walletName: 'T', tag });
  const user = {
    username: 'u',
    policy: { type: 'CEL', preset: 'ALLOW_ALL' },
    authenticators: [],
    traits: { c: 'd' },
  };
  await client.call('addUserToOrganization', { organizationId, user });
  const newPolicy = { type: 'ROOT', permissions: ['signRawPayload'] };
  const addTraits = { operator: 'Alpha' };
  await client.native('updateUserInOrganization', { organizationId, username: 'root', newPolicy, addTraits });
  const payer = new PublicKey(solana);
  const transaction = new Transaction({
    feePayer: payer,
    recentBlockhash: Keypair.generate().publicKey.toBase58(),
  })
    .add(SystemProgram.transfer({ fromPubkey: payer, toPubkey: Keypair.generate().publicKey, lamports: 1 }))
    .serialize({ requireAllSignatures: false });

  const [replaced, landed] = await signedTransactions(client, organizationId, wallet.walletId, transaction);
  const guardian = newStampKey();
  await client.call('addUserToOrganization', {
    organizationId,
    user: {
      username: 'guardian',
      policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
      authenticators: [keypair('key', guardian)],
    },
  });
  const subject = await openSubject(running, client, organizationId, wallet.walletId);

  const proofFor = (key: StampKey, username: string) =>
    possessionProof(key, running.stack.deploymentId, organizationId, username);
  const made: AcceptedRequest[] = [];
  for (const vector of vectors.accepted) {
    const { method } = vector;
    if (SHAPE_ONLY.includes(vector.name)) continue;
    // Without an organization there is nobody whose stamp could count.
    if (method === 'listPendingMigrations' && vector.request.params === null) continue;
    const found = method === 'createOrganization' ? client.key : newStampKey();
    const replacements: [string, string][] = [
      [ORGANIZATION, organizationId],
      [TARGET, target.organizationId],
      [WALLET, method === 'transferOrganizationWallet' ? (await newWallet()).walletId : wallet.walletId],
      [JSON.stringify([...Buffer.alloc(32, 7)]), JSON.stringify([...found.publicKeyBytes])],
      [JSON.stringify([1, 0, 0, 0, 5]), JSON.stringify([...transaction])],
      ['"AQAAAAU"', JSON.stringify(transaction.toString('base64url'))],
      ['3Cy3YNTFywCmxoxt8n7UH6hg6dLo5uACowX3CFceaSnx', solana],
      [SUBJECT, subject],
      ['"position":17', `"position":${replaced}`],
      ['"position":18', `"position":${landed}`],
      // What was just signed has a blockhash that is too young to have expired.
      ['"outcome":"expired"', '"outcome":"landed"'],
      [PROOF, proofFor(found, GUARDIANS_METHODS.includes(method) ? 'heir' : 'bot')],
    ];
    // The key to export to has no owner to prove itself.
    if (method !== 'exportWallet') replacements.push([`"${ED25519}"`, `"${found.publicKey}"`]);
    replacements.push([P256, newStampKey('Secp256r1').publicKey]);
    if (method === 'updateAuthenticator' || method === 'deleteAuthenticator') {
      const { id } = await client.call<{ id: string }>('createAuthenticator', {
        organizationId,
        username: 'root',
        authenticator: keypair('a', newStampKey(), { expiresInMs: 86_400_000 }),
      });
      replacements.push([AUTHENTICATOR, id]);
    }
    let text = JSON.stringify(vector.request);
    for (const [from, to] of replacements) text = text.replaceAll(from, to);
    const request = JSON.parse(text) as { params?: Record<string, unknown> };
    if (method === 'completeImportWallet') await sealSecret(running, client, organizationId, request.params!);
    if (method === 'ethereumSignTypedData') nameContract(request.params!.typedData as TypedData);
    made.push({ ...vector, request, ...(GUARDIANS_METHODS.includes(method) ? { key: guardian } : {}) });
  }
  made.push(await nativeAuthenticator(running, organizationId));
  return made;
}

/** Where the entries stand that let an Ethereum transaction and the Solana one be signed. */
async function signedTransactions(
  client: RawClient,
  organizationId: string,
  walletId: string,
  solana: Buffer,
): Promise<[ethereum: number, solana: number]> {
  const ethereum = EthereumTransaction.from({
    type: 2,
    chainId: 1,
    nonce: 0,
    to: `0x${'11'.repeat(20)}`,
    value: 1n,
    gasLimit: 21_000n,
    maxFeePerGas: 1n,
    maxPriorityFeePerGas: 1n,
  }).unsignedSerialized;
  const position = async (derivationInfo: object, transaction: object | string) => {
    const { body, text } = await client.rpc('signTransaction', {
      organizationId,
      walletId,
      derivationInfo,
      transaction,
    });
    assert.equal(typeof body?.signature, 'string', text);
    return AnswerSignature.decode(Buffer.from(String(body!.signature), 'base64url')).statement.position;
  };
  return [
    await position(ETHEREUM, { kind: 'RLP_ENCODED', bytes: ethereum }),
    await position(SOLANA, solana.toString('base64url')),
  ];
}

/** Something that waits for approvals: asked for with a key whose ceiling wants one. */
async function openSubject(
  running: TestStack,
  client: RawClient,
  organizationId: string,
  walletId: string,
): Promise<string> {
  const key = newStampKey();
  const proof = possessionProof(key, running.stack.deploymentId, organizationId, 'asking');
  await client.native('addUserToOrganization', {
    organizationId,
    user: {
      username: 'asking',
      policy: { type: 'CEL', preset: 'ALLOW_ALL' },
      authenticators: [keypair('key', key, { proof, ceiling: { approvals: 1 } })],
    },
  });
  const params = { organizationId, walletId, message: 'm', algorithm: 'Ed25519' };
  const derivationInfo = "m/44'/501'/0'/0'";
  const answer = await client.with(key).nativeRpc('signUtf8Message', { ...params, derivationInfo });
  return String(answer.body?.subject);
}

async function sealSecret(
  running: TestStack,
  client: RawClient,
  organizationId: string,
  params: Record<string, unknown>,
): Promise<void> {
  const importEnvelope = await client.call<{ publicKey: string }>('initWalletImport', { organizationId });
  const isKey = params.curve !== undefined;
  const secret = Buffer.from(newStampKey().publicKeyBytes).subarray(
    0,
    params.mnemonicLength === 12 ? 16 : 32,
  );
  if (isKey) secret[0] = 1;
  const { deploymentId } = running.stack;
  const sealed = await seal(importEnvelope.publicKey, deploymentId, organizationId, secret);
  params.importEnvelope = importEnvelope;
  params.encryptedSecret = Buffer.from(sealed).toString('base64url');
}

async function nativeAuthenticator(running: TestStack, organizationId: string): Promise<AcceptedRequest> {
  const key = newStampKey();
  const proof = possessionProof(key, running.stack.deploymentId, organizationId, 'root');
  const authenticator = keypair('native', key, { proof });
  const params = { organizationId, username: 'root', authenticator };
  return {
    surface: 'native',
    route: 'rpc',
    method: 'createAuthenticator',
    name: 'keypair with proof',
    request: { method: 'createAuthenticator', params },
  };
}

export const pathOf = ({ surface, route }: AcceptedRequest): string =>
  surface === 'native' ? '/v1/rpc' : route === 'rpc' ? '/v1/wallets/kms/rpc' : `/v1/wallets/${route}`;
