import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const WALLETS = 110;

const running = withStack();

test('a full page of wallets is told at the first request after the policy engine was killed', async () => {
  const { organizationId, client } = await running.organization();
  for (let made = 0; made < WALLETS; made += 10)
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        client.call('createWallet', { organizationId, walletName: `w${made + index}` }),
      ),
    );
  running.stack.kill('policy');
  await running.stack.settled();
  const page = await client.call<{ wallets: { walletId: string }[]; totalCount: number }>(
    'getOrganizationWallets',
    { organizationId, limit: 100, offset: 0 },
  );
  assert.equal(page.totalCount, WALLETS);
  assert.equal(new Set(page.wallets.map(({ walletId }) => walletId)).size, 100);
});
