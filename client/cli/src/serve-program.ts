import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from './command-error.ts';

/** Programs of the checkout: they do not come with the package of the command. */
const stack = join(import.meta.dirname, '../../../stack/src');

/** Runs a program of the stack until it ends; it ends with this command, however that ends. Throws CommandError. */
export async function serveProgram(
  file: string,
  what: string,
  environment: Readonly<Record<string, string>>,
): Promise<void> {
  const program = join(stack, file);
  if (!existsSync(program))
    throw new CommandError(
      `this package of the command does not have the programs of a ${what}`,
      'run it in a checkout of Keystead: npm ci && npx keystead',
    );
  const child = spawn(process.execPath, ['--import', join(stack, 'end-with-parent.ts'), program], {
    env: { ...process.env, ...environment },
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, forward);
  const code = await new Promise<number>((ended) => child.once('exit', (status) => ended(status ?? 1)));
  if (code !== 0)
    throw new CommandError(`the ${what} ended with code ${code}`, 'the lines before this one say why');
}
