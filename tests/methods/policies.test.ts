import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conforming } from './conforms.ts';
import { code } from './refused.ts';

const running = withStack();

const SOLANA = "m/44'/501'/0'/0'";
const noMessages = {
  version: 1,
  rules: [
    { id: 'all', effect: 'allow', when: { constant: true } },
    { id: 'no-messages', effect: 'deny', on: ['sign-message'], when: { constant: true } },
  ],
};

async function scene() {
  const { organizationId, client: root } = await running.organization();
  const wallet = () => root.call<{ walletId: string }>('createWallet', { organizationId, walletName: 'W' });
  const [{ walletId }, other] = [await wallet(), await wallet()];
  let count = 0;
  const signs = (id: string) =>
    root.call('signUtf8Message', {
      organizationId,
      walletId: id,
      message: `message ${(count += 1)}`,
      derivationInfo: SOLANA,
    });
  const update = (policyName: string, policy: object | null, more: object = {}) =>
    root.call('updatePolicy', { organizationId, policyName, policy, ...more });
  return { organizationId, root, walletId, otherId: other.walletId, signs, update };
}

test('a policy of one wallet binds every user of it, ROOT included, until it is removed', async () => {
  const { organizationId, root, walletId, otherId, signs, update } = await scene();
  const set = conforming('updatePolicy', await update('quiet', noMessages, { walletId }));
  assert.deepEqual(set, {
    organizationId,
    policies: [{ policyName: 'quiet', walletId, policy: noMessages }],
  });
  assert.deepEqual(conforming('getPolicies', await root.call('getPolicies', { organizationId })), set);
  await assert.rejects(signs(walletId), code('policy-denied'));
  await signs(otherId);
  await update('quiet', null);
  await signs(walletId);
  await assert.rejects(update('quiet', null), code('policy-not-found'));
});

test('a policy of the organization cannot lock out who could lift it', async () => {
  const { walletId, signs, update } = await scene();
  await update('nothing', { version: 1, rules: [] });
  await assert.rejects(signs(walletId), code('policy-denied'));
  await update('nothing', null);
  await signs(walletId);
});

test('a policy that means nothing changes nothing', async () => {
  const { organizationId, walletId, otherId, signs, update } = await scene();
  await assert.rejects(update('broken', { version: 1, rules: [{ id: 'x' }] }), code('parameter-invalid'));
  await assert.rejects(update('far', noMessages, { walletId: organizationId }), code('wallet-not-found'));
  await signs(walletId);
  await update('quiet', noMessages, { walletId: otherId });
  await assert.rejects(signs(otherId), code('policy-denied'));
});

test('a price source is a user, and what it states is kept canonically', async () => {
  const { organizationId, root } = await scene();
  const addTraits = { operator: 'ourselves' };
  await root.native('updateUserInOrganization', { organizationId, username: 'root', addTraits });
  const state = (prices: readonly object[]) => root.call('statePrices', { organizationId, prices });
  const price = {
    asset: 'eip155:1/erc20:0xdac17f958d2ee523a2206206994597c13d831ec7',
    microsPerUnit: '1000000',
    decimals: 6,
  };
  const stated = conforming('statePrices', await state([price]));
  assert.deepEqual(stated, { organizationId, source: 'root', prices: 1 });
  const wrong = { ...price, asset: 'eip155:1/erc20:0xDac17F958D2ee523a2206206994597C13D831ec7' };
  await assert.rejects(state([wrong]), code('parameter-invalid'));
  for (const microsPerUnit of ['0', '-1', '1.5', '01', '1e30'])
    await assert.rejects(state([{ ...price, microsPerUnit }]), code('parameter-invalid'));
});
