/** Local time by the time-zone database of the pinned runtime (IANA names). Pure: the same version gives the same answer. */

export interface LocalTime {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  /** 1 to 31. */
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

export type CalendarUnit = 'day' | 'week' | 'month';

const formats = new Map<string, Intl.DateTimeFormat>();
/** Time zones whose formats are kept: they are some hundreds, and their names are checked before. */
const maximumFormats = 1024;

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  if (formats.size >= maximumFormats) formats.clear();
  formats.set(timeZone, format);
  return format;
}

/** True for an IANA time zone that the runtime knows, in the database's spelling. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

/** Local time at a moment (milliseconds since 1970). Throws RangeError for an unknown time zone. */
export function localTime(moment: number, timeZone: string): LocalTime {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(moment)) parts[type] = Number(value);
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = parts;
  return {
    year,
    month,
    day,
    hour,
    minute,
    second,
    weekday: new Date(Date.UTC(year, month - 1, day)).getUTCDay(),
  };
}

interface Period {
  readonly start: number;
  readonly end: number;
}

const periods = new Map<string, Period>();

/**
 * The first moment of the local day, week (Monday) or month that holds `now`. A day in which clocks change has 23 or
 * 25 hours and is one day all the same.
 */
export function calendarStart(now: number, unit: CalendarUnit, timeZone: string): number {
  const name = `${unit} ${timeZone}`;
  const known = periods.get(name);
  if (known !== undefined && known.start <= now && now < known.end) return known.start;
  const { year, month, day, weekday } = localTime(now, timeZone);
  const back = unit === 'week' ? (weekday + 6) % 7 : 0;
  const first = unit === 'month' ? 1 : day - back;
  const start = midnight(year, month, first, timeZone);
  const end =
    unit === 'month'
      ? midnight(year, month + 1, 1, timeZone)
      : midnight(year, month, first + (unit === 'week' ? 7 : 1), timeZone);
  if (periods.size >= maximumFormats) periods.clear();
  periods.set(name, { start, end });
  return start;
}

const hourMilliseconds = 3_600_000;
/** The largest distance of a time zone from UTC, with room. */
const widestOffset = 18 * hourMilliseconds;

/** The first moment of a local date. Where clocks jump over midnight, the day begins with the jump. */
function midnight(year: number, month: number, day: number, timeZone: string): number {
  const date = Date.UTC(year, month - 1, day);
  // Local dates never go back, so the first moment of a date is found by halving.
  let before = date - widestOffset;
  let after = date + widestOffset;
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    const local = localTime(middle, timeZone);
    if (Date.UTC(local.year, local.month - 1, local.day) < date) before = middle;
    else after = middle;
  }
  return after;
}
