import { bytes, fixed, list, option, type Static, struct, u8, u32, u53 } from '@keystead/crypto/pack';
import { Head } from './entry.ts';
import { maximumKeptRowBytes } from './frames.ts';
import { leafBytes } from './receipt.ts';

/** spec/heads.md §7: what the certifier writes into its log. Whoever may read the log can read it. */

export const recordVersion = 3;

/** Rows of one record. */
export const maximumRecordRows = 65536;

/** One accepted advance. Its entries end at `to.position`; only the last one changes the authority set. */
export const RecordedAdvance = struct({
  organization: fixed(16),
  authorityBefore: fixed(32),
  to: Head,
  /** Time of the last entry. */
  time: u53,
  entries: list(struct({ hash: fixed(32), leaf: fixed(leafBytes) }), 4096),
  /** Identity of the request that changed the authority set: it changes no set a second time. */
  identity: option(fixed(32)),
});
export type RecordedAdvance = Static<typeof RecordedAdvance>;

/** Newest and oldest generation of the wallet key; zeros before the first. */
export const RecordedGenerations = struct({ newest: u32, oldest: u32 });
export type RecordedGenerations = Static<typeof RecordedGenerations>;

export const RecordBody = struct({
  version: u8,
  deployment: fixed(32),
  sequence: u53,
  /** MAC of the record before; zeros in the first. */
  previous: fixed(32),
  /** The time mark, milliseconds. */
  time: u53,
  /** Leaf of a start of the certifier; it stands before those of the advances. */
  boot: option(fixed(leafBytes)),
  /** The epoch that begins with this record: the operators anchored the log anew (spec/heads.md §8). */
  epoch: option(u53),
  /** Which generations of the wallet key the signer has from this record on (spec/unlock.md §7). */
  generations: option(RecordedGenerations),
  /** Generation of the roles' keys from this start on (spec/unlock.md §8). */
  roleGeneration: option(u32),
  advances: list(RecordedAdvance, 65536),
  /** The tree after this record. */
  size: u53,
  root: fixed(32),
  /** Encoded `KeptRow`s of the advances and of those in the next records, for a database that lost its tail. */
  rows: list(bytes(maximumKeptRowBytes), maximumRecordRows),
});
export type RecordBody = Static<typeof RecordBody>;

export const SnapshotBody = struct({
  version: u8,
  deployment: fixed(32),
  sequence: u53,
  /** MAC of the record `sequence`. */
  chain: fixed(32),
  mark: u53,
  epoch: u53,
  /** When the epoch began, milliseconds; 0 in the first. */
  since: u53,
  generations: RecordedGenerations,
  roleGeneration: u32,
  size: u53,
  peaks: list(fixed(32), 64),
  organizations: list(struct({ organization: fixed(16), head: Head, time: u53, epoch: u53 }), 0xffffffff),
  identities: list(struct({ identity: fixed(32), time: u53 }), 0xffffffff),
});
export type SnapshotBody = Static<typeof SnapshotBody>;

/** A record or snapshot with the MAC that only the certifier can make. */
export const Authenticated = struct({ mac: fixed(32), body: bytes(0xffffffff) });
