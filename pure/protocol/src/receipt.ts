import {
  bool,
  bytes,
  fixed,
  fixedList,
  list,
  option,
  type Static,
  struct,
  text,
  u53,
} from '@keystead/crypto/pack';
import { Head } from './entry.ts';

/**
 * spec/receipt.md. The policy engine orders an advance; the certifier appends it to its tree and answers with a
 * receipt, MACed once per reader.
 */

/** type byte, label, commitment: 65 bytes, the leaf data of the RFC 6962 tree. */
export const leafBytes = 65;
export const leafTypeEntry = 1;
export const leafTypeBoot = 2;

export const AdvanceEntry = struct({
  position: u53,
  hash: fixed(32),
  leaf: fixed(leafBytes),
  /** Opening of the leaf's commitment. */
  opening: fixed(16),
  time: u53,
});

/** One contiguous run of one organization's chain. `from.position` is 0 and its hashes zero at genesis. */
export const Advance = struct({
  organization: fixed(16),
  from: Head,
  to: Head,
  entries: list(AdvanceEntry, 4096),
  /** Present exactly when `to.authority` differs from `from.authority`; the change stands in the last entry. */
  evidence: option(bytes(2097152)),
});
export type Advance = Static<typeof Advance>;

/** What the certifier needs to judge a change of the authority set by its own rules. */
export const AuthorityEvidence = struct({
  /** The whole entry that changes the authority set. */
  entry: bytes(2097152),
  /** The raw request (spec/stamp.md §1) whose stamp permits it. */
  request: bytes(2097152),
  /** Nodes of the authority map that the rule reads, under `from.authority`. */
  witness: list(bytes(8448), 4096),
});
export type AuthorityEvidence = Static<typeof AuthorityEvidence>;

/** A group moves whole or not at all. Groups stand in order; a refused group refuses no other organization's. */
export const AdvanceOrder = struct({
  /** Names this start of the policy engine; numbers begin again with it. */
  boot: fixed(16),
  batch: u53,
  groups: list(list(Advance, 8), 4096),
});
export type AdvanceOrder = Static<typeof AdvanceOrder>;

export const ReceiptItem = struct({
  organization: fixed(16),
  position: u53,
  hash: fixed(32),
  /** Authority roots under which the entry was decided, and which it left. */
  authorityBefore: fixed(32),
  authorityAfter: fixed(32),
  /** The organization's head when the receipt was made. */
  head: Head,
});
export type ReceiptItem = Static<typeof ReceiptItem>;

export const Receipt = struct({
  boot: fixed(16),
  batch: u53,
  /** The certifier's time, milliseconds; a signer accepts the receipt for 5 s. */
  time: u53,
  /** The tree that contains every item. */
  size: u53,
  root: fixed(32),
  items: list(ReceiptItem, 65536),
  /** Organizations whose group was refused, with a code. */
  refused: list(struct({ organization: fixed(16), code: text(64) }), 4096),
});
export type Receipt = Static<typeof Receipt>;

export const receiptLifetimeMilliseconds = 5000;

/** Signer to policy engine: the receipt of this batch was noted; nothing below its floors will be signed again. */
export const Noted = struct({ boot: fixed(16), batch: u53 });
export type Noted = Static<typeof Noted>;

/** Inclusion of one item under the public checkpoint, for clients and auditors. */
export const Inclusion = struct({
  organization: fixed(16),
  position: u53,
  index: u53,
  /** Siblings from the leaf to the root, 32 bytes each, one after the other. */
  proof: fixedList(32, 63),
});
export type Inclusion = Static<typeof Inclusion>;

/** Asks for fresh receipts of entries that are already history, so that a repeated request can be answered again. */
export const ReceiptQuery = struct({
  boot: fixed(16),
  batch: u53,
  items: list(struct({ organization: fixed(16), position: u53, hash: fixed(32) }), 4096),
});

/** Asks for the head of an organization; the answer repeats the nonce, so an old answer cannot be replayed. */
export const HeadQuery = struct({ boot: fixed(16), nonce: u53, organization: fixed(16) });
export const HeadAnswer = struct({
  boot: fixed(16),
  nonce: u53,
  organization: fixed(16),
  /** Absent when the organization does not exist. */
  head: option(Head),
  time: u53,
  /** The log was anchored anew, and no root of the organization has confirmed its chain since. */
  unconfirmed: bool,
  /** No stamp from before counts, milliseconds: the log was anchored anew then. */
  since: u53,
});
export type HeadAnswer = Static<typeof HeadAnswer>;
