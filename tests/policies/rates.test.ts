import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newStampKey, possessionProof } from '../raw-client.ts';
import { keypair } from '../with-stack.ts';
import { Scene } from './scene.ts';

/** Requests in a minute. */
const KEY = 20;
const USER = 30;
const running = withStack({ settings: { authenticatorRate: KEY, userRate: USER, organizationRate: 1000 } });

test('one key makes so many requests in a minute, its user with all keys somewhat more, and others go on', async () => {
  const scene = await Scene.of(running);
  const { organizationId } = scene;
  const key = newStampKey();
  const preset = { type: 'CEL', preset: 'LEGACY_USER_ROLE' };
  const first = await scene.user('busy', preset, key);
  const quiet = await scene.user('quiet', preset);
  const second = newStampKey();
  const proof = possessionProof(second, running.stack.deploymentId, organizationId, 'busy');
  await scene.root.native('createAuthenticator', {
    organizationId,
    username: 'busy',
    authenticator: keypair('second', second, { proof, stampKinds: ['native', 'pki'] }),
  });
  const asks = (by: typeof first, count: number) =>
    Promise.all(Array.from({ length: count }, () => by.rpc('getOrganization', { organizationId })));
  const passed = (answers: Awaited<ReturnType<typeof asks>>) =>
    answers.filter(({ status }) => status === 200).length;

  const entries = running.entries(organizationId);
  const body = scene.body(first, scene.transfer(1));
  const begun = Date.now();
  const answers = await asks(first, 2 * USER);
  // Buckets fill while the requests come.
  const filled = (rate: number) => Math.ceil(((Date.now() - begun) * rate) / 60_000);
  assert.ok(passed(answers) >= KEY && passed(answers) <= KEY + filled(KEY), String(passed(answers)));
  const refused = answers.find(({ status }) => status !== 200)!;
  assert.deepEqual([refused.status, refused.body?.code], [429, 'too-many-requests']);
  assert.match(String(refused.headers['retry-after']), /^[0-9]+$/);
  const both = passed(answers) + passed(await asks(first.with(second), 2 * USER));
  assert.ok(both >= USER && both <= USER + filled(USER), String(both));
  assert.equal(passed(await asks(quiet, 4)), 4);
  // Nothing was decided of what was refused, and nothing stands in the chain: the same bytes count later.
  const signs = await first.send(body);
  assert.equal(signs.body?.code, 'too-many-requests');
  assert.equal(running.entries(organizationId), entries);
  for (const patience = Date.now() + 120_000; ; ) {
    const answer = await first.send(body);
    if (answer.status === 200) break;
    assert.equal(answer.body?.code, 'too-many-requests');
    assert.ok(Date.now() < patience, answer.text);
    await new Promise((done) => setTimeout(done, 500));
  }
});
