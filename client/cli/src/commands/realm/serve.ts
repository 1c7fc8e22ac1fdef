import { resolve } from 'node:path';
import type { Command } from '../../command.ts';
import { serveProgram } from '../../serve-program.ts';
import { defaultRealmHome, type RealmOptions, realmHomeOption } from './home-option.ts';

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
    proxies: {
      type: 'string',
      value: 'number',
      help: 'trusted proxies before it, each appending to x-forwarded-for (default: 1 in production, else 0)',
    },
  } satisfies RealmOptions,
  async run(given) {
    const heads = given.text('heads');
    await serveProgram('realm-main.ts', 'realm', {
      KEYSTEAD_HOME: resolve(given.text('home') ?? defaultRealmHome),
      KEYSTEAD_HEADS: heads === undefined ? '' : resolve(heads),
      KEYSTEAD_PORT: given.text('port') ?? '7401',
      ...(given.text('proxies') === undefined ? {} : { KEYSTEAD_PROXIES: given.text('proxies')! }),
    });
    return { json: { stopped: true }, text: '' };
  },
};
