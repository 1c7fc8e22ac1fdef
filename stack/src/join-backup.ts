import { readFileSync } from 'node:fs';
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

/**
 * Tells a keeper of backups whose signer it believes, and its realms whose tokens they take (spec/backup.md §9). Resolves
 * when all of them have it. What else stands in their settings stays.
 */
export async function joinBackup(
  { realms, backup, configure }: JoinedRealms,
  /** The data directory of the deployment. */
  deploymentHome: string,
): Promise<KeeperDocument> {
  if (backup === undefined) throw new StackError('no keeper of backups was started', 'start one');
  const { address, id, publicKey } = backup;
  const response = await fetch(address, { headers: { connection: 'close' } });
  const { tokenKey } = (await response.json()) as { tokenKey: string };
  const tenant = backupTenant({ tokenKey: base64urlDecode(tokenKey) });
  const { deploymentId, keys, changes = [] } = read(join(deploymentHome, 'deployment.json'));
  const own = read(settingsFileOf(backup.home, 'backup'));
  await Promise.all([
    configure(
      backup.home,
      write({ ...own, deployment: { deploymentId, keys, changes }, realms: realms.map((realm) => realm.id) }),
    ),
    ...realms.map((realm) => {
      const settings = read(settingsFileOf(realm.home, 'realm'));
      const tenants = { ...(settings.tenants as object), backup: tenant };
      return configure(realm.home, write({ ...settings, tenants }));
    }),
  ]);
  return { address, id, publicKey };
}

interface JoinedRealms {
  readonly realms: Realms['realms'];
  readonly backup: Realms['backup'];
  readonly configure: (home: string, settings: string) => Promise<void>;
}

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
const write = (settings: object) => `${JSON.stringify(settings, undefined, 2)}\n`;
