import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TwoDevices } from './two-devices.ts';

// `npm run test:long` meets at every request, with and without a delay, and lets every request arrive late.
describe('two devices of one account', () => {
  test('a clean-up that meets a change of the PIN, whole or in parts, leaves one PIN that recovers, and the one that a change said counts', async (context) => {
    const devices = await TwoDevices.start();
    const requests = await devices.requests();
    const toKeeper = requests.flatMap((to, index) => (to === 'keeper' ? [index + 1] : []));
    const switching = toKeeper.at(-3)!;
    const outcomes: string[] = [];
    for (const request of [toKeeper.at(-5)!, switching, switching + 1])
      for (const pause of [3, 5, 8]) {
        const { phone, counts } = await devices.meet(request, 'cleanUp', pause);
        outcomes.push(`${request}/${pause} ${phone} ${counts}`);
      }
    context.diagnostic(`${requests.length} requests: ${outcomes.join(', ')}`);
    assert.ok(outcomes.some((outcome) => outcome.endsWith('resolved phone')));
    assert.ok(outcomes.some((outcome) => outcome.endsWith('backup-changed old')));
  });
});
