import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Migrations } from '../seedless/migrations.ts';
import { withSeedless } from '../seedless/with-seedless.ts';

const world = withSeedless({ realmCount: 5 });

describe('a move of a backup that is cut off before or after any of its requests', () => {
  // The longer path is cut after each request only: for keeper and realms that is before the next one as well.
  for (const [name, old, next, cuts] of [
    [
      'from 2 of 2 realms to 2 of 3, of which the new one sorts first',
      [[3, 4], 2],
      [[2, 3, 4], 2],
      ['before', 'after'],
    ],
    ['from 2 of 3 realms to 3 of 5', [[2, 3, 4], 2], [[0, 1, 2, 3, 4], 3], ['after']],
  ] as const)
    test(`${name}: is at the old or at the new realms, never at neither, and costs no guess`, async (context) => {
      const [from, to] = [world.someOf(old[0], old[1]), world.someOf(next[0], next[1])];
      const migrations = await Migrations.start(world, from);
      const requests = await migrations.requests(from, to);
      assert.ok(requests > 20, String(requests));
      const outcomes: string[] = [];
      for (let request = 1; request <= requests; request += 1)
        for (const when of cuts) {
          await migrations.requests(to, from);
          outcomes.push(await migrations.cut(from, to, { request, when }));
        }
      context.diagnostic(`${requests} requests: ${outcomes.join(' ')}`);
      assert.equal(outcomes[0], 'old');
      assert.equal(outcomes.at(-1), 'new');
    });
});
