import {
  bytes,
  choice,
  fixed,
  list,
  type Static,
  struct,
  text,
  u16,
  u53,
  variant,
} from '@keystead/crypto/pack';
import { maximumStoredRows, Opened, Ping, Pong, Read, Stored, storedRow } from './row-frames.ts';

/** spec/backup.md §8. What the host of a keeper of backups and its enclave say to each other, one message per frame. */

export const maximumBackupRowBytes = 524_288;

const BackupRow = storedRow(maximumBackupRowBytes);

/** What happened to a backup, for whoever is notified of it (spec/notification.md). */
export const BackupEvent = struct({
  organization: fixed(16),
  backupName: text(256),
  /** Of the generation that it is about, as realms name it in their events (spec/realm.md §10): hexadecimal. */
  userId: text(64),
  event: choice({
    /** A backup came into use that was not there before. */
    created: 1,
    /** Another generation came into use in the place of one: another PIN, or other realms. */
    replaced: 2,
    /** The content in use was released: somebody recovers. */
    released: 3,
    /** Tokens were made with which the PIN of the one in use can be guessed. */
    guess_permitted: 4,
    deletion_requested: 5,
    deletion_withdrawn: 6,
    deleted: 7,
  }),
  /** Of the entry, milliseconds since 1970. */
  time: u53,
});
export type BackupEvent = Static<typeof BackupEvent>;

/** Host to enclave. */
export const ToBackup = variant('type', {
  /** One `POST /v1/backup`: an encoded BackupEnvelope. */
  request: [1, struct({ id: u53, body: bytes(524288) })],
  /** The answer to `read`. */
  row: [2, BackupRow],
  stored: [3, Stored],
  ping: [4, Ping],
  opened: [5, Opened],
});
export type ToBackup = Static<typeof ToBackup>;

/** Enclave to host. */
export const FromBackup = variant('type', {
  /** The first message after unlock. */
  open: [
    1,
    struct({
      keeperId: fixed(16),
      /** X25519. */
      publicKey: fixed(32),
      /** Ed25519: with it realms verify tokens. */
      tokenKey: fixed(32),
    }),
  ],
  read: [2, Read],
  /** To be written in one transaction; after a crash also rows of earlier sequences. */
  store: [
    3,
    struct({
      sequence: u53,
      rows: list(BackupRow, maximumStoredRows),
      events: list(BackupEvent, maximumStoredRows),
    }),
  ],
  answer: [
    4,
    struct({
      id: u53,
      status: u16,
      body: bytes(524288),
      /** Why it was refused, a stable code; empty otherwise. */
      refusal: text(64),
    }),
  ],
  pong: [5, Pong],
});
export type FromBackup = Static<typeof FromBackup>;
