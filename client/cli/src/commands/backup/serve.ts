import { resolve } from 'node:path';
import type { Command } from '../../command.ts';
import { serveProgram } from '../../serve-program.ts';

export const backupServe: Command = {
  words: ['backup', 'serve'],
  summary: 'runs one keeper of backups alone, until it is stopped',
  details: [
    'Prints one line with id, address and key of the keeper. It releases nothing before settings.json in its home names a',
    'deployment and realms (spec/backup.md §9). KEYSTEAD_PROFILE, KEYSTEAD_ISOLATION, KEYSTEAD_UID_BASE and KEYSTEAD_UNLOCK',
    'mean what they mean for `npm start`. Its heads log has to lie where a backup of --home does not reach.',
  ].join('\n'),
  options: {
    home: { type: 'string', value: 'folder', help: 'data directory (default: .keystead-backup)' },
    heads: { type: 'string', value: 'folder', help: 'heads log (default: beside the home)' },
    port: { type: 'string', value: 'port', help: 'port on 127.0.0.1; 0 takes any free one (default: 7410)' },
  },
  async run(given) {
    const heads = given.text('heads');
    await serveProgram('backup-main.ts', 'keeper of backups', {
      KEYSTEAD_HOME: resolve(given.text('home') ?? '.keystead-backup'),
      KEYSTEAD_HEADS: heads === undefined ? '' : resolve(heads),
      KEYSTEAD_PORT: given.text('port') ?? '7410',
    });
    return { json: { stopped: true }, text: '' };
  },
};
