import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deliver, newRequest } from '../crash/sent-request.ts';
import { FEE, lamports, limited, Scene } from './scene.ts';
import { allowedByLedger } from './spending-run.ts';

const running = withStack({ gateway: join(import.meta.dirname, 'gateway-with-faults.ts') });

/** Ten transfers of one lamport with their fees fit. */
const TEN = 10 * (FEE + 1);
const REQUESTS = 60;
const PATH = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };

test('L24: a database whose commits fail gives 503 or a later answer, and never a signature without its row', async () => {
  const scene = await Scene.of(running);
  const { organizationId, wallet } = scene;
  const agent = await scene.user('agent', limited(lamports(TEN)));
  const requests = Array.from({ length: REQUESTS }, () =>
    newRequest(agent, 'compatibility', 'signTransaction', {
      organizationId,
      walletId: wallet.walletId,
      transaction: scene.transfer(1).toString('base64url'),
      derivationInfo: PATH,
    }),
  );
  writeFileSync(join(running.home, 'faults'), '');
  const deliveries: Awaited<ReturnType<typeof deliver>>[] = [];
  const lane = async () => {
    for (let next = requests.pop(); next !== undefined; next = requests.pop())
      deliveries.push(await deliver(running.api, next));
  };
  await Promise.all(Array.from({ length: 8 }, lane));
  rmSync(join(running.home, 'faults'));
  const signed = new Set(
    deliveries.flatMap(({ answer }) => (answer?.status === 200 ? [JSON.stringify(answer.body?.result)] : [])),
  );
  assert.equal(signed.size, 10);
  const refused = deliveries.filter(({ answer }) => answer?.body?.code === 'spending-limit-exceeded');
  assert.equal(refused.length, REQUESTS - 10);
  assert.ok(
    deliveries.some(({ tries }) => tries > 1),
    'no fault met a request',
  );
  assert.equal((await allowedByLedger(running)).get(organizationId), 10);
});
