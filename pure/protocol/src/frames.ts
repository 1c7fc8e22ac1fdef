import {
  bool,
  bytes,
  fixed,
  list,
  nested,
  option,
  type Static,
  struct,
  text,
  u8,
  u16,
  u32,
  u53,
  variant,
} from '@keystead/crypto/pack';
import { FinishedAnswer } from './answer.ts';
import { Inclusion } from './receipt.ts';
import { maximumSealedRowBytes } from './sealed-row.ts';

/**
 * spec/frames.md. Each enclave has one duplex stream to the gateway. Messages between enclaves travel through it as
 * opaque bytes with a MAC of their edge (`Sealed`); the gateway reads only what it must store, attach or route.
 */

/** Bytes one enclave wrote for another, with HMAC-SHA-256 over domain, type and bytes under the edge's key. */
export const Sealed = struct({ bytes: bytes(15728640), mac: fixed(32) });
export type Sealed = Static<typeof Sealed>;

export const surfaceNative = 1;
export const surfaceCompatibility = 2;

export const routeRpc = 1;
export const routePrepare = 2;
export const routeSimulations = 3;

/** A request as it came from the socket: nothing parsed, nothing added (spec/stamp.md §1). */
export const RawRequest = struct({
  surface: u8,
  route: u8,
  /** Path as received, without query. */
  path: text(256),
  signatureInput: option(text(4096)),
  signature: option(text(16384)),
  contentDigest: option(text(256)),
  deployment: option(text(256)),
  origin: option(text(512)),
  seen: option(text(256)),
  phantomStamp: option(text(16384)),
  body: bytes(262144),
});
export type RawRequest = Static<typeof RawRequest>;

/** Longest encoding of a `RawRequest` that is taken. */
const maximumRequestBytes = 524288;

/** `ref` is the gateway's name for a waiting caller; `owner` is its hint which organization owns the wallet. */
export const RequestItem = struct({
  ref: u53,
  owner: option(fixed(16)),
  request: bytes(maximumRequestBytes),
});

/** The message `requests` of both enclaves, of requests that are not encoded yet. */
export const Requests = variant('type', {
  requests: [
    1,
    struct({
      items: list(
        struct({ ref: u53, owner: option(fixed(16)), request: nested(RawRequest, maximumRequestBytes) }),
        4096,
      ),
    }),
  ],
});

/** Map nodes under their hashes, in a frame and as the embedded store packs them. */
export const StoredNodes = list(struct({ hash: fixed(32), bytes: bytes(270336) }), 65536);

export const StoreRows = struct({
  entries: list(
    struct({ organization: fixed(16), position: u53, bytes: bytes(2097152), checkpoint: bool }),
    4096,
  ),
  nodes: StoredNodes,
  secrets: list(struct({ hash: fixed(32), bytes: bytes(maximumSealedRowBytes) }), 4096),
  owners: list(struct({ walletId: fixed(16), organization: fixed(16) }), 4096),
});
export type StoreRows = Static<typeof StoreRows>;

/**
 * One row of a batch as the heads log keeps it, so that a database that lost its newest rows gets them back
 * (spec/heads.md §7). A node and a secret are named by their hash, an entry lies under a head; an owner is a hint.
 */
export const KeptRow = variant('row', {
  entry: [1, struct({ organization: fixed(16), position: u53, bytes: bytes(2097152), checkpoint: bool })],
  node: [2, struct({ hash: fixed(32), bytes: bytes(270336) })],
  secret: [3, struct({ hash: fixed(32), bytes: bytes(maximumSealedRowBytes) })],
  owner: [4, struct({ walletId: fixed(16), organization: fixed(16) })],
});
export type KeptRow = Static<typeof KeptRow>;

/** Longest encoding of a `KeptRow`: an entry and what stands around it. */
export const maximumKeptRowBytes = 2097152 + 30;

const mostKeptRows = 131072;

/** Encoded `KeptRow`s: whoever only passes them on need not read them. */
export const KeptRows = list(bytes(maximumKeptRowBytes), mostKeptRows);

/** The same, of rows that are not encoded yet. */
export const RowsToKeep = list(nested(KeptRow, maximumKeptRowBytes), mostKeptRows);

/** What an enclave asks of the store. Answers are untrusted and checked against hashes and heads. */
export const RowQuery = variant('kind', {
  entries: [1, struct({ organization: fixed(16), from: u53, limit: u16 })],
  newestCheckpoint: [2, struct({ organization: fixed(16), atMost: u53 })],
  node: [3, struct({ hash: fixed(32) })],
  ownerOf: [4, struct({ walletId: fixed(16) })],
});
export type RowQuery = Static<typeof RowQuery>;

export const RowAnswer = struct({
  id: u53,
  /** The rows found, in order: entries, one node, one 16-byte organization, or one u53 position as 8 bytes. */
  rows: list(bytes(2097152), 4096),
});

/** Gateway to policy engine. */
export const ToPolicy = variant('type', {
  requests: [1, struct({ items: list(RequestItem, 4096) })],
  receipt: [2, struct({ receipt: Sealed })],
  made: [3, struct({ made: Sealed })],
  rows: [4, struct({ answers: list(RowAnswer, 4096) })],
  head: [5, struct({ answer: Sealed })],
  /** Result of a broadcast, as JSON text; the host's word. */
  outcome: [6, struct({ organization: fixed(16), position: u53, network: text(64), outcome: bytes(8192) })],
  /** A batch was lost on its way (store, certifier): drop every speculative tail and begin from certified heads. */
  resync: [7, struct({})],
  /** The signer's acknowledgement that it has seen the floors of a batch. */
  noted: [9, struct({ noted: Sealed })],
  ping: [8, struct({ id: u53 })],
});
export type ToPolicy = Static<typeof ToPolicy>;

/** Policy engine to gateway. */
export const FromPolicy = variant('type', {
  batch: [
    1,
    struct({
      batch: u53,
      rows: StoreRows,
      /** AdvanceOrder for the certifier; absent when the batch moves no head. */
      advance: option(Sealed),
      /** ReceiptQuery for the certifier. */
      query: option(Sealed),
      /** TicketBatch for the signer, held until the receipt is there. */
      tickets: option(Sealed),
      /** Per ticket: whose answer it is, and which sealed row to attach. */
      waiting: list(struct({ identity: fixed(32), refs: list(u53, 4096), secret: option(fixed(32)) }), 4096),
    }),
  ],
  answers: [2, struct({ answers: list(struct({ refs: list(u53, 4096), answer: FinishedAnswer }), 4096) })],
  /** `secret`: the existing sealed row that the gateway attaches. */
  make: [3, struct({ make: Sealed, secret: option(fixed(32)) })],
  queryRows: [4, struct({ queries: list(struct({ id: u53, query: RowQuery }), 4096) })],
  queryHead: [5, struct({ query: Sealed })],
  pong: [8, struct({ id: u53, metrics: bytes(65536) })],
});
export type FromPolicy = Static<typeof FromPolicy>;

/** Gateway to certifier. */
export const ToCertifier = variant('type', {
  /** `rows`: what the store committed with the order, kept in the heads log for rolling forward. */
  advance: [1, struct({ order: Sealed, rows: KeptRows })],
  query: [2, struct({ query: Sealed })],
  queryHead: [3, struct({ query: Sealed })],
  /** More rows of the next order, for which its frame has no room. */
  rows: [4, struct({ rows: KeptRows })],
  ping: [8, struct({ id: u53 })],
});
export type ToCertifier = Static<typeof ToCertifier>;

/** Certifier to gateway. */
export const FromCertifier = variant('type', {
  receipt: [
    1,
    struct({
      batch: u53,
      forPolicy: Sealed,
      forSigner: Sealed,
      /** Signed note over the tree that contains the batch. */
      checkpoint: text(4096),
      inclusions: list(Inclusion, 65536),
    }),
  ],
  head: [2, struct({ answer: Sealed })],
  /** At start: the rows of the last minutes, newest first, so that a lost database tail rolls forward. */
  tail: [3, struct({ rows: KeptRows, last: bool })],
  pong: [8, struct({ id: u53, metrics: bytes(65536) })],
});
export type FromCertifier = Static<typeof FromCertifier>;

/** Rows of one `rewrap`. */
export const maximumRewrapped = 256;
const HashedSecret = struct({ hash: fixed(32), bytes: bytes(maximumSealedRowBytes) });

/** Gateway to signer. */
export const ToSigner = variant('type', {
  requests: [1, struct({ items: list(RequestItem, 4096) })],
  make: [2, struct({ make: Sealed, sealed: option(bytes(maximumSealedRowBytes)) })],
  /** `secrets`: the rows that the tickets name, each once. */
  tickets: [
    3,
    struct({
      tickets: option(Sealed),
      receipt: Sealed,
      secrets: list(struct({ hash: fixed(32), sealed: bytes(maximumSealedRowBytes) }), 4096),
    }),
  ],
  /** Rows to be wrapped under the newest wallet key (spec/signer.md §9). */
  rewrap: [4, struct({ id: u53, rows: list(HashedSecret, maximumRewrapped) })],
  /** A pass over all rows begins, or has ended and met so many of an older generation that could not be wrapped anew. */
  rewrapPass: [5, struct({ newest: u32, ended: bool, older: u53 })],
  ping: [8, struct({ id: u53 })],
});
export type ToSigner = Static<typeof ToSigner>;

/** Signer to gateway. */
export const FromSigner = variant('type', {
  made: [1, struct({ made: Sealed })],
  answers: [2, struct({ answers: list(FinishedAnswer, 4096) })],
  noted: [3, struct({ noted: Sealed })],
  /** Which generations of the wallet key open rows; the newest wraps. Told at start and when they change. */
  walletKeys: [4, struct({ newest: u32, oldest: u32 })],
  /** Rows that did not open are left out. */
  rewrapped: [5, struct({ id: u53, rows: list(HashedSecret, maximumRewrapped) })],
  pong: [8, struct({ id: u53, metrics: bytes(65536) })],
});
export type FromSigner = Static<typeof FromSigner>;
