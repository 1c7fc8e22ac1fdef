import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BackupRows } from '@keystead/enclave-backup/backup-rows';
import { backupKind } from '@keystead/enclave-backup/boot';
import { RealmTokens } from '@keystead/enclave-backup/realm-tokens';
import { parseBackupSettings } from '@keystead/enclave-backup/settings';
import { readRealmRecord } from '@keystead/enclave-launcher/realm-files';
import { unlockSecretOf } from '@keystead/enclave-launcher/unlock/secret-of-home';
import { realmKind } from '@keystead/enclave-realm/boot';
import { RecordRows } from '@keystead/enclave-realm/record-rows';
import { openBesideRecord } from '@keystead/enclave-runtime/beside-boot';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { hexEncode } from '@keystead/crypto/hex';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch } from '@keystead/protocol/deployment';
import { parseUuid } from '@keystead/protocol/ids';
import type { BackupExport, RealmExport } from '@keystead/sdk/seedless/offline-recovery';
import { StackError } from './stack-error.ts';
import { settingsFileOf } from './start-realms.ts';

/** spec/backup.md §11: what an operator can take out of a home with its unlock key, whether it runs or not. */

/** Throws StackError when there is no such backup. */
export async function exportBackup(
  home: string,
  asked: { readonly organizationId: string; readonly backupName: string },
  unlock: readonly SecretBytes[] = [],
): Promise<BackupExport> {
  const { organizationId, backupName } = asked;
  const organization = parseUuid(organizationId);
  if (organization === undefined) throw new StackError('no organization id', 'name a lower-case UUID');
  const { seed, id: keeperId } = await genesisOf(home, 'backup', unlock);
  const rows = new BackupRows({ seed, keeperId, random: noRandom });
  const name = rows.nameOf(organization);
  const row = rowOf(join(home, 'data/backup.sqlite'), 'SELECT row FROM backup WHERE name = ?', name);
  if (row === undefined) throw missing(`backup of ${organizationId}`);
  const { backups } = rows.open(name, row);
  const backup = backups.find((one) => one.backupName === backupName);
  if (backup?.current === undefined) throw missing(`backup ${backupName} in use`);
  const { id, content } = backup.current;
  const settings = parseBackupSettings(readFileSync(settingsFileOf(home, 'backup'), 'utf8'));
  return {
    kind: 'keystead-backup-export',
    version: 2,
    organizationId,
    backupName,
    generation: base64urlEncode(id),
    tenant: settings.tenant.name,
    subject: new RealmTokens(seed, noRandom).subjectOf(organization, backupName, id),
    realms: content.placement.realmIds.map(hexEncode),
    recoverThreshold: content.placement.recoverThreshold,
    pinHashingMode: content.placement.pinHashingMode,
    share: base64urlEncode(content.share),
    ciphertext: base64urlEncode(content.ciphertext),
    pepper: base64urlEncode(content.pepper),
  };
}

/** Throws StackError when the user has no registration with the realm. */
export async function exportRegistration(
  home: string,
  asked: { readonly tenant: string; readonly user: string },
  unlock: readonly SecretBytes[] = [],
): Promise<RealmExport> {
  const { seed, id: realmId } = await genesisOf(home, 'realm', unlock);
  const rows = new RecordRows({ seed, realmId, random: noRandom });
  const name = rows.nameOf(asked.tenant, asked.user);
  const row = rowOf(join(home, 'data/realm.sqlite'), 'SELECT row FROM record WHERE name = ?', name);
  const state = row === undefined ? undefined : rows.open(name, row);
  if (state?.type !== 'registered') throw missing('registration of that user');
  const { registration } = state;
  return {
    kind: 'keystead-realm-export',
    version: 1,
    realmId: hexEncode(realmId),
    registration: {
      version: base64urlEncode(registration.version),
      oprfPrivateKey: base64urlEncode(registration.oprfPrivateKey),
      unlockKeyCommitment: base64urlEncode(registration.unlockKeyCommitment),
      encryptionKeyScalarShare: base64urlEncode(registration.encryptionKeyScalarShare),
      encryptedSecret: base64urlEncode(registration.encryptedSecret),
      encryptedSecretCommitment: base64urlEncode(registration.encryptedSecretCommitment),
    },
  };
}

/** A new file that only its owner can read. Throws StackError when it is there. */
export function writeExport(path: string, content: BackupExport | RealmExport): void {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'wx', 0o600);
  } catch (cause) {
    throw new StackError(`${path} cannot be written`, 'name a new file', { cause });
  }
  try {
    writeSync(descriptor, `${JSON.stringify(content, undefined, 2)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const noRandom = (): never => {
  throw new TypeError('an export seals nothing');
};

export async function genesisOf(home: string, program: 'realm' | 'backup', unlock: readonly SecretBytes[]) {
  const secret = await unlockSecretOf(home, unlock);
  const record = readRealmRecord(home);
  if (record === undefined) throw missing(`genesis record in ${home}`);
  const key = branch(secret, `keystead/unlock/${program}/v1`);
  secret.wipe();
  try {
    const { domain } = program === 'realm' ? realmKind : backupKind;
    return openBesideRecord(domain, record, key.expose());
  } finally {
    key.wipe();
  }
}

function rowOf(database: string, sql: string, name: Uint8Array): Uint8Array | undefined {
  const opened = new DatabaseSync(database, { readOnly: true });
  try {
    return (opened.prepare(sql).get(name) as { row: Uint8Array } | undefined)?.row;
  } finally {
    opened.close();
  }
}

const missing = (what: string) =>
  new StackError(`there is no ${what}`, 'name the home and what belongs to it; nothing was written');
