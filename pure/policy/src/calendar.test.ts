import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CalendarUnit, calendarStart, isTimeZone, localTime } from './calendar.ts';

const at = (text: string): number => Date.parse(text);
const startOf = (text: string, unit: CalendarUnit, zone: string): string =>
  new Date(calendarStart(at(text), unit, zone)).toISOString().replace('.000Z', 'Z');

describe('local time', () => {
  it('is that of the place, to the second, with its weekday', () => {
    assert.deepEqual(localTime(at('2026-11-28T10:20:30.999Z'), 'UTC'), {
      year: 2026,
      month: 11,
      day: 28,
      hour: 10,
      minute: 20,
      second: 30,
      weekday: 6,
    });
    assert.deepEqual(localTime(at('2026-12-31T23:15:00Z'), 'Asia/Kathmandu'), {
      year: 2027,
      month: 1,
      day: 1,
      hour: 5,
      minute: 0,
      second: 0,
      weekday: 5,
    });
    assert.deepEqual(localTime(at('2026-03-01T00:05:00Z'), 'America/St_Johns'), {
      year: 2026,
      month: 2,
      day: 28,
      hour: 20,
      minute: 35,
      second: 0,
      weekday: 6,
    });
  });

  it('has midnight as hour 0, and the hours that clocks show before and after they change', () => {
    const hour = (text: string) => localTime(at(text), 'Europe/Berlin').hour;
    assert.equal(hour('2026-07-01T22:00:00Z'), 0);
    assert.equal(hour('2026-03-29T00:59:59Z'), 1);
    assert.equal(hour('2026-03-29T01:00:00Z'), 3);
    assert.equal(hour('2026-10-25T00:59:59Z'), 2);
    assert.equal(hour('2026-10-25T01:00:00Z'), 2);
  });

  it('has every weekday, Sunday first', () => {
    const days = Array.from(
      { length: 7 },
      (_, day) => localTime(at(`2026-11-2${day + 2}T12:00:00Z`), 'UTC').weekday,
    );
    assert.deepEqual(days, [0, 1, 2, 3, 4, 5, 6]);
  });

  it('is of time zones that the database names, and of nothing else', () => {
    for (const zone of [
      'UTC',
      'Europe/Berlin',
      'America/Argentina/Buenos_Aires',
      'Etc/GMT+5',
      'America/Port-au-Prince',
    ])
      assert.equal(isTimeZone(zone), true, zone);
    for (const zone of [
      '',
      'Mars/Olympus',
      '+01:00',
      '-0100',
      '/UTC',
      ' UTC',
      'UTC ',
      'Europe/Berlin\n',
      'CET+1h',
      'Europe/Zürich',
      `Etc/${'A'.repeat(61)}`,
    ])
      assert.equal(isTimeZone(zone), false, zone);
    assert.throws(() => localTime(0, 'Mars/Olympus'), RangeError);
  });
});

describe('the start of a period', () => {
  const periods: readonly (readonly [now: string, unit: CalendarUnit, zone: string, start: string])[] = [
    ['2026-11-28T10:00:00Z', 'day', 'UTC', '2026-11-28T00:00:00Z'],
    ['2026-11-28T00:00:00Z', 'day', 'UTC', '2026-11-28T00:00:00Z'],
    ['2026-11-27T23:59:59.999Z', 'day', 'UTC', '2026-11-27T00:00:00Z'],
    ['2026-11-28T22:59:59Z', 'day', 'Europe/Berlin', '2026-11-27T23:00:00Z'],
    ['2026-11-28T23:00:00Z', 'day', 'Europe/Berlin', '2026-11-28T23:00:00Z'],
    // Weeks begin on Monday.
    ['2026-11-23T00:00:00Z', 'week', 'UTC', '2026-11-23T00:00:00Z'],
    ['2026-11-25T12:00:00Z', 'week', 'UTC', '2026-11-23T00:00:00Z'],
    ['2026-11-29T23:59:59Z', 'week', 'UTC', '2026-11-23T00:00:00Z'],
    ['2026-11-30T00:00:00Z', 'week', 'UTC', '2026-11-30T00:00:00Z'],
    ['2027-01-01T00:00:00Z', 'week', 'UTC', '2026-12-28T00:00:00Z'],
    ['2026-11-28T10:00:00Z', 'month', 'UTC', '2026-11-01T00:00:00Z'],
    ['2026-11-30T23:59:59Z', 'month', 'UTC', '2026-11-01T00:00:00Z'],
    ['2026-12-31T23:00:00Z', 'month', 'Europe/Berlin', '2026-12-31T23:00:00Z'],
    ['2026-12-31T22:59:59Z', 'month', 'Europe/Berlin', '2026-11-30T23:00:00Z'],
    // Days of 23 and of 25 hours.
    ['2026-03-29T12:00:00Z', 'day', 'Europe/Berlin', '2026-03-28T23:00:00Z'],
    ['2026-03-29T22:00:00Z', 'day', 'Europe/Berlin', '2026-03-29T22:00:00Z'],
    ['2026-10-25T22:59:59Z', 'day', 'Europe/Berlin', '2026-10-24T22:00:00Z'],
    ['2026-10-25T23:00:00Z', 'day', 'Europe/Berlin', '2026-10-25T23:00:00Z'],
    // Clocks jump over midnight: the day begins with the jump.
    ['2018-11-04T12:00:00Z', 'day', 'America/Sao_Paulo', '2018-11-04T03:00:00Z'],
    ['2018-11-04T02:59:59Z', 'day', 'America/Sao_Paulo', '2018-11-03T03:00:00Z'],
    // The places that are furthest from UTC.
    ['2026-06-15T12:00:00Z', 'day', 'Pacific/Kiritimati', '2026-06-15T10:00:00Z'],
    ['2026-06-15T12:00:00Z', 'day', 'Pacific/Pago_Pago', '2026-06-15T11:00:00Z'],
    ['2026-06-15T09:59:59Z', 'day', 'Pacific/Kiritimati', '2026-06-14T10:00:00Z'],
  ];
  for (const [now, unit, zone, start] of periods)
    it(`of the ${unit} in ${zone} at ${now} is ${start}`, () => {
      assert.equal(startOf(now, unit, zone), start);
      // And again, of what is remembered.
      assert.equal(startOf(now, unit, zone), start);
    });

  it('is that of the moment, whatever was asked before it', () => {
    const ask = (order: readonly number[]) =>
      order.map((index) => {
        const [now, unit, zone] = periods[index]!;
        return startOf(now, unit, zone);
      });
    const order = periods.map((_, index) => index);
    const starts = periods.map(([, , , start]) => start);
    assert.deepEqual(ask(order), starts);
    assert.deepEqual(ask(order.toReversed()), starts.toReversed());
    // A day, a week and a month of one place are three.
    for (const unit of ['month', 'week', 'day', 'week', 'month', 'day'] as const)
      assert.equal(
        startOf('2026-11-28T10:00:00Z', unit, 'UTC'),
        `${{ day: '2026-11-28', week: '2026-11-23', month: '2026-11-01' }[unit]}T00:00:00Z`,
      );
  });

  it('holds through its period and not beyond it, at every edge', () => {
    for (const [unit, first, next] of [
      ['day', '2026-11-10T00:00:00Z', '2026-11-11T00:00:00Z'],
      ['week', '2026-11-09T00:00:00Z', '2026-11-16T00:00:00Z'],
      ['month', '2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z'],
    ] as const) {
      const start = (moment: number) => calendarStart(moment, unit, 'UTC');
      assert.equal(start(at(first)), at(first));
      assert.equal(start(at(next) - 1), at(first));
      assert.equal(start(at(next)), at(next));
      assert.equal(start(at(next) - 1), at(first));
      assert.notEqual(start(at(first) - 1), at(first));
      assert.ok(start(at(first) - 1) < at(first));
    }
  });
});
