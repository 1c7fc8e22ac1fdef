import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from './command-error.ts';

/** The program that opens a home; it comes with the checkout, not with the package of the command. */
const program = join(import.meta.dirname, '../../../stack/src/export-main.ts');

/** What it says of the file that it wrote. Throws CommandError. */
export async function runExport(asked: object): Promise<{ readonly [name: string]: unknown }> {
  if (!existsSync(program))
    throw new CommandError(
      'this package of the command does not have the programs of realms and keepers',
      'run it in a checkout of Keystead',
    );
  const { stdout, stderr, code } = await new Promise<{ stdout: string; stderr: string; code: number }>(
    (done) =>
      execFile(process.execPath, [program, JSON.stringify(asked)], (error, out, err) =>
        done({ stdout: out, stderr: err, code: error === null ? 0 : 1 }),
      ),
  );
  if (code === 0) return JSON.parse(stdout) as { readonly [name: string]: unknown };
  const [, detail, hint] = /^error: (.*?)(?:; hint: (.*))?$/m.exec(stderr) ?? [];
  throw new CommandError(
    detail ?? 'the export failed',
    hint ?? 'see that the home is one of a realm or keeper, and is readable',
  );
}
