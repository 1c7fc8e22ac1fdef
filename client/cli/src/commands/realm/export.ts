import { resolve } from 'node:path';
import type { Command } from '../../command.ts';
import { runExport, unlockFileOption } from '../../run-export.ts';
import { defaultRealmHome, type RealmOptions, realmHomeOption } from './home-option.ts';

export const realmExport: Command = {
  words: ['realm', 'export'],
  summary: 'writes what a realm holds of one user to a file, for recover-offline',
  details: [
    'The file is a share: with the recover threshold of them, the backup export and a search, a short PIN falls. Nothing counts',
    'guesses of a file. The realm may run or not.',
  ].join('\n'),
  options: {
    ...realmHomeOption,
    tenant: {
      type: 'string',
      value: 'name',
      help: 'tenant, as `keystead backup export` says it (default: backup)',
    },
    user: { type: 'string', value: 'user', help: 'user, as `keystead backup export` says it' },
    ...unlockFileOption,
    out: { type: 'string', value: 'file', help: 'new file, mode 0600' },
  } satisfies RealmOptions,
  async run(given) {
    const json = await runExport(
      {
        kind: 'realm',
        home: resolve(given.text('home') ?? defaultRealmHome),
        tenant: given.text('tenant') ?? 'backup',
        user: given.required('user'),
        out: resolve(given.required('out')),
      },
      given.list('unlock-file'),
    );
    return { json, text: `one share: ${String(json.file)}` };
  },
};
