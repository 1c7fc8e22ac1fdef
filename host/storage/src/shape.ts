import type { HashedRow, StoredEntry } from './store.ts';
import { StoreError } from './store-error.ts';

/**
 * Shapes of the port's arguments, the same in every adapter. Each check throws StoreError
 * `store-invalid`, which names the field and never its content.
 */

const organizationBytes = 16;
const hashBytes = 32;
const maximumWalletIdCharacters = 256;

export function checkOrganization(value: Uint8Array): void {
  checkFixed(value, organizationBytes, 'organization');
}

export function checkHash(value: Uint8Array): void {
  checkFixed(value, hashBytes, 'hash');
}

export function checkPosition(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new StoreError('store-invalid', 'position is not an integer from 0 to 2^53-1');
}

export function checkLimit(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new StoreError('store-invalid', 'limit is not an integer from 0 to 2^53-1');
}

export function checkWalletId(value: string): void {
  if (typeof value !== 'string' || value.length === 0 || value.length > maximumWalletIdCharacters)
    throw new StoreError(
      'store-invalid',
      `walletId is not text of 1 to ${maximumWalletIdCharacters} characters`,
    );
}

export function checkEntry(entry: StoredEntry): void {
  checkOrganization(entry.organization);
  checkPosition(entry.position);
  checkBytes(entry.bytes);
  if (typeof entry.checkpoint !== 'boolean')
    throw new StoreError('store-invalid', 'checkpoint is not a boolean');
}

export function checkHashedRow(row: HashedRow): void {
  checkHash(row.hash);
  checkBytes(row.bytes);
}

function checkBytes(value: Uint8Array): void {
  if (!(value instanceof Uint8Array)) throw new StoreError('store-invalid', 'bytes is not a Uint8Array');
}

function checkFixed(value: Uint8Array, length: number, field: string): void {
  if (!(value instanceof Uint8Array) || value.length !== length)
    throw new StoreError('store-invalid', `${field} is not ${length} bytes`);
}
