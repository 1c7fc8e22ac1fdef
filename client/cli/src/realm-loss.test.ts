import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import { type PlacementReport, startCampaign } from './realm-campaign.ts';
import { lossOf, whyNotGivenUp } from './realm-loss.ts';

const id = (number: number) => number.toString(16).padStart(32, '0');
const of = (numbers: readonly number[], recover: number): ConfigurationDocument => ({
  realms: numbers.map((number) => ({ id: id(number), address: 'https://realm.example/' })),
  register_threshold: numbers.length,
  recover_threshold: recover,
  pin_hashing_mode: 'Standard2019',
});
const at = (numbers: readonly number[], recoverThreshold: number, current: number, others = 0) => ({
  realms: numbers.map(id),
  recoverThreshold,
  pinHashingMode: 'Standard2019',
  current,
  others,
});
// Realm 1 goes.
const campaign = startCampaign({ from: of([1, 2], 2), to: of([2, 3, 4], 2) }, ['ada', 'bob', 'eve'], 0);
const report: PlacementReport = {
  placements: [at([1, 2], 2, 2, 1), at([1, 2, 5], 2, 1), at([2, 3, 4], 2, 4)],
  organizations: {
    ada: { current: [0, 2], others: [] },
    bob: { current: [1], others: [0] },
    eve: { current: [2], others: [] },
  },
  keeperRealms: [],
};

describe('the end of a realm by force', () => {
  test('loses what falls below its threshold, weakens what keeps it, and touches nothing else', () => {
    const loss = lossOf(campaign, report);
    assert.deepEqual([loss.weakened, loss.lost, loss.lostOrganizations], [1, 2, ['ada']]);
    assert.equal(loss.lostUnlisted, 1, 'one backup is of somebody who is not on the list');
    assert.deepEqual(loss.generations, { [id(1)]: 4 });
    // The control: with a third realm the same two backups are only weakened.
    const [, second, third] = report.placements;
    const wider = lossOf(campaign, { ...report, placements: [at([1, 2, 6], 2, 2, 1), second!, third!] });
    assert.deepEqual([wider.weakened, wider.lost, wider.lostOrganizations], [3, 0, []]);
  });

  test('is given up by exactly the names of those who lose, and never while somebody unknown would', () => {
    const loss = lossOf(campaign, report);
    assert.match(whyNotGivenUp(loss, ['ada'])!, /1 backups .* not on the campaign/);
    const known = { ...loss, lostUnlisted: 0 };
    assert.match(whyNotGivenUp(known, [])!, /not named: ada/);
    assert.match(whyNotGivenUp(known, ['ada', 'bob'])!, /lose nothing: bob/);
    assert.equal(whyNotGivenUp(known, ['ada']), undefined);
    assert.equal(whyNotGivenUp({ ...known, lostOrganizations: [] }, []), undefined);
  });
});
