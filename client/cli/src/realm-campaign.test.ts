import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import {
  noteReminded,
  observe,
  type PlacementReport,
  remindersDue,
  startCampaign,
} from './realm-campaign.ts';

const id = (number: number) => number.toString(16).padStart(32, '0');
const of = (numbers: readonly number[], recover: number): ConfigurationDocument => ({
  realms: numbers.map((number) => ({ id: id(number), address: 'https://realm.example/' })),
  register_threshold: numbers.length,
  recover_threshold: recover,
  pin_hashing_mode: 'Standard2019',
});
const [from, to] = [of([1, 2], 2), of([2, 3, 4], 2)];
const at = ({ realms, recover_threshold }: ConfigurationDocument, current: number, others = 0) => ({
  realms: realms.map((realm) => realm.id),
  recoverThreshold: recover_threshold,
  pinHashingMode: 'Standard2019',
  current,
  others,
});
const report = (
  placements: PlacementReport['placements'],
  organizations: PlacementReport['organizations'] = {},
): PlacementReport => ({ placements, organizations, keeperRealms: [] });

const day = 24 * 60 * 60 * 1000;
const start = Date.UTC(2026, 0, 1);
const [ada, bob, eve] = ['ada', 'bob', 'eve'];
const campaign = startCampaign({ from, to }, [ada, bob, eve, ada], start);

describe('a campaign', () => {
  test('is complete when no backup is elsewhere than at the new realms and nothing is left at those that go', () => {
    const status = (placements: PlacementReport['placements']) =>
      observe(campaign, report(placements), start).status;
    const half = status([at(from, 3, 1), at(to, 2)]);
    assert.deepEqual([half.moved, half.waiting, half.leftOver, half.isComplete], [2, 3, 1, false]);
    assert.deepEqual(half.dependOn, { [id(1)]: 4 });
    assert.equal(status([at(from, 0, 1), at(to, 5)]).isComplete, false);
    assert.equal(status([at(from, 0), at(to, 5, 2)]).isComplete, true);
    assert.equal(status([]).isComplete, true);
    // The same realms with another threshold are another place.
    assert.equal(status([at({ ...to, recover_threshold: 3 }, 1)]).waiting, 1);
    const reordered = { ...at(to, 1), realms: [id(4), id(2), id(3)] };
    assert.equal(status([reordered]).moved, 1);
  });

  test('counts users by what the keeper has of them, and the backups of nobody on the list', () => {
    const seen = report([at(from, 3, 1), at(to, 1)], {
      [ada]: { current: [1], others: [] },
      [bob]: { current: [0, 1], others: [0] },
    });
    const { status, campaign: noted } = observe(campaign, seen, start + day);
    assert.deepEqual(status.users, { moved: 1, waiting: 1, withoutBackup: 1 });
    assert.equal(status.waitingUnlisted, 2);
    assert.equal(noted.users[ada]!.movedAt, new Date(start + day).toISOString());
    // When it was seen first stays; somebody who went back waits again.
    assert.deepEqual(observe(noted, seen, start + 2 * day).campaign, noted);
    const back = report([at(from, 1)], { [ada]: { current: [0], others: [] } });
    assert.equal(observe(noted, back, start + 3 * day).campaign.users[ada]!.movedAt, undefined);
  });

  test('reminds at once, after 3, 7, 14 and then every 30 days, until everything of the user has moved', () => {
    const waiting = report([at(from, 2)], {
      [ada]: { current: [0], others: [] },
      [bob]: { current: [0], others: [] },
    });
    let now = start;
    let going = campaign;
    // Eve has no backup: nobody reminds her.
    assert.deepEqual(remindersDue(going, waiting, now), [ada, bob]);
    for (const pause of [3, 7, 14, 30, 30]) {
      going = noteReminded(going, [ada, bob], now);
      now += pause * day;
      assert.deepEqual(remindersDue(going, waiting, now - 1), []);
      assert.deepEqual(remindersDue(going, waiting, now), [ada, bob]);
    }
    const moved = report([at(to, 1), at(from, 1)], {
      [ada]: { current: [0], others: [] },
      [bob]: { current: [1], others: [] },
    });
    assert.deepEqual(remindersDue(going, moved, now), [bob]);
    assert.deepEqual(remindersDue(JSON.parse(JSON.stringify(going)), moved, now), [bob]);
  });
});
