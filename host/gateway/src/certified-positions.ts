import type { Store } from '@keystead/host-storage/store';
import { StoreError } from '@keystead/host-storage/store-error';
import { KeptRow, type StoreRows } from '@keystead/protocol/frames';

type EntryRow = StoreRows['entries'][number];

/**
 * The highest position of each organization that the certifier has called history, for the organizations that moved
 * last. A row at or below it stays as it is: whoever writes another one builds on a head that is gone.
 */
export class CertifiedPositions {
  readonly #positions = new Map<string, number>();
  readonly #limit: number;
  /** Entries of one organization mostly come together. */
  #last: { readonly organization: Uint8Array; readonly name: string } | undefined;
  /** Which moved last. */
  #newest: string | undefined;

  constructor(limit = 65_536) {
    this.#limit = limit;
  }

  note(entries: readonly { readonly organization: Uint8Array; readonly position: number }[]): void {
    for (const { organization, position } of entries) {
      const name = this.#nameOf(organization);
      const known = this.#positions.get(name) ?? 0;
      // The one that moved least lately stands first.
      if (name !== this.#newest) this.#positions.delete(name);
      this.#newest = name;
      this.#positions.set(name, Math.max(known, position));
      if (this.#positions.size <= this.#limit) continue;
      const oldest = this.#positions.keys().next().value;
      if (oldest !== undefined) this.#positions.delete(oldest);
    }
  }

  /** Entries of the certifier's tail are history too. */
  noteKept(rows: readonly Uint8Array[]): void {
    for (const encoded of rows) {
      let row: KeptRow;
      try {
        row = KeptRow.decode(encoded);
      } catch {
        continue;
      }
      if (row.row === 'entry') this.note([row]);
    }
  }

  /** Whether a row would stand where the store has another one that is history. Throws StoreError. */
  async wouldChange(store: Store, entries: readonly EntryRow[]): Promise<boolean> {
    for (const { organization, position, bytes } of entries) {
      const name = this.#nameOf(organization);
      if (position > (this.#positions.get(name) ?? 0)) continue;
      const kept = await readable(() => store.entry(organization, position));
      if (kept === undefined || Buffer.compare(kept, bytes) !== 0) return true;
    }
    return false;
  }

  #nameOf(organization: Uint8Array): string {
    if (this.#last !== undefined && Buffer.compare(this.#last.organization, organization) === 0)
      return this.#last.name;
    const name = Buffer.from(organization).toString('latin1');
    this.#last = { organization, name };
    return name;
  }
}

async function readable(read: () => Promise<Uint8Array | undefined>): Promise<Uint8Array | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StoreError && error.code === 'store-unreadable') return undefined;
    throw error;
  }
}
