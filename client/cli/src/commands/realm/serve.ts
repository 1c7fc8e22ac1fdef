import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { defaultRealmHome, type RealmOptions, realmHomeOption } from './home-option.ts';

/** The program that starts a realm; it comes with the checkout, not with the package of the command. */
const stack = join(import.meta.dirname, '../../../../../stack/src');
const program = join(stack, 'realm-main.ts');

export const realmServe: Command = {
  words: ['realm', 'serve'],
  summary: 'runs one recovery realm alone, until it is stopped',
  details: [
    'Prints one line with id, address and key of the realm when it serves. KEYSTEAD_PROFILE, KEYSTEAD_ISOLATION,',
    'KEYSTEAD_UID_BASE and KEYSTEAD_UNLOCK mean what they mean for `npm start`. Its heads log has to lie where a backup',
    'of --home does not reach.',
  ].join('\n'),
  options: {
    ...realmHomeOption,
    heads: { type: 'string', value: 'folder', help: 'heads log (default: beside the home)' },
    port: { type: 'string', value: 'port', help: 'port on 127.0.0.1; 0 takes any free one (default: 7401)' },
  } satisfies RealmOptions,
  async run(given) {
    if (!existsSync(program))
      throw new CommandError(
        'this package of the command does not have the programs of a realm',
        'run it in a checkout of Keystead: npm ci && npx keystead realm serve',
      );
    const heads = given.text('heads');
    // It ends with this command, however that ends.
    const child = spawn(process.execPath, ['--import', join(stack, 'end-with-parent.ts'), program], {
      env: {
        ...process.env,
        KEYSTEAD_HOME: resolve(given.text('home') ?? defaultRealmHome),
        KEYSTEAD_HEADS: heads === undefined ? '' : resolve(heads),
        KEYSTEAD_PORT: given.text('port') ?? '7401',
      },
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    const forward = (signal: NodeJS.Signals) => child.kill(signal);
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, forward);
    const code = await new Promise<number>((ended) => child.once('exit', (status) => ended(status ?? 1)));
    if (code !== 0)
      throw new CommandError(`the realm ended with code ${code}`, 'the lines before this one say why');
    return { json: { stopped: true }, text: '' };
  },
};
