import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { RawRequest } from '@keystead/protocol/frames';
import { pkiStamp, resultOf } from '../raw-client.ts';
import { growLedger } from './grow-ledger.ts';

/** KEYSTEAD_TEST_ENTRIES asks for another number, such as a million. */
const ENTRIES = Number(process.env.KEYSTEAD_TEST_ENTRIES ?? 100_000);
/** KEYSTEAD_TEST_RESTART_SECONDS makes it a failure when a process takes longer to be back: for a quiet machine. */
const RESTART_SECONDS = Number(process.env.KEYSTEAD_TEST_RESTART_SECONDS ?? Number.POSITIVE_INFINITY);
const ROUNDS = 3;
/** How long a cold organization may take to answer, in milliseconds. */
const mostPatience = 120_000;
/** What is kept behind a snapshot, the newest file, what a snapshot may be late by, and space that is prepared. */
const mostHeadsBytes = (24 + 8 + 16 + 8) * 1024 * 1024;
const SOLANA = "m/44'/501'/0'/0'";

const running = withStack();

async function untilReady(): Promise<void> {
  for (;;) {
    const response = await fetch(`${running.api}/readyz`).catch(() => undefined);
    await response?.arrayBuffer();
    if (response?.status === 200) return;
    await wait(10);
  }
}

test(`with ${ENTRIES} more entries every process is back after a kill, and a start reads a bounded log`, async (t) => {
  const { organizationId, client } = await running.organization('Large');
  const { walletId } = await client.call<{ walletId: string }>('createWallet', {
    organizationId,
    walletName: 'w',
  });
  let next = 0;
  let api = client;
  /**
   * Signs, and gives how many milliseconds the answer took, and what came instead of it: the first one after a start
   * waits for rows, on a busy machine longer than the gateway lets anybody wait.
   */
  const signs = async () => {
    const begun = performance.now();
    const refused: string[] = [];
    for (;;) {
      const answer = await api.rpc('signUtf8Message', {
        organizationId,
        walletId,
        message: `m${next++}`,
        algorithm: 'Ed25519',
        derivationInfo: SOLANA,
      });
      if (answer.status !== 503 || performance.now() - begun > mostPatience) {
        resultOf(answer);
        return { milliseconds: Math.round(performance.now() - begun), refused };
      }
      refused.push(`${answer.body?.code}: ${answer.body?.detail}`);
    }
  };
  await signs();
  const times = async () => {
    const found: Record<string, number[]> = {};
    for (const name of ['policy', 'signer', 'certifier', 'heads', 'gateway', 'launcher', 'all'] as const)
      for (let round = 0; round < ROUNDS; round += 1) {
        const begun = performance.now();
        if (name === 'all') for (const each of running.stack.processes.keys()) running.stack.kill(each);
        else running.stack.kill(name);
        await running.stack.settled();
        await untilReady();
        (found[name] ??= []).push(Math.round(performance.now() - begun));
        await running.stack.settled();
      }
    return found;
  };
  const young = await times();
  const { key } = client;
  await running.restart(async () => {
    const begun = performance.now();
    const body = client.body('getOrganization', { organizationId });
    const grown = await growLedger(
      { home: running.home, heads: running.heads },
      organizationId,
      {
        surface: 2,
        route: 1,
        path: '/v1/wallets/kms/rpc',
        body,
        phantomStamp: pkiStamp(key, body),
        signatureInput: undefined,
        signature: undefined,
        contentDigest: undefined,
        deployment: undefined,
        origin: undefined,
        seen: undefined,
      } satisfies RawRequest,
      ENTRIES,
    );
    t.diagnostic(JSON.stringify({ ...grown, seconds: Math.round((performance.now() - begun) / 1000) }));
  });
  await untilReady();
  const headsBytes = readdirSync(running.heads).reduce(
    (sum, name) => sum + statSync(join(running.heads, name)).size,
    0,
  );
  t.diagnostic(JSON.stringify({ headsBytes, storeBytes: statSync(join(running.home, 'store.sqlite')).size }));
  // What a start of keeper and certifier reads does not grow with the ledger.
  assert.ok(headsBytes < mostHeadsBytes, `${headsBytes}`);
  api = running.client(key);
  const first = await signs();
  const old = await times();
  t.diagnostic(JSON.stringify({ young, old, first }));
  for (const [ledger, found] of Object.entries({ young, old }))
    for (const [name, each] of Object.entries(found))
      assert.ok(
        Math.max(...each) <= RESTART_SECONDS * 1000,
        `${ledger} ledger, ${name}: ${each.join(', ')} ms`,
      );
  await signs();
  assert.ok(running.entries(organizationId) > ENTRIES);
});
