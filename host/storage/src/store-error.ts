/** Stable codes of the store. What the caller should do stands beside each. */
export type StoreErrorCode =
  /** Another process holds the store: stop it, or give this one another place. */
  | 'store-locked'
  /** Written by a newer version: run that version or later. */
  | 'store-newer-schema'
  /** The place holds something that is not a store of this product: check the configured path. */
  | 'store-foreign'
  /** An argument is out of shape; nothing was changed. */
  | 'store-invalid'
  /** No room; nothing was changed. Free space and try again. */
  | 'store-full'
  /** The medium failed; the last commit may or may not be there. Open the store again. */
  | 'store-failed'
  /** One row's page is damaged; other rows may be whole. Restore it or let the heads log roll forward. */
  | 'store-unreadable'
  /** The store was closed. */
  | 'store-closed';

export class StoreError extends Error {
  readonly code: StoreErrorCode;

  constructor(code: StoreErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.name = 'StoreError';
    this.code = code;
  }
}
