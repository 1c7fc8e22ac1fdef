import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, createClient } from '@keystead/sdk/client';
import type { StampKey } from '../raw-client.ts';
import { operator } from '../unlock/locked-stack.ts';
import { seedOfRun, underLoad, untilAnswered, untilWhole } from './kill-run.ts';

const running = withStack();

const derivationInfo = "m/44'/501'/0'/0'";
const stamperOf = (key: StampKey) => ({
  algorithm: 'ed25519' as const,
  publicKey: key.publicKeyBytes,
  sign: async (message: Uint8Array) => key.sign(message),
});

test('F17 the keys of the roles are replaced under load: no request fails for a client that repeats 503, and clients follow to the new keys', async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`KEYSTEAD_TEST_SEED=${seed}`);
  const { organizationId, client: raw } = await running.organization();
  const clientWith = (fetch?: typeof globalThis.fetch): Client =>
    createClient({
      baseUrl: running.api,
      stamper: stamperOf(raw.key),
      root: running.stack.deploymentId,
      ...(fetch === undefined ? {} : { fetch }),
    });
  const client = clientWith();
  const { walletId } = await client.call('createWallet', { organizationId, walletName: 'W' });
  let signed = 0;
  const sign = async (by: Client) => {
    const message = Buffer.from(`message ${signed}`).toString('utf8');
    await by.call('signUtf8Message', {
      organizationId,
      walletId,
      message,
      algorithm: 'Ed25519',
      derivationInfo,
    });
    signed += 1;
  };
  const early = clientWith();
  await sign(early);

  const stopping = new AbortController();
  const signing = (async () => {
    while (!stopping.signal.aborted) await sign(client);
  })();
  signing.catch(() => {});
  const { anomalies, ...figures } = await underLoad(running, seed, async (load) => {
    await untilAnswered(load, 20, 60_000);
    const rotated = await operator<{ roleKeys: number }>(running.home, ['rotate', 'role-keys']);
    assert.equal(rotated.roleKeys, 2);
    await untilWhole(running, load, 'the replacement');
    await untilAnswered(load, 40, 60_000);
    running.stack.kill('policy');
    await untilWhole(running, load, 'the end of the policy engine');
    await untilAnswered(load, 10, 60_000);
  });
  stopping.abort();
  await signing;
  t.diagnostic(JSON.stringify({ signed, ...figures }));
  assert.deepEqual(anomalies, [], `KEYSTEAD_TEST_SEED=${seed}\n${running.logged()}`);

  // A client that knew only the old keys, and one that knows none.
  await sign(early);
  await sign(clientWith());
  const stated = (await (await fetch(`${running.api}/v1/deployment`)).json()) as { changes?: string[] };
  assert.equal(stated.changes?.length, 1);

  // A host that hides the change shows nothing that either of them takes.
  let hides = false;
  const hiding: typeof globalThis.fetch = async (input, init) => {
    const response = await globalThis.fetch(input, init);
    if (!hides || !String(input).endsWith('/v1/deployment')) return response;
    const { changes: _, ...rest } = (await response.json()) as Record<string, unknown>;
    return Response.json(rest);
  };
  hides = true;
  await assert.rejects(sign(clientWith(hiding)), { code: 'answer-unverified' });
  hides = false;
  await sign(clientWith(hiding));

  await running.restart();
  assert.equal((await operator<{ roleKeys: number }>(running.home, ['status'])).roleKeys, 2);
  await sign(clientWith());
});
