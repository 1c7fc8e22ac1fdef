import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { localTime } from '../calendar.ts';
import type { Literal } from './goal.ts';
import { type Known, narrowed } from './known.ts';
import { Moments } from './moment.ts';
import { compare } from './policy-goals.ts';

const hours = (zone: string) => `time.now.getHours("${zone}")`;
const weekday = (zone: string) => `time.now.getDayOfWeek("${zone}")`;

function momentOf(...literals: readonly (readonly [string, string, bigint])[]) {
  const known = new Map<string, Known>();
  for (const [variable, operator, constant] of literals) {
    const literal: Literal = compare(variable, operator, [constant]);
    known.set(variable, narrowed(known.get(variable), literal, 9)!);
  }
  return new Moments().of(known);
}

const at = (text: string) => BigInt(Date.parse(text));

describe('a moment', () => {
  it('is in 2026 where nothing else is said, and otherwise the first that there is', () => {
    assert.equal(momentOf(), Date.parse('2026-01-01T00:00:00Z'));
    assert.equal(
      momentOf(['time.now', '>', at('2027-05-05T05:05:05Z')]),
      Number(at('2027-05-05T05:05:05.001Z')),
    );
    assert.equal(momentOf(['time.now', '<=', at('2020-05-05T00:00:00Z')]), 0);
    assert.equal(momentOf(['time.now', '==', 5n]), 5);
  });

  it('shows the hours and the weekday that are asked for', () => {
    for (const zone of ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/St_Johns'])
      for (const [hour, day] of [
        [0, 0],
        [9, 3],
        [23, 6],
      ] as const) {
        const found = momentOf([hours(zone), '==', BigInt(hour)], [weekday(zone), '==', BigInt(day)]);
        assert.equal(typeof found, 'number');
        const local = localTime(found!, zone);
        assert.deepEqual([local.hour, local.weekday], [hour, day], zone);
      }
  });

  it('is found in summer where two clocks show both hours only then', () => {
    const found = momentOf([hours('Europe/Berlin'), '==', 9n], [hours('UTC'), '==', 7n]);
    assert.equal(typeof found, 'number');
    assert.deepEqual(
      ['Europe/Berlin', 'UTC'].map((zone) => localTime(found!, zone).hour),
      [9, 7],
    );
  });

  it('is looked for before 2026 as well, and within what is known of it', () => {
    const until = at('2020-01-01T05:00:00Z');
    const found = momentOf(['time.now', '<', until], [hours('UTC'), '==', 12n]);
    assert.equal(found, 12 * 3_600_000);
    const late = at('2026-01-01T03:00:00Z');
    const wrapped = momentOf(['time.now', '<', late], [hours('UTC'), '==', 12n]);
    assert.equal(wrapped, 12 * 3_600_000);
    const from = at('2026-06-01T13:07:00Z');
    assert.equal(
      momentOf(['time.now', '>=', from], [hours('UTC'), '==', 12n]),
      Date.parse('2026-06-02T12:00:00Z'),
    );
  });

  it('is none where time ends before, and is not known where clocks never show it', () => {
    const [start, end] = [at('2026-03-01T00:00:00Z'), at('2026-03-01T05:00:00Z')];
    assert.equal(momentOf(['time.now', '>=', start], ['time.now', '<', end], [hours('UTC'), '==', 9n]), null);
    assert.equal(momentOf([hours('Europe/Berlin'), '==', 9n], [hours('UTC'), '==', 12n]), undefined);
    assert.equal(
      momentOf([hours('Asia/Tokyo'), '==', 9n], [weekday('Asia/Tokyo'), '==', 1n], ['time.now', '==', 5n]),
      null,
    );
  });

  it('is remembered for just what was asked', () => {
    const moments = new Moments();
    const of = (...literals: readonly (readonly [string, string, bigint])[]) => {
      const known = new Map<string, Known>();
      for (const [variable, operator, constant] of literals)
        known.set(variable, narrowed(known.get(variable), compare(variable, operator, [constant]), 9)!);
      return moments.of(known);
    };
    const ask = () => [
      of([hours('UTC'), '==', 5n]),
      of([hours('UTC'), '==', 6n]),
      of([hours('UTC'), '!=', 0n]),
      of([hours('UTC'), '!=', 1n]),
      of([hours('UTC'), '>=', 1n], [hours('UTC'), '!=', 1n], [hours('UTC'), '!=', 2n]),
      of([hours('UTC'), '>=', 1n], [hours('UTC'), '!=', 12n]),
      of([hours('UTC'), '>=', 7n]),
      of([hours('UTC'), '<=', 7n]),
      of([weekday('UTC'), '==', 5n]),
      of([hours('Asia/Tokyo'), '==', 5n]),
      of(['time.now', '<', 999n]),
      of(['time.now', '<', 999n], [hours('UTC'), '==', 5n]),
      of(),
    ];
    const start = Date.parse('2026-01-01T00:00:00Z');
    const hour = 3_600_000;
    const expected = [
      start + 5 * hour,
      start + 6 * hour,
      start + hour,
      start,
      start + 3 * hour,
      start + hour,
      start + 7 * hour,
      start,
      start + 24 * hour,
      start + 20 * hour,
      0,
      null,
      start,
    ];
    assert.deepEqual(ask(), expected);
    assert.deepEqual(ask(), expected);
  });
});
