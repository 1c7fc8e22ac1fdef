import { bool, bytes, list, option, type Static, struct, text, u53, variant } from '@keystead/crypto/pack';
import { maximumFrameBytes } from './framing.ts';

/**
 * spec/heads.md: what the certifier and the keeper of its append-only log say to each other, one message
 * per frame. Records and snapshots are opaque to the keeper; the certifier authenticates them.
 */

/** Room that the fields around a record or a part need within one frame. */
const overhead = 64;

/** Longest record, and longest part of a snapshot, in bytes. A record has at least one byte. */
export const maximumHeadsRecordBytes = maximumFrameBytes - overhead;

export const HeadsRecord = struct({ sequence: u53, record: bytes(maximumHeadsRecordBytes) });
export type HeadsRecord = Static<typeof HeadsRecord>;

/** Certifier to keeper. Answers come in the order of the questions. */
export const ToHeads = variant('type', {
  /** The record at `sequence`, which is one above the newest. Answered by `appended` when it is durable. */
  append: [1, HeadsRecord],
  /** Answered by one or more `loaded`, of which the final one says `last`. */
  load: [2, struct({})],
  /**
   * One part of the certifier's state after the record `sequence`; the parts follow one another and the
   * final one says `last`. Answered by one `snapshotted` when all of it is durable.
   */
  snapshot: [3, struct({ sequence: u53, bytes: bytes(maximumHeadsRecordBytes), last: bool })],
});
export type ToHeads = Static<typeof ToHeads>;

/** Keeper to certifier. */
export const FromHeads = variant('type', {
  appended: [1, struct({ sequence: u53 })],
  /**
   * First the parts of the newest snapshot, in order, then the kept records, ascending and without a gap.
   * `snapshotSequence` is the same in all and 0 without a snapshot. Records at or below it are the history
   * of the last minutes; those above it are to be applied to the snapshot.
   */
  loaded: [
    2,
    struct({
      snapshot: option(bytes(maximumHeadsRecordBytes)),
      snapshotSequence: u53,
      records: list(HeadsRecord, 65536),
      last: bool,
    }),
  ],
  snapshotted: [3, struct({ sequence: u53 })],
  refused: [4, struct({ code: text(32), detail: text(512) })],
});
export type FromHeads = Static<typeof FromHeads>;

/** Codes of `refused`. After `malformed` and `busy` the keeper closes the stream. */
export const headsRefusal = {
  /** The sequence is not the next one, or a snapshot is of a record that is not there. Nothing was kept. */
  sequence: 'sequence',
  /** The message is not one of `ToHeads`, or a record is empty. */
  malformed: 'malformed',
  /** Another certifier is connected; try again after it has left. */
  busy: 'busy',
} as const;
