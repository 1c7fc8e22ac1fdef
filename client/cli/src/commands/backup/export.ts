import { resolve } from 'node:path';
import type { Command } from '../../command.ts';
import { runExport, unlockFileOption } from '../../run-export.ts';

export const backupExport: Command = {
  words: ['backup', 'export'],
  summary: 'writes one backup of a seed out of a keeper to a file, for recover-offline',
  details: [
    'Says the tenant and user under which realms hold the other share. The file alone opens nothing. The keeper may run or',
    'not.',
  ].join('\n'),
  options: {
    home: {
      type: 'string',
      value: 'folder',
      help: 'data directory of the keeper (default: .keystead/realms/backup)',
    },
    organization: { type: 'string', value: 'id', help: 'organization that the backup is of' },
    name: { type: 'string', value: 'name', help: 'name of the backup' },
    ...unlockFileOption,
    out: { type: 'string', value: 'file', help: 'new file, mode 0600' },
  },
  async run(given) {
    const json = await runExport(
      {
        kind: 'backup',
        home: resolve(given.text('home') ?? '.keystead/realms/backup'),
        organizationId: given.required('organization'),
        backupName: given.required('name'),
        out: resolve(given.required('out')),
      },
      given.list('unlock-file'),
    );
    const { file, tenant, user } = json as { file: string; tenant: string; user: string };
    return { json, text: `${file}\nat each realm: keystead realm export --tenant ${tenant} --user ${user}` };
  },
};
