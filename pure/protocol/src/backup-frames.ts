import { bytes, fixed, option, type Static, struct, text, u16, u53, variant } from '@keystead/crypto/pack';

/** spec/backup.md §8. What the host of a keeper of backups and its enclave say to each other, one message per frame. */

/** Name of a row: it tells storage no organization. */
export const backupNameBytes = 16;
export const maximumBackupRowBytes = 524_288;

/** Host to enclave. */
export const ToBackup = variant('type', {
  /** One `POST /v1/backup`: an encoded BackupEnvelope. */
  request: [1, struct({ id: u53, body: bytes(524288) })],
  /** The answer to `read`. */
  row: [2, struct({ name: fixed(backupNameBytes), bytes: option(bytes(maximumBackupRowBytes)) })],
  /** The row of `store` is durable. */
  stored: [3, struct({ name: fixed(backupNameBytes) })],
  ping: [4, struct({ id: u53 })],
});
export type ToBackup = Static<typeof ToBackup>;

/** Enclave to host. */
export const FromBackup = variant('type', {
  /** The first message after unlock, and after every change of the settings. */
  open: [
    1,
    struct({
      keeperId: fixed(16),
      /** X25519. */
      publicKey: fixed(32),
      /** Ed25519: with it realms verify tokens. */
      tokenKey: fixed(32),
      /** Why it does not serve; empty when it does. */
      reason: text(64),
    }),
  ],
  read: [2, struct({ name: fixed(backupNameBytes) })],
  /** Without bytes the row is deleted. */
  store: [3, struct({ name: fixed(backupNameBytes), bytes: option(bytes(maximumBackupRowBytes)) })],
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
  pong: [5, struct({ id: u53, /** One JSON object of figures. */ metrics: bytes(65536) })],
});
export type FromBackup = Static<typeof FromBackup>;
