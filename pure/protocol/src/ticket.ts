import { equalBytes } from '@keystead/crypto/bytes';
import {
  bytes,
  fixed,
  list,
  mapped,
  option,
  type Static,
  struct,
  text,
  u32,
  u53,
} from '@keystead/crypto/pack';
import { maximumSealedRowBytes } from './sealed-row.ts';

/** Nodes that one ticket has room for. */
export const maximumTicketWitness = 1024;

/**
 * spec/signer.md §3. A ticket hands one committed entry to the signer. It permits nothing by itself:
 * the signer needs the certifier's receipt for the same entry and the caller's own stamped request.
 */
export interface Ticket {
  readonly identity: Uint8Array;
  /** The requester's entry, whole. */
  readonly entry: Uint8Array;
  /** The owner's entry when the wallet is used by grant. */
  readonly ownerEntry: Uint8Array | undefined;
  /** Authority nodes of the requester's and the owner's set that the signer reads. */
  readonly witness: readonly Uint8Array[];
  /** Hash of the sealed wallet row that the host attaches. */
  readonly secret: Uint8Array | undefined;
  /** Canonical JSON of what the answer shows besides the signer's own figures (wallet name, tags). */
  readonly display: Uint8Array;
}

/** A ticket after another one: neighbours are mostly of one organization and one caller, whose nodes stand first. */
const TicketAfter = struct({
  identity: fixed(32),
  entry: bytes(2097152),
  ownerEntry: option(bytes(2097152)),
  /** So many nodes are the first ones of the ticket before: as many as are equal. */
  shared: u32,
  witness: list(bytes(8448), maximumTicketWitness),
  secret: option(fixed(32)),
  display: bytes(65536),
});
type TicketAfter = Static<typeof TicketAfter>;

const Tickets = mapped(
  list(TicketAfter, 4096),
  (packed) => {
    let before: readonly Uint8Array[] = [];
    return packed.map(({ shared, witness: own, ...rest }): Ticket => {
      const isLongest = own.length === 0 || shared === before.length || !isSame(own[0]!, before[shared]);
      if (shared > before.length || shared + own.length > maximumTicketWitness || !isLongest)
        throw new RangeError('shared nodes');
      before = shared === 0 ? own : [...before.slice(0, shared), ...own];
      return { ...rest, witness: before };
    });
  },
  (tickets: readonly Ticket[]) => {
    let before: readonly Uint8Array[] = [];
    return tickets.map(({ witness, ...rest }): TicketAfter => {
      let shared = 0;
      while (shared < witness.length && isSame(witness[shared]!, before[shared])) shared += 1;
      before = witness;
      return { ...rest, shared, witness: witness.slice(shared) };
    });
  },
);

const isSame = (node: Uint8Array, other: Uint8Array | undefined): boolean =>
  node === other || (other !== undefined && equalBytes(node, other));

export const TicketBatch = struct({ boot: fixed(16), batch: u53, tickets: Tickets });
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
