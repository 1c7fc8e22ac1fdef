import { keypair, type Organization, withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import bs58 from 'bs58';
import { verifyMessage } from 'ethers';
import nacl from 'tweetnacl';
import { newStampKey } from '../raw-client.ts';
import { conforming } from './conforms.ts';
import { code } from './refused.ts';

const running = withStack();

const SOLANA = "m/44'/501'/0'/0'";
const SECOND = "m/44'/501'/1'/0'";
const ETHEREUM = "m/44'/60'/0'/0/0";
const ABSENT = '00000000-0000-8000-8000-000000000000';

interface Grant {
  ownerOrganizationId: string;
  targetOrganizationId: string;
  walletId: string;
  policyName: string | null;
  policy: { version: string; scopes: string[]; derivationAllowlist?: string[] };
  createdAtMs: number;
  deletedAtMs?: number;
}
interface Signed {
  signature: string;
  address: string;
}

/** An owner with a wallet, and another organization. */
/** `sameRoot`: a wallet goes to no organization of which the stamping key is not a root key, too. */
async function two({ sameRoot = false } = {}) {
  const owner = await running.organization('Owner');
  const target = await running.organization('Target', sameRoot ? owner.client.key : undefined);
  const { walletId } = await owner.client.call<{ walletId: string }>('createWallet', {
    organizationId: owner.organizationId,
    walletName: 'W',
    tags: ['shared'],
  });
  const ids = {
    ownerOrganizationId: owner.organizationId,
    targetOrganizationId: target.organizationId,
    walletId,
  };
  const grant = async (scopes: string[], more: Record<string, unknown> = {}, policy = {}) =>
    conforming(
      'grantOrganizationAccess',
      await owner.client.call<Grant>('grantOrganizationAccess', {
        ...ids,
        policy: { version: 'v0', scopes, ...policy },
        ...more,
      }),
    );
  const revoke = async (targetPolicyName?: string) =>
    conforming(
      'revokeOrganizationAccess',
      await owner.client.call<Grant>('revokeOrganizationAccess', {
        ...ids,
        ...(targetPolicyName === undefined ? {} : { targetPolicyName }),
      }),
    );
  return { owner, target, walletId, ids, grant, revoke };
}

const signs = (by: Organization, walletId: string, message: string, more: Record<string, unknown> = {}) =>
  by.client.call<Signed>('signUtf8Message', {
    organizationId: by.organizationId,
    walletId,
    message,
    derivationInfo: SOLANA,
    ...more,
  });
const signsEthereum = (by: Organization, walletId: string, message: string) =>
  by.client.call<Signed>('ethereumSignMessage', {
    organizationId: by.organizationId,
    walletId,
    message: Buffer.from(message).toString('base64url'),
    derivationInfo: ETHEREUM,
  });
const verifies = ({ signature, address }: Signed, message: string) =>
  nacl.sign.detached.verify(Buffer.from(message), Buffer.from(signature, 'base64url'), bs58.decode(address));

test('grantOrganizationAccess: another organization signs within the scopes, and only those', async () => {
  const { owner, target, walletId, ids, grant } = await two();
  await assert.rejects(signs(target, walletId, 'before'), code('wallet-not-found'));
  const granted = await grant(['signaturePayload']);
  assert.deepEqual(
    { ...granted, createdAtMs: 0 },
    {
      ...ids,
      policyName: null,
      policy: { version: 'v0', scopes: ['signaturePayload'] },
      createdAtMs: 0,
    },
  );
  const signed = await signs(target, walletId, 'granted');
  assert.ok(verifies(signed, 'granted'));
  assert.equal(signed.address, (await signs(owner, walletId, 'own')).address);
  await assert.rejects(signsEthereum(target, walletId, 'x'), code('policy-denied'));
  const organizationId = target.organizationId;
  const [account] = await target.client.call<{ address: string }[]>('getAccounts', {
    organizationId,
    walletId,
    accounts: [SOLANA],
  });
  assert.equal(account!.address, signed.address);
  const publicKey = Buffer.alloc(32, 9).toString('base64');
  await assert.rejects(
    target.client.call('exportWallet', { organizationId, walletId, publicKey }),
    code('policy-denied'),
  );
  // A grant is for that organization alone.
  await assert.rejects(signs(await running.organization(), walletId, 'x'), code('wallet-not-found'));
  await assert.rejects(grant(['owner']), code('grant-exists'));
});

test('grantOrganizationAccess: the owner scope signs everything', async () => {
  const { target, walletId, grant } = await two();
  await grant(['owner']);
  assert.ok(verifies(await signs(target, walletId, 'a'), 'a'));
  const { signature, address } = await signsEthereum(target, walletId, 'b');
  assert.equal(verifyMessage('b', `0x${Buffer.from(signature, 'base64url').toString('hex')}`), address);
});

test('grantOrganizationAccess: an allow-list of paths binds signatures and accounts', async () => {
  const { target, walletId, grant } = await two();
  const granted = await grant(['signaturePayload'], {}, { derivationAllowlist: [SECOND] });
  assert.deepEqual(granted.policy.derivationAllowlist, [SECOND]);
  assert.ok(verifies(await signs(target, walletId, 'second', { derivationInfo: SECOND }), 'second'));
  await assert.rejects(signs(target, walletId, 'first'), code('policy-denied'));
  await assert.rejects(
    target.client.call('getAccounts', {
      organizationId: target.organizationId,
      walletId,
      accounts: [SECOND, SOLANA],
    }),
    code('policy-denied'),
  );
});

test('grantOrganizationAccess: several grants are told apart by their names', async () => {
  const { target, walletId, grant, revoke } = await two();
  await grant(['signaturePayload'], { policyName: 'messages' });
  await grant(['signatureTransaction'], { policyName: 'transactions' });
  await assert.rejects(signs(target, walletId, 'which'), code('grant-not-found', 'params.policyName'));
  assert.ok(verifies(await signs(target, walletId, 'named', { policyName: 'messages' }), 'named'));
  await assert.rejects(
    signs(target, walletId, 'other', { policyName: 'transactions' }),
    code('policy-denied'),
  );
  await revoke('transactions');
  assert.ok(verifies(await signs(target, walletId, 'only one left'), 'only one left'));
});

test('grantOrganizationAccess: only a root user of the owner grants, and only its own wallets', async () => {
  const { owner, target, walletId, ids } = await two();
  const policy = { version: 'v0', scopes: ['owner'] };
  const key = newStampKey();
  const user = {
    username: 'u',
    policy: { type: 'CEL', preset: 'ALLOW_ALL' },
    authenticators: [keypair('one', key)],
  };
  await owner.client.call('addUserToOrganization', { organizationId: owner.organizationId, user });
  const byUser = owner.client.with(key).call('grantOrganizationAccess', { ...ids, policy });
  await assert.rejects(byUser, code('policy-denied'));
  const byTarget = target.client.call('grantOrganizationAccess', { ...ids, policy });
  await assert.rejects(byTarget, code('authenticator-unknown'));
  const swapped = {
    ownerOrganizationId: target.organizationId,
    targetOrganizationId: owner.organizationId,
    walletId,
    policy,
  };
  await assert.rejects(
    target.client.call('grantOrganizationAccess', swapped),
    code('wallet-not-found', 'params.walletId'),
  );
  const without = { ...ids, policy: { version: 'v1', preset: 'ALLOW_ALL' } };
  await assert.rejects(
    owner.client.call('grantOrganizationAccess', without),
    code('parameter-invalid', 'params.policy.rootAccess'),
  );
});

test('revokeOrganizationAccess: ends the use at once', async () => {
  const { target, walletId, ids, grant, revoke } = await two();
  await grant(['owner'], { policyName: 'shop' });
  assert.ok(verifies(await signs(target, walletId, 'a'), 'a'));
  await assert.rejects(revoke(), code('grant-not-found'));
  const revoked = await revoke('shop');
  assert.deepEqual([revoked.policyName, revoked.walletId], ['shop', ids.walletId]);
  assert.ok(revoked.deletedAtMs! >= revoked.createdAtMs);
  await assert.rejects(signs(target, walletId, 'b'), code('wallet-not-found'));
  await assert.rejects(revoke('shop'), code('grant-not-found'));
  await grant(['owner'], { policyName: 'shop' });
  assert.ok(verifies(await signs(target, walletId, 'c'), 'c'));
});

test('getWalletAccessGrantsRequest: lists the grants of a wallet in pages, under both names', async () => {
  const { owner, ids, grant } = await two();
  for (const policyName of ['one', 'two', 'three']) await grant(['owner'], { policyName });
  const list = async (name: string, params: Record<string, unknown>) =>
    conforming(
      'getWalletAccessGrants',
      await owner.client.call<{ grants: Grant[]; totalCount: number; limit: number; offset: number }>(name, {
        ...ids,
        ...params,
      }),
    );
  const all = await list('getWalletAccessGrantsRequest', {});
  assert.deepEqual([all.totalCount, all.limit, all.offset], [3, 20, 0]);
  assert.deepEqual(
    all.grants.map(({ policyName }) => policyName),
    ['one', 'two', 'three'],
  );
  const page = await list('getWalletAccessGrants', { limit: 1, offset: 1 });
  assert.deepEqual(page.grants, [all.grants[1]]);
  assert.deepEqual([page.totalCount, page.limit, page.offset], [3, 1, 1]);
  const none = await list('getWalletAccessGrants', { targetOrganizationId: ABSENT });
  assert.deepEqual([none.grants, none.totalCount], [[], 0]);
});

test('transferOrganizationWallet: the wallet signs for the receiver and no more for the giver', async () => {
  const { owner, target, walletId, ids } = await two({ sameRoot: true });
  const before = await signs(owner, walletId, 'before');
  const moved = conforming(
    'transferOrganizationWallet',
    await owner.client.call<Grant>('transferOrganizationWallet', ids),
  );
  assert.deepEqual([moved.walletId, moved.targetOrganizationId], [walletId, target.organizationId]);
  await assert.rejects(signs(owner, walletId, 'after'), code('wallet-not-found'));
  const after = await signs(target, walletId, 'after');
  assert.ok(verifies(after, 'after'));
  assert.equal(after.address, before.address);
  const listed = (by: Organization) =>
    by.client.call<{ wallets: { walletId: string }[]; totalCount: number }>('getOrganizationWallets', {
      organizationId: by.organizationId,
    });
  assert.equal((await listed(owner)).totalCount, 0);
  assert.deepEqual(
    (await listed(target)).wallets.map((wallet) => wallet.walletId),
    [walletId],
  );
  await assert.rejects(
    owner.client.call('transferOrganizationWallet', ids),
    code('wallet-not-found', 'params.walletId'),
  );
});

test('transferOrganizationWallet: retainPolicy leaves the giver a grant, which the receiver can revoke', async () => {
  const { owner, target, walletId, ids } = await two({ sameRoot: true });
  await owner.client.call('transferOrganizationWallet', {
    ...ids,
    retainPolicy: { version: 'v0', scopes: ['signaturePayload'] },
  });
  assert.ok(verifies(await signs(owner, walletId, 'kept'), 'kept'));
  await assert.rejects(signsEthereum(owner, walletId, 'x'), code('policy-denied'));
  const back = {
    ownerOrganizationId: target.organizationId,
    targetOrganizationId: owner.organizationId,
    walletId,
  };
  await target.client.call('revokeOrganizationAccess', back);
  await assert.rejects(signs(owner, walletId, 'gone'), code('wallet-not-found'));
});

test('transferOrganizationWallet: earlier grants end, and nothing goes to an organization that is not there', async () => {
  const { owner, target, walletId, ids, grant } = await two({ sameRoot: true });
  const third = await running.organization('Third');
  await grant(['owner'], { targetOrganizationId: third.organizationId });
  assert.ok(verifies(await signs(third, walletId, 'a'), 'a'));
  await assert.rejects(
    owner.client.call('transferOrganizationWallet', { ...ids, targetOrganizationId: ABSENT }),
    code('organization-not-found'),
  );
  assert.ok(verifies(await signs(owner, walletId, 'still'), 'still'));
  await owner.client.call('transferOrganizationWallet', ids);
  await assert.rejects(signs(third, walletId, 'b'), code('wallet-not-found'));
  assert.ok(verifies(await signs(target, walletId, 'c'), 'c'));
});

test('transferOrganizationWallet: nobody is given a wallet that it did not ask for', async () => {
  const { owner, target, walletId, ids } = await two();
  const retainPolicy = { version: 'v0', scopes: ['owner'] };
  for (const params of [ids, { ...ids, retainPolicy }])
    await assert.rejects(
      owner.client.call('transferOrganizationWallet', params),
      code('receiver-root-required', 'params.targetOrganizationId'),
    );
  assert.ok(verifies(await signs(owner, walletId, 'kept'), 'kept'));
  const { totalCount } = await target.client.call<{ totalCount: number }>('getOrganizationWallets', {
    organizationId: target.organizationId,
  });
  assert.equal(totalCount, 0);
});
