import type { HeadsRecord } from '@keystead/protocol/heads';

/** What the keeper of the heads log holds (spec/heads.md). Untrusted: the certifier authenticates all of it. */
export interface LoadedHeads {
  /** The newest snapshot whole, or undefined when there is none. */
  readonly snapshot: Uint8Array | undefined;
  /** The record after which the snapshot was taken; 0 without a snapshot. */
  readonly snapshotSequence: number;
  /** Ascending and without a gap; those at or below `snapshotSequence` are history, those above are to be applied. */
  readonly records: readonly HeadsRecord[];
}

/**
 * The certifier's append-only log, kept outside the database. Calls are answered in the order they were made.
 * A refusal or a lost keeper ends the process; no promise is ever rejected.
 */
export interface HeadsPort {
  load(): Promise<LoadedHeads>;
  /** Resolves when the record is durable. `sequence` is one above the newest; a record has at least one byte. */
  append(sequence: number, record: Uint8Array): Promise<void>;
  /** Resolves when the state after the record `sequence` is durable. */
  snapshot(sequence: number, state: Uint8Array): Promise<void>;
}
