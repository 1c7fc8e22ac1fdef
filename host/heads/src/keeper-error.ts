export type KeeperErrorCode =
  /** The directory is not this user's alone. */
  | 'heads-environment'
  /** Another keeper holds the directory. */
  | 'heads-locked'
  /** Another program answers at the socket's path. */
  | 'heads-socket'
  /** The log or the snapshot is not what was written; the keeper does not start on it. */
  | 'heads-corrupt'
  /** A write failed; the keeper ends without acknowledging it. */
  | 'heads-write'
  /** The sequence is not the next one. */
  | 'heads-sequence';

export class KeeperError extends Error {
  readonly code: KeeperErrorCode;

  constructor(code: KeeperErrorCode, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'KeeperError';
    this.code = code;
  }
}
