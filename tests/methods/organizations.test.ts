import { keypair, withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { newStampKey, possessionProof, type RawClient } from '../raw-client.ts';
import { conforming } from './conforms.ts';
import { code } from './refused.ts';

const running = withStack();

interface User {
  username: string;
  policy: unknown;
  traits: Record<string, string>;
  createdAtMs: number;
  expiresAtMs?: number;
  authenticators: Record<string, unknown>[];
}
interface Organization {
  organizationId: string;
  organizationName: string;
  parentOrganizationId: null;
  tags: string[];
  users: User[];
}

const USER = { type: 'CEL', preset: 'LEGACY_USER_ROLE' };
const get = async (client: RawClient, organizationId: string) =>
  conforming('getOrganization', await client.call<Organization>('getOrganization', { organizationId }));

test('createOrganization: founds an organization with users, tags and keys of both algorithms', async () => {
  const client = running.client();
  const p256 = newStampKey('Secp256r1');
  const params = {
    organizationName: 'Acme',
    users: [
      { username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair('first', client.key)] },
      {
        username: 'worker',
        policy: USER,
        authenticators: [keypair('second', p256)],
        traits: { team: 'ops' },
      },
    ],
    tags: ['t1', 't2'],
  };
  const made = conforming(
    'createOrganization',
    await client.call<Organization>('createOrganization', params),
  );
  assert.deepEqual(
    [made.organizationName, made.parentOrganizationId, made.tags],
    ['Acme', null, ['t1', 't2']],
  );
  assert.deepEqual(
    made.users.map(({ username, policy, traits }) => ({ username, policy, traits })),
    [
      { username: 'root', policy: { type: 'ROOT' }, traits: {} },
      { username: 'worker', policy: USER, traits: { team: 'ops' } },
    ],
  );
  assert.equal(made.users[1]!.authenticators[0]!.publicKey, p256.publicKey);
  assert.deepEqual(await get(client, made.organizationId), made);
  assert.deepEqual(await get(client.with(p256), made.organizationId), made);
});

test('createOrganization: takes the older forms: role, integers for a key, no algorithm', async () => {
  const client = running.client();
  const p256 = newStampKey('Secp256r1');
  const users = [
    {
      username: 'root',
      role: 'ADMIN',
      authenticators: [{ authenticatorName: 'first', publicKey: [...client.key.publicKeyBytes] }],
    },
    {
      username: 'worker',
      role: 'USER',
      authenticators: [{ ...keypair('second', p256), algorithm: 'secp256r1', expiresInMs: null }],
    },
  ];
  const made = await client.call<Organization>('createOrganization', { organizationName: 'Old', users });
  const [root, worker] = made.users;
  assert.deepEqual([root!.policy, worker!.policy], [{ type: 'ROOT' }, USER]);
  assert.equal(root!.authenticators[0]!.publicKey, client.key.publicKey);
  assert.equal(root!.authenticators[0]!.algorithm, 'Ed25519');
  assert.equal(worker!.authenticators[0]!.algorithm, 'Secp256r1');
});

test('createOrganization: takes a native stamp, and proofs for every key but the founder', async () => {
  const client = running.client();
  const other = newStampKey('Secp256r1');
  const found = (proof: string | undefined) =>
    client.native<Organization>('createOrganization', {
      organizationName: 'Native',
      users: [
        { username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair('first', client.key)] },
        {
          username: 'other',
          policy: USER,
          authenticators: [keypair('second', other, proof === undefined ? {} : { proof })],
        },
      ],
    });
  const nobody = '00000000-0000-0000-0000-000000000000';
  await assert.rejects(found(undefined), code('possession-proof-missing'));
  const wrong = possessionProof(newStampKey('Secp256r1'), running.stack.deploymentId, nobody, 'other');
  await assert.rejects(found(wrong), code('possession-proof-invalid'));
  const proof = possessionProof(other, running.stack.deploymentId, nobody, 'other');
  const { organizationId, users } = await found(proof);
  assert.match(String(users[0]!.createdAtMs), /^\d{4}-\d\d-\d\dT/);
  assert.equal(
    (await client.with(other).native('getOrganization', { organizationId })).organizationId,
    organizationId,
  );
});

test('getOrganization: answers members only, over both surfaces', async () => {
  const { client, organizationId } = await running.organization();
  const { organizationName } = await get(client, organizationId.toUpperCase());
  assert.equal(organizationName, 'Acme');
  const native = await client.native<{ organizationId: string }>('getOrganization', { organizationId });
  assert.equal(native.organizationId, organizationId);
  await assert.rejects(get(running.client(), organizationId), code('authenticator-unknown'));
});

test('addUserToOrganization: adds a user for good, and one who ends', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey('Secp256r1');
  const user = {
    username: 'worker',
    policy: USER,
    authenticators: [keypair('one', key)],
    traits: { a: 'b' },
  };
  const added = conforming(
    'addUserToOrganization',
    await client.call<Organization>('addUserToOrganization', { organizationId, user }),
  );
  assert.deepEqual(
    added.users.map(({ username }) => username),
    ['root', 'worker'],
  );
  const worker = client.with(key);
  assert.equal((await get(worker, organizationId)).users.length, 2);
  await assert.rejects(
    worker.call('addUserToOrganization', { organizationId, user: { ...user, username: 'third' } }),
    code('policy-denied'),
  );
  await assert.rejects(
    client.call('addUserToOrganization', { organizationId, user }),
    code('user-exists', 'params.user.username'),
  );

  const short = newStampKey();
  const ending = { ...user, username: 'guest', authenticators: [keypair('two', short)], expiresInMs: 600 };
  const after = await client.call<Organization>('addUserToOrganization', { organizationId, user: ending });
  const guest = after.users.find(({ username }) => username === 'guest')!;
  assert.equal(guest.expiresAtMs! - guest.createdAtMs, 600);
  assert.equal((await get(client.with(short), organizationId)).users.length, 3);
  await wait(guest.expiresAtMs! - Date.now() + 50);
  await assert.rejects(get(client.with(short), organizationId), code('user-expired'));
});

test('addUserToOrganization: a replaceable user that names no end ends after 31 days', async () => {
  const { client, organizationId } = await running.organization();
  const { users } = await client.call<Organization>('addUserToOrganization', {
    organizationId,
    user: { username: 'app', policy: USER, authenticators: [] },
    replaceExpirable: true,
  });
  const app = users.find(({ username }) => username === 'app')!;
  assert.equal(app.expiresAtMs! - app.createdAtMs, 31 * 86_400_000);
});

test('updateUserInOrganization: changes policy and traits, and the next request feels it', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey();
  const user = {
    username: 'u',
    policy: USER,
    authenticators: [keypair('one', key)],
    traits: { a: '1', b: '2' },
  };
  await client.call('addUserToOrganization', { organizationId, user });
  const worker = client.with(key);
  await worker.call('createWallet', { organizationId, walletName: 'before' });
  const updated = conforming(
    'updateUserInOrganization',
    await client.call<Organization>('updateUserInOrganization', {
      organizationId,
      username: 'u',
      newPolicy: { type: 'CEL', preset: 'DENY_ALL' },
      addTraits: { a: '3', c: '4' },
      removeTraits: ['b'],
    }),
  );
  const [, changed] = updated.users;
  assert.deepEqual(changed!.traits, { a: '3', c: '4' });
  assert.deepEqual(changed!.policy, { type: 'CEL', preset: 'DENY_ALL' });
  await assert.rejects(
    worker.call('createWallet', { organizationId, walletName: 'after' }),
    code('policy-denied'),
  );
  await client.call('updateUserInOrganization', {
    organizationId,
    username: 'u',
    newPolicy: { type: 'ROOT' },
  });
  await worker.call('deleteUserFromOrganization', { organizationId, username: 'root' });
  await assert.rejects(get(client, organizationId), code('authenticator-unknown'));
  await assert.rejects(
    worker.call('updateUserInOrganization', { organizationId, username: 'u', newPolicy: USER }),
    code('last-root-authenticator'),
  );
});

test('deleteUserFromOrganization: ends a user and its keys, never the last root', async () => {
  const { client, organizationId } = await running.organization();
  const key = newStampKey();
  const user = { username: 'u', policy: USER, authenticators: [keypair('one', key)] };
  await client.call('addUserToOrganization', { organizationId, user });
  const { users } = conforming(
    'deleteUserFromOrganization',
    await client.call<Organization>('deleteUserFromOrganization', { organizationId, username: 'u' }),
  );
  assert.deepEqual(
    users.map(({ username }) => username),
    ['root'],
  );
  await assert.rejects(get(client.with(key), organizationId), code('authenticator-unknown'));
  await assert.rejects(
    client.call('deleteUserFromOrganization', { organizationId, username: 'u' }),
    code('user-not-found'),
  );
  await assert.rejects(
    client.call('deleteUserFromOrganization', { organizationId, username: 'root' }),
    code('last-root-authenticator'),
  );
  // A user that is gone can come again with the same name and the same key.
  await client.call('addUserToOrganization', { organizationId, user });
  assert.equal((await get(client.with(key), organizationId)).users.length, 2);
});

test('getOrCreatePhantomOrganization: says that it needs Connect', async () => {
  const { client } = await running.organization();
  await assert.rejects(client.call('getOrCreatePhantomOrganization', null), code('not-supported'));
  const publicKey = newStampKey('Secp256r1').publicKey;
  await assert.rejects(client.call('getOrCreatePhantomOrganization', { publicKey }), code('not-supported'));
});

test('getPhantomOrganization: says that it needs Connect', async () => {
  const { client } = await running.organization();
  await assert.rejects(client.call('getPhantomOrganization', null), code('not-supported'));
});
