import { existsSync, readFileSync } from 'node:fs';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import { BackupInspection, type BackupCheck } from '@keystead/sdk/seedless/backup-inspection';
import type { KeeperDocument } from '@keystead/sdk/seedless/keeper-connection';
import type { CommandArguments } from './command-arguments.ts';
import type { Option } from './command.ts';
import { CommandError } from './command-error.ts';
import { writeWhole } from './realm-home.ts';
import { readJsonFile } from './realm-migration.ts';
import { credentialsFileOf, openSession } from './session.ts';
import type { Surroundings } from './surroundings.ts';

/** Of commands that look at the backups of an account. */
export const backupSetupOptions = {
  ready: {
    type: 'string',
    value: 'file',
    help: 'JSON with the keeper (`backup`) and its realms: the ready line of npm start, or `configuration` and `previousConfigurations`',
  },
} as const satisfies Readonly<Record<string, Option>>;

interface Setup {
  readonly backup?: KeeperDocument;
  readonly juicebox?: { readonly configuration?: ConfigurationDocument };
  readonly configuration?: ConfigurationDocument;
  readonly previousConfigurations?: readonly ConfigurationDocument[];
}

/** Opens what the options name, as the account of the credentials. Throws CommandError. */
export async function openInspection(given: CommandArguments, surroundings: Surroundings) {
  const path = given.required('ready');
  const setup = readJsonFile<Setup>(path, 'a file with the ready line of npm start');
  const configuration = setup.configuration ?? setup.juicebox?.configuration;
  if (setup.backup === undefined || configuration === undefined)
    throw new CommandError(
      `${path} names no keeper, or no realms`,
      'it needs backup, and juicebox or configuration',
    );
  const { client, organizationId } = await openSession(given, surroundings);
  const { previousConfigurations = [] } = setup;
  const { backup: keeper } = setup;
  return {
    organizationId,
    inspection: new BackupInspection({
      ...{ client, organizationId, keeper, configuration, previousConfigurations },
    }),
    checks: new CheckFile(`${credentialsFileOf(given, surroundings)}.backup-checks.json`, organizationId),
  };
}

export interface RecordedCheck {
  readonly generation: string;
  readonly passed: readonly BackupCheck[];
  /** ISO 8601. */
  readonly at: string;
}

/** When backups were last verified from here, beside the credentials. */
class CheckFile {
  readonly #path: string;
  readonly #organizationId: string;

  constructor(path: string, organizationId: string) {
    this.#path = path;
    this.#organizationId = organizationId;
  }

  of(backupName: string): RecordedCheck | undefined {
    return this.#read()[this.#organizationId]?.[backupName];
  }

  write(backupName: string, check: RecordedCheck): void {
    const all = this.#read();
    const own = { ...all[this.#organizationId], [backupName]: check };
    writeWhole(this.#path, { ...all, [this.#organizationId]: own });
  }

  #read(): Record<string, Record<string, RecordedCheck>> {
    if (!existsSync(this.#path)) return {};
    return JSON.parse(readFileSync(this.#path, 'utf8')) as Record<string, Record<string, RecordedCheck>>;
  }
}
