import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PinChanges } from '../seedless/interruptions.ts';
import { withSeedless } from '../seedless/with-seedless.ts';

const world = withSeedless();

test('a change of the PIN that is cut off before or after any of its requests leaves the old or the new PIN working, never neither', async (context) => {
  const changes = await PinChanges.start(world.devicesOf(await world.person()));
  const requests = await changes.requests();
  assert.ok(requests > 20, String(requests));
  const outcomes: string[] = [];
  for (let request = 1; request <= requests; request += 1)
    for (const when of ['before', 'after'] as const)
      outcomes.push(await changes.lose({ request, when, forGood: true }));
  context.diagnostic(`${requests} requests, cut off before and after each: ${outcomes.join(' ')}`);
  // The negative control of the count: cuts early leave the old PIN, cuts late the new one.
  assert.equal(outcomes[0], 'old');
  assert.equal(outcomes.at(-1), 'new');
});
