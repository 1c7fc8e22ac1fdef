import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { join } from 'node:path';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { backupTenant } from './realm-tenant.ts';
import { StackError } from './stack-error.ts';
import { type Realms, settingsFileOf } from './start-realms.ts';

/** What clients are told of a keeper of backups (`@keystead/sdk/seedless`). */
export interface KeeperDocument {
  readonly address: string;
  /** Hexadecimal. */
  readonly id: string;
  /** X25519, hexadecimal: clients pin it. */
  readonly publicKey: string;
}

/** A keeper of backups that knows its deployment, and stays so. */
export interface JoinedBackup {
  readonly keeper: KeeperDocument;
  /** Resolves when the keeper has taken every change that was seen so far. */
  settled(): Promise<void>;
  /** Follows the deployment no longer. */
  stop(): void;
}

export interface JoinOptions {
  /** Operations per second that realms take of the keeper's tokens; their own default unless given (spec/realm.md §8). */
  readonly rate?: { readonly tenant: number; readonly user: number };
}

const lookEvery = 500;

/**
 * Tells a keeper of backups whose signer it believes, and its realms whose tokens they take (spec/backup.md §9), and tells the keeper
 * again when the roles of the deployment get other keys: until it knows them, it refuses what they state. Resolves when all of them
 * have it the first time. What else stands in their settings stays.
 */
export async function joinBackup(
  running: JoinedRealms,
  /** The data directory of the deployment. */
  deploymentHome: string,
  options: JoinOptions = {},
): Promise<JoinedBackup> {
  const deploymentFile = join(deploymentHome, 'deployment.json');
  let joining: Promise<void> = Promise.resolve();
  let isStopped = false;
  const again = () => {
    joining = joining
      .then(() => tellKeeper(running, deploymentFile))
      .catch((error: Error) => {
        if (isStopped) return;
        process.stderr.write(
          `warning: the keeper of backups does not follow the deployment: ${error.message}\n`,
        );
      });
  };
  // Before it is read: a change in between is seen too.
  watchFile(deploymentFile, { interval: lookEvery, persistent: false }, again);
  try {
    await Promise.all([tellKeeper(running, deploymentFile), tellRealms(running, options)]);
  } catch (error) {
    unwatchFile(deploymentFile, again);
    throw error;
  }
  const { address, id, publicKey } = keeperOf(running);
  return {
    keeper: { address, id, publicKey },
    settled: () => joining,
    stop: () => {
      isStopped = true;
      unwatchFile(deploymentFile, again);
    },
  };
}

interface JoinedRealms {
  readonly realms: Realms['realms'];
  readonly backup: Realms['backup'];
  readonly configure: (home: string, settings: string) => Promise<void>;
}

function keeperOf({ backup }: JoinedRealms): NonNullable<Realms['backup']> {
  if (backup === undefined) throw new StackError('no keeper of backups was started', 'start one');
  return backup;
}

async function tellKeeper(running: JoinedRealms, deploymentFile: string): Promise<void> {
  const { home } = keeperOf(running);
  const { deploymentId, keys, changes = [] } = read(deploymentFile);
  const own = read(settingsFileOf(home, 'backup'));
  const realms = running.realms.map((realm) => realm.id);
  await running.configure(home, write({ ...own, deployment: { deploymentId, keys, changes }, realms }));
}

async function tellRealms(running: JoinedRealms, options: JoinOptions): Promise<void> {
  const response = await fetch(keeperOf(running).address, { headers: { connection: 'close' } });
  const { tokenKey } = (await response.json()) as { tokenKey: string };
  const tenant = backupTenant({ tokenKey: base64urlDecode(tokenKey) });
  await Promise.all(
    running.realms.map((realm) => {
      const settings = read(settingsFileOf(realm.home, 'realm'));
      const tenants = settings.tenants as Record<string, object>;
      const backup = { ...tenants.backup, ...tenant, ...options };
      return running.configure(realm.home, write({ ...settings, tenants: { ...tenants, backup } }));
    }),
  );
}

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const write = (settings: object) => `${JSON.stringify(settings, undefined, 2)}\n`;
