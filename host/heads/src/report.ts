import { writeSync } from 'node:fs';

/** One line of JSON on standard error. Never holds the content of a record. */
export function report(
  level: 'info' | 'warn' | 'error',
  event: string,
  fields: Record<string, unknown>,
): void {
  const line = JSON.stringify({ time: new Date().toISOString(), level, program: 'heads', event, ...fields });
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Nobody reads it: that must not end the keeper.
  }
}
