/** A moment at which local hours and weekdays are what they have to be. */
import { localTime } from '../calendar.ts';
import { fieldNamed } from '../language/fields.ts';
import { fits, type Known, numberFrom, unknownOf } from './known.ts';

const quarterHour = 900_000n;
/** Every hour of every weekday comes in it. */
const twoWeeks = 1344;
const year = 366 * 96;
/** Where the search begins when nothing is said: 2026. */
const usual = 1_767_225_600_000n;

const nowField = fieldNamed('time.now', null)!;

/** Moments by what is known of time: the search asks for the same again and again. */
export class Moments {
  readonly #found = new Map<string, number | null | undefined>();

  /** Null when there is none; undefined when none was found. */
  of(known: ReadonlyMap<string, Known>): number | null | undefined {
    const time = known.get('time.now') ?? unknownOf('time.now', nowField, 0);
    const local = new Map([...known].filter(([variable]) => variable.startsWith('time.now.')));
    const name = [...local, ['time.now', time] as const]
      .map(([variable, { low, high, among, not }]) =>
        [variable, low, high, [...(among ?? ['any'])], [...not]].join(' '),
      )
      .join(';');
    if (!this.#found.has(name)) this.#found.set(name, momentFor(time, local));
    return this.#found.get(name);
  }
}

function momentFor(time: Known, local: ReadonlyMap<string, Known>): number | null | undefined {
  const tests = [...local].map(([variable, known]) => {
    const [, method, zone] = /^time\.now\.(\w+)\("(.*)"\)$/.exec(variable) as unknown as [
      string,
      string,
      string,
    ];
    return (now: number): boolean => {
      const { hour, weekday } = localTime(now, zone);
      return fits(known, BigInt(method === 'getHours' ? hour : weekday));
    };
  });
  // Clocks of different places may never show both hours in these weeks, and do in summer.
  const zones = new Set([...local.keys()].map((variable) => variable.slice(variable.indexOf('('))));
  const steps = zones.size > 1 ? year : twoWeeks;
  for (const start of fits(time, usual) ? [usual, 0n] : [0n]) {
    let now = numberFrom(time, start);
    for (let step = 0; step <= steps; step += 1) {
      if (now === null) {
        if (start === 0n) return null;
        break;
      }
      if (tests.every((test) => test(Number(now)))) return Number(now);
      // Local hours begin at quarters of an hour everywhere since 1972.
      now = numberFrom(time, (now / quarterHour + 1n) * quarterHour);
    }
  }
  return undefined;
}
