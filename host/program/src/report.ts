import { writeSync } from 'node:fs';

export type ReportFields = Readonly<Record<string, string | number | boolean>>;

/** Where one line of a program's log goes. Fields are figures and codes: never a header, a body or a URL. */
export type Report = (level: 'info' | 'warn' | 'error', event: string, fields?: ReportFields) => void;

/** The log of one program: a line of JSON on standard error for each event. */
export function reportOf(program: string): Report {
  return (level, event, fields = {}) => {
    const line = JSON.stringify({ time: new Date().toISOString(), level, program, event, ...fields });
    try {
      writeSync(2, `${line}\n`);
    } catch {
      // Nobody reads it: that must not end the program.
    }
  };
}

/** Name and code of a thrown value; a message can hold what a caller or a node sent. */
export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'exception';
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? `${error.name} ${code}` : error.name;
}
