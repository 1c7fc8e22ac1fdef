/** spec/backup.md §3: what the deployment states of a request that a keeper of backups acts on. */

export const backupMethods = [
  'putBackup',
  'activateBackup',
  'getBackup',
  'listBackups',
  'deleteBackup',
  'forgetGeneration',
  'getRealmTokens',
] as const;
export type BackupMethod = (typeof backupMethods)[number];

export const isBackupMethod = (method: string): method is BackupMethod =>
  (backupMethods as readonly string[]).includes(method);

/** What the policy engine states of a request that it allowed, with status 200. It is the result of no method. */
export const allowedResult = { allowed: true };
