/** Codes of spec/backup.md §7. */
export type RefusalCode =
  | 'call-malformed'
  | 'not-configured'
  | 'permit-refused'
  | 'permit-expired'
  | 'session-other'
  | 'content-other'
  | 'backup-not-found'
  | 'generation-used'
  | 'generation-unknown'
  | 'staging-over'
  | 'device-key-other'
  | 'current-other'
  | 'too-many-backups'
  | 'too-many-retired'
  | 'deletion-pending'
  | 'deletion-unprepared'
  | 'replacement-pending'
  | 'seed-other'
  | 'operators-too-few'
  | 'request-overtaken'
  | 'row-refused';

/** Nothing was changed and nothing is released. */
export class BackupRefusal extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, options?: ErrorOptions) {
    super(code, options);
    this.name = 'BackupRefusal';
    this.code = code;
  }
}
