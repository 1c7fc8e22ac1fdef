import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { frame } from '@keystead/protocol/framing';
import type { Option } from './command.ts';
import { CommandError } from './command-error.ts';
import { readPrivateFile } from './terminal/secret-input.ts';

/** The program that opens a home; it comes with the checkout, not with the package of the command. */
const program = join(import.meta.dirname, '../../../stack/src/export-main.ts');

/** Where the backups of a million organizations are fits. */
const mostOutput = 2 ** 29;

/** Of commands that open a home which a password or shares unlock. */
export const unlockFileOption = {
  'unlock-file': {
    type: 'string',
    multiple: true,
    value: 'file',
    help: 'file with the password or a share that unlocks the home, mode 0600; once for each share',
  },
} as const satisfies Readonly<Record<string, Option>>;

/** What it says of the file that it wrote. The files with what unlocks are read here. Throws CommandError. */
export async function runExport(
  asked: object,
  unlockFiles: readonly string[],
): Promise<{ readonly [name: string]: unknown }> {
  if (!existsSync(program))
    throw new CommandError(
      'this package of the command does not have the programs of realms and keepers',
      'run it in a checkout of Keystead',
    );
  const secrets = unlockFiles.map(readPrivateFile);
  const { stdout, stderr, code } = await new Promise<{ stdout: string; stderr: string; code: number }>(
    (done) => {
      const child = execFile(
        process.execPath,
        [program, JSON.stringify(asked)],
        { maxBuffer: mostOutput },
        (error, out, err) => done({ stdout: out, stderr: err, code: error === null ? 0 : 1 }),
      );
      child.stdin!.on('error', () => {});
      for (const secret of secrets) {
        const framed = frame(secret);
        child.stdin!.write(framed, () => framed.fill(0));
        secret.fill(0);
      }
      child.stdin!.end();
    },
  );
  if (code === 0) return JSON.parse(stdout) as { readonly [name: string]: unknown };
  const [, detail, hint] = /^error: (.*?)(?:; hint: (.*))?$/m.exec(stderr) ?? [];
  throw new CommandError(
    detail ?? 'the export failed',
    hint ?? 'see that the home is one of a realm or keeper, and is readable',
  );
}
