import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InProcess } from '../seedless/in-process.ts';
import { PinChanges } from '../seedless/interruptions.ts';
import { type Other, TwoDevices } from '../seedless/two-devices.ts';
import { withSeedless } from '../seedless/with-seedless.ts';

const world = withSeedless();

/** The numbers of those that go to the keeper, from 1. */
const toKeeper = (requests: readonly string[]) =>
  requests.flatMap((to, index) => (to === 'keeper' ? [index + 1] : []));

const counted = (outcomes: readonly string[]) => {
  const counts = new Map<string, number>();
  for (const outcome of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return [...counts].map(([outcome, count]) => `${outcome}: ${count}`).join('; ');
};

describe('two devices of one account, of which each has one PIN that works afterwards', () => {
  for (const deletionDelaySeconds of [0, 3600])
    test(`meet at every request of a change of the PIN to the keeper, in one process, with a delay of ${deletionDelaySeconds} s`, async (context) => {
      const devices = await TwoDevices.start(await InProcess.start({ deletionDelaySeconds }));
      const requests = await devices.requests();
      const outcomes: string[] = [];
      const pauses: readonly (readonly [Other, readonly number[]])[] = [
        ['cleanUp', [3, 5, 8]],
        ['resetPin', [0, 6, 18, 35]],
        ['changePin', [20]],
      ];
      for (const request of toKeeper(requests))
        for (const [other, at] of pauses)
          for (const pause of at) {
            const { phone, tablet, counts } = await devices.meet(request, other, pause);
            outcomes.push(`${other}, phone ${phone}, tablet ${tablet}, ${counts}`);
          }
      context.diagnostic(counted(outcomes));
      assert.ok(outcomes.some((outcome) => outcome.includes('phone backup-changed')));
      assert.ok(outcomes.some((outcome) => outcome.includes('tablet backup-changed')));
    });

  test('meet while a request of the phone to the keeper is kept back, and arrives between those of the tablet, in one process', async (context) => {
    const devices = await TwoDevices.start(await InProcess.start());
    const requests = await devices.requests();
    const outcomes: string[] = [];
    for (const request of toKeeper(requests))
      for (const [other, count] of [
        ['cleanUp', 12],
        ['resetPin', 42],
      ] as const)
        for (let arrives = 1; arrives <= count; arrives += count / 3) {
          const { phone, tablet, counts } = await devices.late(request, other, Math.floor(arrives));
          outcomes.push(`${other}, phone ${phone}, tablet ${tablet}, ${counts}`);
        }
    context.diagnostic(counted(outcomes));
  });

  test('meet at the requests of a change to the keeper, against processes', async (context) => {
    const devices = await TwoDevices.start(world.devicesOf(await world.person()));
    const requests = await devices.requests();
    const outcomes: string[] = [];
    for (const request of toKeeper(requests).slice(-6))
      for (const [other, pause] of [
        ['cleanUp', 5],
        ['resetPin', 20],
      ] as const) {
        const { phone, tablet, counts } = await devices.meet(request, other, pause);
        outcomes.push(`${other}, phone ${phone}, tablet ${tablet}, ${counts}`);
      }
    context.diagnostic(counted(outcomes));
    assert.ok(outcomes.some((outcome) => outcome.includes('phone backup-changed')));
  });
});

test('a change of the PIN of which any request or answer is lost, once or with all that follow, leaves the old or the new PIN, in one process', async (context) => {
  const changes = await PinChanges.start(await InProcess.start());
  const requests = await changes.requests();
  const outcomes: string[] = [];
  for (let request = 1; request <= requests; request += 1)
    for (const when of ['before', 'after'] as const)
      for (const forGood of [false, true]) outcomes.push(await changes.lose({ request, when, forGood }));
  context.diagnostic(`${requests} requests: ${counted(outcomes)}`);
});
