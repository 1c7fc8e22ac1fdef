import { writeSync } from 'node:fs';

export type ReportFields = Readonly<Record<string, string | number | boolean>>;

/** One line of the program's log. Fields are figures and codes: never a header, a body or a URL. */
export type Report = (level: 'info' | 'warn' | 'error', event: string, fields?: ReportFields) => void;

/** One line of JSON on standard error. */
export const report: Report = (level, event, fields = {}) => {
  const line = JSON.stringify({
    time: new Date().toISOString(),
    level,
    program: 'backup-host',
    event,
    ...fields,
  });
  try {
    writeSync(2, `${line}\n`);
  } catch {
    // Nobody reads it: that must not end the keeper.
  }
};

/** Name and code of a thrown value; a message can hold what a caller sent. */
export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'exception';
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}
