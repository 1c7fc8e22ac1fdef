/** The window of a limit at a moment (spec/policy.md §6.3). */
import { calendarStart } from './calendar.ts';
import type { WindowDocument } from './language/document.ts';

/** Rows at this time or before it are outside: a row that is exactly one rolling window old is out. */
export function windowStart(window: WindowDocument, now: number): number {
  switch (window.kind) {
    case 'transaction':
      return now;
    case 'rolling':
      return now - window.seconds * 1000;
    case 'fixed': {
      const length = window.seconds * 1000;
      const anchor = Date.parse(window.anchor);
      return anchor + Math.floor((now - anchor) / length) * length - 1;
    }
    case 'calendar':
      return calendarStart(now, window.unit, window.timeZone) - 1;
    case 'lifetime':
      return -1;
  }
}

/** How people name the window. */
export function windowText(window: WindowDocument): string {
  switch (window.kind) {
    case 'transaction':
      return 'in one request';
    case 'rolling':
      return `in ${window.seconds} seconds`;
    case 'fixed':
      return `in each ${window.seconds} seconds since ${window.anchor}`;
    case 'calendar':
      return `in one ${window.unit} of ${window.timeZone}`;
    case 'lifetime':
      return 'ever';
  }
}
