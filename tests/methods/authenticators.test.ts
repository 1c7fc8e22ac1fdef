import { keypair, withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { newStampKey, possessionProof, type RawClient, type StampKey } from '../raw-client.ts';
import { conforming } from './conforms.ts';
import { code } from './refused.ts';

const running = withStack();

interface Authenticator {
  id: string;
  authenticatorName: string;
  authenticatorKind: string;
  publicKey: string;
  algorithm: string;
  createdAtMs: string;
  expiresAtMs?: string;
  credentialId?: string;
}

const create = async (client: RawClient, organizationId: string, authenticator: unknown, more = {}) =>
  conforming(
    'createAuthenticator',
    await client.call<Authenticator>('createAuthenticator', {
      organizationId,
      username: 'root',
      authenticator,
      ...more,
    }),
  );
const reads = (client: RawClient, organizationId: string) =>
  client.call('getOrganization', { organizationId });

test('createAuthenticator: registers keys of both algorithms, which then stamp both ways', async () => {
  const { client, organizationId } = await running.organization();
  for (const algorithm of ['Ed25519', 'Secp256r1'] as const) {
    const key = newStampKey(algorithm);
    const made = await create(client, organizationId, keypair(algorithm, key), {
      authenticatorName: 'stray',
    });
    assert.deepEqual(
      [made.authenticatorName, made.authenticatorKind, made.publicKey, made.algorithm, made.expiresAtMs],
      [algorithm, 'keypair', key.publicKey, algorithm, undefined],
    );
    await reads(client.with(key), organizationId);
    await client.with(key).native('getOrganization', { organizationId });
    await assert.rejects(create(client, organizationId, keypair('again', key)), code('authenticator-exists'));
  }
});

test('createAuthenticator: an expiring key stamps until its time is over', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey();
  const made = await create(client, organizationId, keypair('short', key, { expiresInMs: 500 }));
  assert.equal(Date.parse(made.expiresAtMs!) - Date.parse(made.createdAtMs), 500);
  await reads(client.with(key), organizationId);
  await wait(Date.parse(made.expiresAtMs!) - Date.now() + 50);
  await assert.rejects(reads(client.with(key), organizationId), code('authenticator-expired'));
});

test('createAuthenticator: a user has at most 20 keys; replaceExpirable makes room once one expires', async () => {
  const { client, organizationId } = await running.organization();
  const oldest = newStampKey();
  const younger = newStampKey();
  const lasting = { expiresInMs: 86_400_000 };
  for (let count = 1; count < 18; count += 1)
    await create(client, organizationId, keypair(`${count}`, newStampKey()));
  await create(client, organizationId, keypair('oldest', oldest, lasting));
  await create(client, organizationId, keypair('younger', younger, lasting));
  const next = () => keypair('next', newStampKey(), lasting);
  await assert.rejects(create(client, organizationId, next()), code('limit-authenticators'));
  await create(client, organizationId, next(), { replaceExpirable: true });
  await assert.rejects(reads(client.with(oldest), organizationId), code('authenticator-unknown'));
  await reads(client.with(younger), organizationId);
});

test('createAuthenticator: without one that expires nothing is replaced', async () => {
  const { client, organizationId } = await running.organization();
  for (let count = 1; count < 20; count += 1)
    await create(client, organizationId, keypair(`${count}`, newStampKey()));
  await assert.rejects(
    create(client, organizationId, keypair('next', newStampKey()), { replaceExpirable: true }),
    code('limit-authenticators'),
  );
});

test('createAuthenticator: a user renews its own key, no later than the one that stamps', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey();
  const user = {
    username: 'u',
    policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
    authenticators: [keypair('one', key, { expiresInMs: 60_000 })],
  };
  await client.call('addUserToOrganization', { organizationId, user });
  const own = client.with(key);
  const renew = (expiresInMs: number | null) =>
    own.call('createAuthenticator', {
      organizationId,
      username: 'u',
      authenticator: keypair('two', newStampKey(), { expiresInMs }),
    });
  await renew(30_000);
  await assert.rejects(renew(120_000), code('root-required'));
  await assert.rejects(renew(null), code('root-required'));
  await assert.rejects(
    own.call('createAuthenticator', {
      organizationId,
      username: 'root',
      authenticator: keypair('intruder', newStampKey()),
    }),
    code('policy-denied'),
  );
});

test('createAuthenticator: natively a new key proves that its owner holds it, and makes native stamps only', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey('Secp256r1');
  const native = (proof?: string) =>
    client.native('createAuthenticator', {
      organizationId,
      username: 'root',
      authenticator: keypair('native', key, proof === undefined ? {} : { proof }),
    });
  const { deploymentId } = running.stack;
  await assert.rejects(native(), code('possession-proof-missing'));
  const elsewhere = possessionProof(key, deploymentId, organizationId, 'somebody');
  await assert.rejects(native(elsewhere), code('possession-proof-invalid'));
  await native(possessionProof(key, deploymentId, organizationId, 'root'));
  await client.with(key).native('getOrganization', { organizationId });
  await assert.rejects(reads(client.with(key), organizationId), code('stamp-kind-not-allowed'));
});

test('createAuthenticator: refuses keys of low order, off the curve, and kinds that come later', async () => {
  const { client, organizationId } = await running.organization();
  const lowOrder = { authenticatorName: 'x', publicKey: Buffer.alloc(32).toString('base64url') };
  await assert.rejects(create(client, organizationId, lowOrder), code('public-key-unacceptable'));
  const point = Buffer.from(newStampKey('Secp256r1').publicKeyBytes);
  point[64]! ^= 1;
  const off = { authenticatorName: 'x', publicKey: point.toString('base64url'), algorithm: 'Secp256r1' };
  await assert.rejects(create(client, organizationId, off), code('public-key-unacceptable'));
  const oidc = {
    authenticatorKind: 'oidc',
    authenticatorName: 'x',
    jwksUrl: 'https://x.invalid',
    idTokenClaims: { sub: 's' },
  };
  await assert.rejects(create(client, organizationId, oidc), code('not-supported'));
});

/** A WebAuthn registration (Level 3 §7.1) of a P-256 key for the origin https://wallet.example. */
function registration(key: StampKey) {
  const credentialId = Buffer.from('credential-1');
  const [x, y] = [
    Buffer.from(key.publicKeyBytes.subarray(1, 33)),
    Buffer.from(key.publicKeyBytes.subarray(33)),
  ];
  const cose = Buffer.concat([
    Buffer.from('a5010203262001215820', 'hex'),
    x,
    Buffer.from('225820', 'hex'),
    y,
  ]);
  const authenticatorData = Buffer.concat([
    createHash('sha256').update('wallet.example').digest(),
    Uint8Array.of(0x45, 0, 0, 0, 0),
    Buffer.alloc(16),
    Uint8Array.of(0, credentialId.length),
    credentialId,
    cose,
  ]);
  const attestationObject = Buffer.concat([
    Buffer.from('a363666d74646e6f6e656761747453746d74a068617574684461746158', 'hex'),
    Uint8Array.of(authenticatorData.length),
    authenticatorData,
  ]);
  const client = {
    type: 'webauthn.create',
    challenge: 'YQ',
    origin: 'https://wallet.example',
    crossOrigin: false,
  };
  return {
    authenticatorKind: 'passkey',
    authenticatorName: 'phone',
    credentialId: credentialId.toString('base64url'),
    attestationObject: attestationObject.toString('base64url'),
    clientDataJSON: Buffer.from(JSON.stringify(client)).toString('base64url'),
    transports: ['internal'],
  };
}

test('createAuthenticator: registers a passkey, which makes no PKI stamps', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey('Secp256r1');
  const made = await create(client, organizationId, registration(key));
  assert.deepEqual(
    [made.authenticatorKind, made.publicKey, made.algorithm, made.credentialId],
    ['passkey', key.publicKey, 'Secp256r1', registration(key).credentialId],
  );
  await assert.rejects(reads(client.with(key), organizationId), code('stamp-kind-not-allowed'));
  const broken = { ...registration(newStampKey('Secp256r1')), credentialId: 'b3RoZXI' };
  await assert.rejects(create(client, organizationId, broken), code('parameter-invalid'));
});

test('updateAuthenticator: renames, and shortens an expiry', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey();
  const { id } = await create(client, organizationId, keypair('old', key, { expiresInMs: 86_400_000 }));
  const update = (authenticator: unknown) =>
    client.call<Authenticator>('updateAuthenticator', {
      organizationId,
      username: 'root',
      authenticatorId: id,
      authenticator,
    });
  const renamed = conforming('updateAuthenticator', await update({ authenticatorName: 'new' }));
  assert.deepEqual([renamed.id, renamed.authenticatorName], [id, 'new']);
  const shorter = await update({ expiresInMs: 300 });
  await wait(Date.parse(shorter.expiresAtMs!) - Date.now() + 50);
  await assert.rejects(reads(client.with(key), organizationId), code('authenticator-expired'));
  await assert.rejects(update({}), code('parameter-invalid', 'params.authenticator'));
  const longer = await update({ expiresInMs: 60_000 });
  assert.ok(Date.parse(longer.expiresAtMs!) > Date.now());
  await reads(client.with(key), organizationId);
});

test('deleteAuthenticator: ends a key at once, never the last root key', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey();
  const { id } = await create(client, organizationId, keypair('second', key));
  const remove = (by: RawClient, authenticatorId: string) =>
    by.call<Authenticator>('deleteAuthenticator', { organizationId, username: 'root', authenticatorId });
  const organization = await client.call<{ users: { authenticators: Authenticator[] }[] }>(
    'getOrganization',
    {
      organizationId,
    },
  );
  const [first] = organization.users[0]!.authenticators;
  assert.equal(conforming('deleteAuthenticator', await remove(client, id)).id, id);
  await assert.rejects(reads(client.with(key), organizationId), code('authenticator-unknown'));
  await assert.rejects(remove(client, id), code('authenticator-not-found'));
  await assert.rejects(remove(client, first!.id), code('last-root-authenticator'));
});
