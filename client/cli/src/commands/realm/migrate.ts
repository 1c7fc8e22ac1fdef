import type { Step } from '@keystead/juicebox/migration-plan';
import { maximumRealms } from '@keystead/protocol/backup-messages';
import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { writeWhole } from '../../realm-home.ts';
import {
  type ClientsDocument,
  idsOf,
  probeRealm,
  readJsonFile,
  readKeeperSettings,
  readMigration,
  writeKeeperRealms,
} from '../../realm-migration.ts';
import type { RealmOptions } from './home-option.ts';

type State = 'done' | 'would be done' | 'open';
interface StepState extends Pick<Step, 'kind' | 'realmId'> {
  readonly state: State;
  readonly detail: string;
}

export const realmMigrate: Command = {
  words: ['realm', 'migrate'],
  summary: 'does the steps of a plan that a keeper’s operator can do, and says what is open',
  details: [
    'Asks every realm of the new configuration whether it serves and takes the keeper’s tokens; while one does not, nothing is',
    'changed. Then the keeper makes tokens for old and new realms, and the file of --clients has what applications give to',
    'the SDK. It can be repeated at any time: what is done stays done. Users move afterwards: keystead realm campaign.',
  ].join('\n'),
  options: {
    plan: { type: 'string', value: 'file', help: 'what keystead realm plan wrote' },
    home: {
      type: 'string',
      value: 'folder',
      help: 'data directory of the keeper (default: .keystead-backup)',
    },
    clients: {
      type: 'string',
      value: 'file',
      help: 'file for applications; one of an earlier migration is extended',
    },
    'dry-run': { type: 'boolean', help: 'asks the realms, changes nothing' },
  } satisfies RealmOptions,
  async run(given) {
    const isDryRun = given.flag('dry-run');
    const home = given.text('home') ?? '.keystead-backup';
    const clientsFile = given.required('clients');
    const { document, plan } = readMigration(given.required('plan'));
    const settings = readKeeperSettings(home);
    const before = settings.realms ?? [];

    const problems = (
      await Promise.all(document.to.realms.map((realm) => probeRealm(realm, settings.tenant ?? {})))
    ).filter((problem) => problem !== undefined);
    const wanted = [...new Set([...before, ...idsOf(document.from), ...idsOf(document.to)])].sort();
    if (wanted.length > maximumRealms)
      throw new CommandError(
        `old and new realms are ${wanted.length}, and a keeper has ${maximumRealms} at most`,
        'finish the migration that is under way first: keystead realm campaign finish',
      );
    const isExtended = wanted.length === before.length;
    const clients = clientsOf(clientsFile, document);
    const able = (isDone: boolean): State => (isDone ? 'done' : isDryRun ? 'would be done' : 'done');
    const isBlocked = problems.length > 0;
    const states = plan.steps.map(({ kind, realmId }): StepState => {
      const at = { kind, ...(realmId === undefined ? {} : { realmId }) };
      switch (kind) {
        case 'start-realm':
        case 'admit-keeper': {
          const problem = problems.find((one) => one.problem === kind && one.detail.includes(realmId!));
          return { ...at, state: problem === undefined ? 'done' : 'open', detail: problem?.detail ?? '' };
        }
        case 'extend-keeper':
          return {
            ...at,
            state: isBlocked ? 'open' : able(isExtended),
            detail: `tokens for ${wanted.length} realms`,
          };
        case 'publish-configuration':
          return {
            ...at,
            state: isBlocked ? 'open' : able(clients.isWritten),
            detail: `${clientsFile}, for applications`,
          };
        default:
          return { ...at, state: 'open', detail: 'keystead realm campaign' };
      }
    });
    const outcome = {
      json: { dryRun: isDryRun, steps: states },
      text: states
        .map(({ kind, realmId, state, detail }) =>
          [`${state}: ${kind}`, realmId, detail === '' ? undefined : `(${detail})`].filter(Boolean).join(' '),
        )
        .join('\n'),
    };
    if (isBlocked)
      return {
        ...outcome,
        failure: {
          detail: problems.map(({ detail }) => detail).join('; '),
          hint: 'nothing was changed: see to the realms, then repeat this command',
        },
      };
    if (isDryRun) return outcome;
    // The keeper first: a client that knows the new configuration needs tokens for it.
    if (!isExtended && plan.movesRegistrations)
      writeKeeperRealms(home, wanted, [...document.from.realms, ...document.to.realms]);
    if (!clients.isWritten) writeWhole(clientsFile, clients.document);
    return outcome;
  },
};

/** The new configuration, with all that backups may still be under: those that the file of before has, and the old one. */
function clientsOf(
  path: string,
  {
    from,
    to,
  }: { readonly from: ClientsDocument['configuration']; readonly to: ClientsDocument['configuration'] },
): { readonly document: ClientsDocument; readonly isWritten: boolean } {
  let written: ClientsDocument | undefined;
  try {
    written = readJsonFile<ClientsDocument>(path, 'a file for applications');
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
  }
  const known = written === undefined ? [] : [written.configuration, ...written.previousConfigurations];
  const name = (configuration: ClientsDocument['configuration']) => JSON.stringify(configuration);
  const previous = new Map([from, ...known].map((one) => [name(one), one]));
  previous.delete(name(to));
  const document = { configuration: to, previousConfigurations: [...previous.values()] };
  return { document, isWritten: JSON.stringify(written) === JSON.stringify(document) };
}
