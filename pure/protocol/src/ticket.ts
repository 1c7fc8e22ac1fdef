import { bytes, fixed, list, option, type Static, struct, text, u53 } from '@keystead/crypto/pack';
import { maximumSealedRowBytes } from './sealed-row.ts';

/**
 * spec/signer.md §3. A ticket hands one committed entry to the signer. It permits nothing by itself:
 * the signer needs the certifier's receipt for the same entry and the caller's own stamped request.
 */
export const Ticket = struct({
  identity: fixed(32),
  /** The requester's entry, whole. */
  entry: bytes(2097152),
  /** The owner's entry when the wallet is used by grant. */
  ownerEntry: option(bytes(2097152)),
  /** Authority nodes of the requester's and the owner's set that the signer reads. */
  witness: list(bytes(8448), 1024),
  /** Hash of the sealed wallet row that the host attaches. */
  secret: option(fixed(32)),
  /** Canonical JSON of what the answer shows besides the signer's own figures (wallet name, tags). */
  display: bytes(65536),
});
export type Ticket = Static<typeof Ticket>;

export const TicketBatch = struct({ boot: fixed(16), batch: u53, tickets: list(Ticket, 4096) });
export type TicketBatch = Static<typeof TicketBatch>;

/**
 * Policy engine to signer, before the decision: make the secret that this request asks for, or, when `secret` names
 * an existing row, tell the accounts of that wallet for `paths` (a signing path that was never derived before).
 */
export const Make = struct({
  boot: fixed(16),
  identity: fixed(32),
  organization: fixed(16),
  walletId: fixed(16),
  secret: option(fixed(32)),
  paths: list(struct({ curve: text(16), derivationPath: text(128), addressFormat: text(32) }), 64),
});
export type Make = Static<typeof Make>;

/** Signer to policy engine: the sealed row and what can be seen of it. */
export const Made = struct({
  boot: fixed(16),
  identity: fixed(32),
  organization: fixed(16),
  walletId: fixed(16),
  /** Empty when made, else canonical JSON {code, detail, field?}: why it cannot be. */
  refusal: bytes(8192),
  /** Zeros and empty when the wallet existed already. */
  secret: fixed(32),
  sealed: bytes(maximumSealedRowBytes),
  /** Canonical JSON: {type, accounts:[DerivedAccount]} or {type, account}. */
  accounts: bytes(65536),
});
export type Made = Static<typeof Made>;
