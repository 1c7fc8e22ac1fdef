/**
 * The gateway ends between the order of a batch and the commit of its rows. What is history by then is only in the heads
 * log, which gives it back (decision 0045).
 */
import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deliver, newRequest } from './sent-request.ts';

const running = withStack({ gateway: join(import.meta.dirname, 'gateway-ends-at-commit.ts') });

const SOLANA = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };
const ROUNDS = 3;

const rolledForward = () => running.logged().split('"event":"rolled-forward"').length - 1;

for (const when of ['before', 'after'] as const)
  test(`a gateway that ends ${when} the commit of rows whose order has left loses no wallet, and no organization locks`, async () => {
    const { organizationId, client } = await running.organization();
    const entries = running.entries(organizationId);
    const before = rolledForward();
    const wallets: string[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const end = join(running.home, 'end');
      writeFileSync(end, when);
      const params = { organizationId, walletName: `wallet ${round}` };
      const request = newRequest(client, 'native', 'createWallet', params);
      const { answer, tries } = await deliver(running.api, request);
      assert.equal(answer?.status, 200, JSON.stringify(answer?.body));
      assert.ok(tries > 1 && !existsSync(end), 'the gateway did not end');
      const { walletId } = (answer.body as { result: { walletId: string } }).result;
      wallets.push(walletId);
      const message = {
        organizationId,
        walletId,
        message: 'm',
        algorithm: 'Ed25519',
        derivationInfo: SOLANA,
      };
      await client.call('signUtf8Message', message);
    }
    assert.equal(new Set(wallets).size, ROUNDS);
    // One entry for each request, however often it was sent.
    assert.equal(running.entries(organizationId), entries + 2 * ROUNDS);
    if (when === 'before') assert.equal(rolledForward(), before + ROUNDS);
    assert.doesNotMatch(running.logged(), /"event":"organization-locked"/);
  });
