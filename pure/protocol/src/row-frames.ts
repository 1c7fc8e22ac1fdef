import { bool, bytes, fixed, option, struct, text, u53 } from '@keystead/crypto/pack';

/** spec/realm.md §6: what a realm, or a keeper of backups, and its host say to each other about sealed rows. */

/** Name of a row: an output of a MAC, which tells storage nobody's name. */
export const rowNameBytes = 16;
/** Rows, and events, of one `store` message. */
export const maximumStoredRows = 4096;

/** A row under its name; without bytes it is deleted, or was never there. */
export interface StoredRow {
  readonly name: Uint8Array;
  readonly bytes: Uint8Array | undefined;
}

export const storedRow = (maximumBytes: number) =>
  struct({ name: fixed(rowNameBytes), bytes: option(bytes(maximumBytes)) });

/** Host to enclave, the answer to `open`: the newest sequence whose rows the database has; 0 for an empty one. */
export const Opened = struct({ sequence: u53 });
/** Host to enclave: the rows and events of `store` are durable. */
export const Stored = struct({ sequence: u53 });
export const Ping = struct({ id: u53 });
/** Enclave to host. */
export const Read = struct({ name: fixed(rowNameBytes) });
export const Pong = struct({
  id: u53,
  serving: bool,
  /** Why it does not serve; empty when it does. */
  reason: text(64),
  /** One JSON object of figures. */
  metrics: bytes(65536),
});
