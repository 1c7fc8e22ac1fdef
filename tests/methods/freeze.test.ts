import { keypair, withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newStampKey, type RawClient } from '../raw-client.ts';
import { conforming } from './conforms.ts';
import { code } from './refused.ts';

const running = withStack();

const SOLANA = "m/44'/501'/0'/0'";

/** An organization with a wallet, a user who signs, and a guest organization with a grant on the wallet. */
async function scene() {
  const { organizationId, client: root } = await running.organization('Owner');
  const { walletId } = await root.call<{ walletId: string }>('createWallet', {
    organizationId,
    walletName: 'W',
  });
  const agentKey = newStampKey();
  await root.call('addUserToOrganization', {
    organizationId,
    user: {
      username: 'agent',
      policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
      authenticators: [keypair('key', agentKey)],
    },
  });
  const guest = await running.organization('Guest');
  await root.call('grantOrganizationAccess', {
    ownerOrganizationId: organizationId,
    targetOrganizationId: guest.organizationId,
    walletId,
    policy: { version: 'v0', scopes: ['owner'] },
  });
  let count = 0;
  const signs = (by: RawClient, from = organizationId) =>
    by.call('signUtf8Message', {
      organizationId: from,
      walletId,
      message: `message ${(count += 1)}`,
      derivationInfo: SOLANA,
    });
  const set = async (method: 'freeze' | 'unfreeze', more: object = {}, by = root) =>
    conforming(method, await by.call(method, { organizationId, ...more }));
  return { organizationId, walletId, root, agent: root.with(agentKey), guest, signs, set };
}

test('a frozen wallet signs for nobody, grants included, is not exported, and shows that it is frozen', async () => {
  const { organizationId, walletId, root, agent, guest, signs, set } = await scene();
  assert.deepEqual(await set('freeze', { walletId }), { organizationId, walletId, frozen: true });
  await assert.rejects(signs(root), code('wallet-frozen'));
  await assert.rejects(signs(agent), code('wallet-frozen'));
  await assert.rejects(signs(guest.client, guest.organizationId), code('wallet-frozen'));
  const publicKey = Buffer.alloc(32, 9).toString('base64url');
  await assert.rejects(
    root.call('exportWallet', { organizationId, walletId, publicKey }),
    code('wallet-frozen'),
  );
  await assert.rejects(
    root.call('transferOrganizationWallet', {
      ownerOrganizationId: organizationId,
      targetOrganizationId: guest.organizationId,
      walletId,
    }),
    code('wallet-frozen'),
  );
  const { wallets } = conforming(
    'getOrganizationWallets',
    await root.call<{ wallets: { frozen?: boolean }[] }>('getOrganizationWallets', { organizationId }),
  );
  assert.equal(wallets[0]?.frozen, true);
  await set('unfreeze', { walletId });
  await signs(agent);
  await signs(guest.client, guest.organizationId);
});

test('a frozen user stamps nothing, may have frozen itself, and comes back by a root user alone', async () => {
  const { root, agent, signs, set } = await scene();
  await assert.rejects(set('freeze', { username: 'root' }, agent), code('policy-denied'));
  await set('freeze', { username: 'agent' }, agent);
  await assert.rejects(signs(agent), code('user-frozen'));
  await assert.rejects(set('unfreeze', { username: 'agent' }, agent), code('user-frozen'));
  await signs(root);
  await set('unfreeze', { username: 'agent' });
  await signs(agent);
});

test('a frozen organization signs nothing, also for its guests, and still lets a stolen key be removed', async () => {
  const { organizationId, root, agent, guest, signs, set } = await scene();
  await set('freeze');
  await assert.rejects(signs(root), code('organization-frozen'));
  await assert.rejects(signs(guest.client, guest.organizationId), code('organization-frozen'));
  await assert.rejects(
    root.call('createWallet', { organizationId, walletName: 'X' }),
    code('organization-frozen'),
  );
  const shown = conforming(
    'getOrganization',
    await root.call<{ frozen?: boolean }>('getOrganization', { organizationId }),
  );
  assert.equal(shown.frozen, true);
  await assert.rejects(set('unfreeze', {}, agent), code('policy-denied'));
  await root.call('deleteUserFromOrganization', { organizationId, username: 'agent' });
  await set('unfreeze');
  await signs(root);
  await assert.rejects(signs(agent), code('authenticator-unknown'));
});

test('under a freeze nothing that was asked for before the answer and not signed yet is signed after it', async () => {
  const { walletId, agent, signs, set } = await scene();
  let frozenAt = Number.POSITIVE_INFINITY;
  const late: number[] = [];
  const asking = Array.from({ length: 40 }, async () => {
    for (;;) {
      const askedAt = performance.now();
      try {
        await signs(agent);
      } catch {
        return;
      }
      if (askedAt > frozenAt) late.push(askedAt);
    }
  });
  await signs(agent);
  await set('freeze', { walletId });
  frozenAt = performance.now();
  await Promise.all(asking);
  assert.deepEqual(late, []);
});

test('a freeze holds after every process was killed', async () => {
  const { walletId, agent, signs, set } = await scene();
  await set('freeze', { walletId });
  await running.killAll();
  await assert.rejects(signs(agent), code('wallet-frozen'));
});
