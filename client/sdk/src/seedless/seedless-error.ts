/** What ends a call about a seedless wallet, by stable name; the hint says what to do next. */
export const seedlessErrors = {
  'pin-malformed': 'choose a PIN of digits',
  'pin-too-short': 'choose a longer PIN',
  'pin-too-common': 'choose a PIN that others would not choose',
  'pin-wrong': 'ask for the PIN again; nothing was sent to a realm',
  'seed-missing': 'recover the seed on this device first',
  'seed-exists':
    'this device or the account has a seed of that name: use that one, resetPin to finish its backup, or another backupName',
  'seed-other':
    'nothing was changed: the backup of that name is of another seed; create one with this `entropy` under another backupName, or delete the other first',
  'pin-outdated':
    'another device changed the PIN: recover with the one that counts now, or set one with resetPin',
  'backup-not-found': 'no backup of that name is in use: create one on a device that has the seed',
  'backup-changed':
    'another device changed the backup meanwhile: what that one did counts, and nothing of this call',
  'backup-refused': 'nothing was changed; `reason` says why the keeper refused',
  'configuration-unknown':
    'give previousConfigurations: the backup is with realms that this application does not know; no guess was spent',
  'keeper-unavailable': 'try again later: the keeper of backups did not answer',
  'keeper-untrusted': 'the answer is not of the pinned keeper of backups; check its address and key',
  'self-test-failed':
    'nothing was switched: the PIN of before still works; try again, and tell the operators',
  'exports-too-few': 'add the exports of other realms: fewer than the recover threshold open nothing',
  'backup-unreadable': 'the shares do not open the seed: they are of two generations, or one was altered',
} as const;
export type SeedlessErrorCode = keyof typeof seedlessErrors;

export interface SeedlessErrorOptions extends ErrorOptions {
  readonly detail?: string;
  readonly reason?: string;
}

/** Never holds a PIN, a seed, a share or a token. */
export class SeedlessError extends Error {
  readonly code: SeedlessErrorCode;
  readonly hint: string;
  /** With `backup-refused`: the keeper's code (spec/backup.md §7). */
  readonly reason: string | undefined;

  constructor(code: SeedlessErrorCode, options: SeedlessErrorOptions = {}) {
    const { detail = options.reason } = options;
    super(detail === undefined ? code : `${code}: ${detail}`, options);
    this.name = 'SeedlessError';
    this.code = code;
    this.hint = seedlessErrors[code];
    this.reason = options.reason;
  }
}
