import { bytes, fixed, list, option, type Static, struct, text, u8, u53 } from '@keystead/crypto/pack';
import { domainHash } from './domain.ts';

/** spec/entry.md. An entry is what was decided; history is a chain of entries per organization. */

/** The one version that is written and read. */
export const entryVersion = 3;

export const zeroHash: Uint8Array = new Uint8Array(32);

export const entryKind = {
  /** The founding of an organization; position 1. */
  genesis: 1,
  /** The decision on one request, allowed or denied. */
  decision: 2,
  /** What the network said of a broadcast transaction; stated by the host, releases nothing. */
  outcome: 3,
  /** In the owner's chain: another organization uses a wallet by grant. */
  grantedUse: 4,
  /** In the receiving organization's chain: a wallet arrives by transfer. */
  transferIn: 5,
} as const;

export const outcomeAllow = 1;
export const outcomeDeny = 2;

export const Decision = struct({
  outcome: u8,
  /** Empty when allowed, else the stable error code. */
  code: text(64),
  /** The rule or preset that decided. */
  rule: text(128),
  /** One line per step, for `explain`. */
  trace: list(text(512), 64),
});

/** The key use that a committed entry asks of the signer. */
export const KeyUse = struct({
  owner: fixed(16),
  walletId: fixed(16),
  /** Empty for a single-key wallet or a use without one path. */
  derivationPath: text(128),
  curve: text(16),
  addressFormat: text(32),
  /** SHA-256 over the signing inputs (spec/signer.md §4); zeros for uses that sign nothing. */
  bytesDigest: fixed(32),
});
export type KeyUse = Static<typeof KeyUse>;

/** A row that the fold adds to a counter (spec/state.md §3); `scope` may be cut, `counter` says which one it is. */
export const Reservation = struct({
  counter: fixed(16),
  scope: text(256),
  asset: text(128),
  amount: text(80),
});
export type Reservation = Static<typeof Reservation>;

export const CellWrite = struct({ key: text(256), value: option(bytes(262144)) });
export type CellWrite = Static<typeof CellWrite>;

export const AuthorityWrite = struct({ key: fixed(32), value: option(bytes(8192)) });
export type AuthorityWrite = Static<typeof AuthorityWrite>;

export const Entry = struct({
  version: u8,
  organization: fixed(16),
  position: u53,
  previous: fixed(32),
  /** Milliseconds since 1970, the later of the policy engine's clock and the newest time mark. */
  time: u53,
  kind: u8,
  /** Identity of the request (spec/stamp.md §5); zeros where there is none. */
  identity: fixed(32),
  /** SHA-256 of the request's body. */
  bodyDigest: fixed(32),
  method: text(64),
  surface: u8,
  /** Key hash of the stamping authenticator (spec/state.md §4); zeros where there is none. */
  authenticator: fixed(32),
  authorityBefore: fixed(32),
  authorityAfter: fixed(32),
  decision: Decision,
  /** Canonical JSON (RFC 8785) of the effects, empty when the request has none. */
  effects: bytes(131072),
  reservations: list(Reservation, 64),
  /** Names of places where a group of this transaction alone begins (spec/state.md §3.1). */
  places: list(text(40), 16),
  keyUse: option(KeyUse),
  /** Canonical JSON of the result or error body, when the policy engine answers; empty when the signer does. */
  result: bytes(1048576),
  /** The organization at the other end of a grant or transfer, whose head moves with this one. */
  counterpart: option(fixed(16)),
  cells: list(CellWrite, 256),
  authority: list(AuthorityWrite, 256),
  /** On every checkpoint: the root of the map over all cells, this entry's writes included. */
  stateRoot: option(fixed(32)),
});
export type Entry = Static<typeof Entry>;

/** The hash that the next entry names as `previous`, over the entry's exact bytes. */
export function entryHash(encodedEntry: Uint8Array): Uint8Array {
  return domainHash('keystead/entry/v1', encodedEntry);
}

/**
 * The certified end of an organization's chain.
 * `floor`: entries below this position are never signed again (a narrowing change stands at it).
 */
export const Head = struct({ position: u53, hash: fixed(32), authority: fixed(32), floor: u53 });
export type Head = Static<typeof Head>;

/** Every entry whose position is a multiple of this is a checkpoint. */
export const checkpointInterval = 64;
