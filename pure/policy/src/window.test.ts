import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calendarStart, isTimeZone, localTime } from './calendar.ts';
import { windowStart } from './window.ts';

const at = (text: string): number => Date.parse(text);
const iso = (moment: number): string => new Date(moment).toISOString();

describe('windows', () => {
  it('L5: a row that is exactly one rolling window old is out, a millisecond younger is in', () => {
    const now = at('2026-05-01T00:00:00Z');
    const start = windowStart({ kind: 'rolling', seconds: 60 }, now);
    assert.ok(now - 60_000 <= start);
    assert.ok(now - 59_999 > start);
  });

  it('L6: a fixed window begins anew at its boundary, so that twice the limit may leave around it', () => {
    const window = { kind: 'fixed', seconds: 3600, anchor: '2026-01-01T00:00:00Z' } as const;
    const before = windowStart(window, at('2026-05-01T00:59:59.999Z'));
    const after = windowStart(window, at('2026-05-01T01:00:00.000Z'));
    assert.deepEqual(
      [iso(before + 1), iso(after + 1)],
      ['2026-05-01T00:00:00.000Z', '2026-05-01T01:00:00.000Z'],
    );
    assert.equal(iso(windowStart(window, at('2025-12-31T23:30:00Z')) + 1), '2025-12-31T23:00:00.000Z');
    assert.equal(windowStart({ kind: 'lifetime' }, 5), -1);
    assert.equal(windowStart({ kind: 'transaction' }, 5), 5);
  });

  it('L7: a local day of 23 or 25 hours is one day', () => {
    const day = (now: string, zone = 'Europe/Berlin') => iso(calendarStart(at(now), 'day', zone));
    assert.equal(day('2026-03-28T23:00:00Z'), '2026-03-28T23:00:00.000Z');
    assert.equal(day('2026-03-29T21:59:59.999Z'), '2026-03-28T23:00:00.000Z');
    assert.equal(day('2026-03-29T22:00:00Z'), '2026-03-29T22:00:00.000Z');
    assert.equal(day('2026-10-24T22:00:00Z'), '2026-10-24T22:00:00.000Z');
    assert.equal(day('2026-10-25T22:59:59.999Z'), '2026-10-24T22:00:00.000Z');
    assert.equal(day('2026-10-25T23:00:00Z'), '2026-10-25T23:00:00.000Z');
    // Clocks jump over midnight: the day begins with the jump.
    assert.equal(day('2026-09-06T12:00:00Z', 'America/Santiago'), '2026-09-06T04:00:00.000Z');
  });

  it('begins weeks on Monday and months on their first day, in the time zone', () => {
    assert.equal(iso(calendarStart(at('2026-05-03T12:00:00Z'), 'week', 'UTC')), '2026-04-27T00:00:00.000Z');
    assert.equal(iso(calendarStart(at('2026-05-04T00:00:00Z'), 'week', 'UTC')), '2026-05-04T00:00:00.000Z');
    assert.equal(
      iso(calendarStart(at('2026-01-01T04:59:59Z'), 'month', 'America/New_York')),
      '2025-12-01T05:00:00.000Z',
    );
    assert.equal(
      iso(calendarStart(at('2026-12-31T23:30:00Z'), 'month', 'Pacific/Auckland')),
      '2026-12-31T11:00:00.000Z',
    );
    assert.equal(
      iso(windowStart({ kind: 'calendar', unit: 'day', timeZone: 'UTC' }, at('2026-05-01T05:00:00Z')) + 1),
      '2026-05-01T00:00:00.000Z',
    );
  });

  it('keeps what it knows of time zones within bounds, and answers the same afterwards', () => {
    const now = Date.parse('2026-06-15T12:00:00Z');
    const before = calendarStart(now, 'day', 'Europe/Berlin');
    // The database knows its names in any letters: so there are more names than zones.
    const letters = [...'europe/berlin'];
    for (let mask = 0; mask < 2300; mask += 1) {
      const name = letters.map((letter, bit) => ((mask >> bit) & 1 ? letter.toUpperCase() : letter)).join('');
      assert.equal(calendarStart(now, 'day', name), before);
    }
    assert.equal(calendarStart(now, 'day', 'Europe/Berlin'), before);
  });

  it('tells local hours and weekdays, and knows which names are time zones', () => {
    const { hour, minute, weekday } = localTime(at('2026-05-03T22:30:00Z'), 'Asia/Kolkata');
    assert.deepEqual([hour, minute, weekday], [4, 0, 1]);
    for (const name of ['UTC', 'Europe/Berlin']) assert.equal(isTimeZone(name), true, name);
    for (const name of ['', 'Mars/Olympus', '+01:00', 'Europe/Berlin"', 'a'.repeat(65)])
      assert.equal(isTimeZone(name), false, name);
  });
});
