import { equalBytes } from '@keystead/crypto/bytes';
import type { BackupEvent } from '@keystead/protocol/backup-frames';
import type { Backup, Backups } from './backup-state.ts';
import type { Permit } from './permit.ts';

/**
 * What a permitted request did that its person should hear of (spec/notification.md); undefined for what prepares a change, and for
 * lists. Reading back a generation that is only staged is part of such a preparation.
 */
export function eventOf(
  { request, organization, time }: Permit,
  { before, after }: { readonly before: Backups; readonly after: Backups },
  userIdOf: (organization: Uint8Array, backupName: string, generation: Uint8Array) => string,
): BackupEvent | undefined {
  // What is forgotten opened nothing any more.
  if (request.method === 'listBackups' || request.method === 'forgetGeneration') return undefined;
  // A request that comes again has told already.
  const isChange = request.method === 'activateBackup' || request.method === 'deleteBackup';
  if (isChange && before === after) return undefined;
  const { backupName, generation } = request.params;
  const event = kindOf(request, named(before, backupName), named(after, backupName));
  if (event === undefined) return undefined;
  const about = generation ?? named(before, backupName)!.current!.id;
  return { organization, backupName, userId: userIdOf(organization, backupName, about), event, time };
}

const named = (backups: Backups, backupName: string): Backup | undefined =>
  backups.find((backup) => backup.backupName === backupName);

function kindOf(
  request: Exclude<Permit['request'], { method: 'listBackups' | 'forgetGeneration' }>,
  before: Backup | undefined,
  after: Backup | undefined,
): BackupEvent['event'] | undefined {
  const isCurrent = (generation: Uint8Array | null, backup = before) =>
    backup?.current !== undefined && (generation === null || equalBytes(backup.current.id, generation));
  switch (request.method) {
    case 'putBackup':
      return undefined;
    case 'activateBackup':
      if (isCurrent(request.params.generation))
        return before?.deletableAt === undefined ? undefined : 'deletion_withdrawn';
      return before?.current === undefined ? 'created' : 'replaced';
    case 'getBackup':
      return isCurrent(request.params.generation) ? 'released' : undefined;
    case 'getRealmTokens': {
      if (request.params.scope !== 'recover') return undefined;
      // Of one that is staged only the device that made it can guess, where it has named its key.
      const isBound = before?.staged?.content.deviceKey !== undefined;
      return isBound && !isCurrent(request.params.generation) ? undefined : 'guess_permitted';
    }
    case 'deleteBackup':
      if (!isCurrent(request.params.generation)) return undefined;
      return isCurrent(request.params.generation, after) ? 'deletion_requested' : 'deleted';
  }
}
