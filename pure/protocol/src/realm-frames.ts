import {
  bytes,
  choice,
  fixed,
  list,
  option,
  type Static,
  struct,
  text,
  u16,
  u32,
  u53,
  variant,
} from '@keystead/crypto/pack';
import { maximumStoredRows, Opened, Ping, Pong, Read, Stored, storedRow } from './row-frames.ts';

/** spec/realm.md §6: what a realm's enclave and its host say to each other, one message per frame. */

/** A sealed row; every row has the same length. */
export const maximumRealmRowBytes = 1024;

const RealmRow = storedRow(maximumRealmRowBytes);

/** An event for a tenant's log (spec/realm.md §10). */
export const TenantEvent = struct({
  tenant: text(64),
  /** Hexadecimal. */
  userId: text(64),
  event: choice({ registered: 1, guess_used: 2, share_recovered: 3, deleted: 4, locked_out: 5 }),
  guesses: option(u16),
  guessCount: option(u16),
  /** Milliseconds since 1970. */
  time: u53,
});
export type TenantEvent = Static<typeof TenantEvent>;

/** Host to enclave. */
export const ToRealm = variant('type', {
  opened: [1, Opened],
  /** One `POST /req`: the bearer token, or undefined when there is none. */
  request: [2, struct({ id: u53, token: option(text(4096)), body: bytes(4096) })],
  /** The answer to `read`. */
  row: [3, RealmRow],
  stored: [4, Stored],
  /** Whose tenant log may the bearer of this token read? */
  audit: [5, struct({ id: u53, token: text(4096) })],
  ping: [6, Ping],
});
export type ToRealm = Static<typeof ToRealm>;

/** Enclave to host. */
export const FromRealm = variant('type', {
  /** The first message after unlock. */
  open: [1, struct({ realmId: fixed(16), publicKey: fixed(32) })],
  read: [2, Read],
  /** To be written in one transaction; after a crash also rows of earlier sequences. */
  store: [
    3,
    struct({
      sequence: u53,
      rows: list(RealmRow, maximumStoredRows),
      events: list(TenantEvent, maximumStoredRows),
    }),
  ],
  answer: [
    4,
    struct({
      id: u53,
      status: u16,
      body: bytes(4096),
      /** Why it was refused, a stable code; empty otherwise. */
      refusal: text(64),
      /** Seconds for `Retry-After`; 0 for none. */
      retryAfter: u32,
    }),
  ],
  audited: [5, struct({ id: u53, tenant: option(text(64)) })],
  pong: [6, Pong],
});
export type FromRealm = Static<typeof FromRealm>;
