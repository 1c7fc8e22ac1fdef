import {
  checkEntry,
  checkHash,
  checkHashedRow,
  checkLimit,
  checkOrganization,
  checkPosition,
  checkWalletId,
} from '../shape.ts';
import type { HashedRow, Store, StoreBatch } from '../store.ts';
import { StoreError } from '../store-error.ts';

interface Chain {
  organization: Uint8Array;
  entries: Map<number, { bytes: Uint8Array; checkpoint: boolean }>;
}

/** A store in this process's memory, for tests: same answers as the others, nothing outlives it. */
export function openMemoryStore(): Store {
  return new MemoryStore();
}

class MemoryStore implements Store {
  readonly #chains = new Map<string, Chain>();
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #secrets = new Map<string, Uint8Array>();
  readonly #owners = new Map<string, Uint8Array>();
  #entryCount = 0;
  #bytes = 0;
  #closed = false;

  async commit(batches: readonly StoreBatch[]): Promise<void> {
    this.#checkOpen();
    // Everything is checked before anything is kept: that is what makes it all or nothing here.
    for (const batch of batches) checkBatch(batch);
    for (const batch of batches) {
      for (const entry of batch.entries) {
        const id = key(entry.organization);
        let chain = this.#chains.get(id);
        if (chain === undefined) {
          chain = { organization: entry.organization.slice(), entries: new Map() };
          this.#chains.set(id, chain);
        }
        const replaced = chain.entries.get(entry.position);
        if (replaced === undefined) this.#entryCount += 1;
        this.#bytes += entry.bytes.length - (replaced?.bytes.length ?? 0);
        chain.entries.set(entry.position, { bytes: entry.bytes.slice(), checkpoint: entry.checkpoint });
      }
      for (const row of batch.nodes) this.#keep(this.#nodes, row.hash, row.bytes);
      for (const row of batch.secrets) this.#keep(this.#secrets, row.hash, row.bytes);
      for (const owner of batch.owners) this.#owners.set(owner.walletId, owner.organization.slice());
    }
  }

  async entries(organization: Uint8Array, from: number, limit: number) {
    checkOrganization(organization);
    checkPosition(from);
    checkLimit(limit);
    const entries = this.#chain(organization)?.entries ?? new Map<number, { bytes: Uint8Array }>();
    return [...entries.keys()]
      .filter((position) => position >= from)
      .sort((a, b) => a - b)
      .slice(0, limit)
      .map((position) => ({ position, bytes: entries.get(position)!.bytes.slice() }));
  }

  async entry(organization: Uint8Array, position: number): Promise<Uint8Array | undefined> {
    checkOrganization(organization);
    checkPosition(position);
    return this.#chain(organization)?.entries.get(position)?.bytes.slice();
  }

  async newestCheckpoint(organization: Uint8Array, atMost: number): Promise<number | undefined> {
    checkOrganization(organization);
    checkPosition(atMost);
    let newest: number | undefined;
    for (const [position, entry] of this.#chain(organization)?.entries ?? [])
      if (entry.checkpoint && position <= atMost && position >= (newest ?? 0)) newest = position;
    return newest;
  }

  async node(hash: Uint8Array): Promise<Uint8Array | undefined> {
    checkHash(hash);
    this.#checkOpen();
    return this.#nodes.get(key(hash))?.slice();
  }

  async secret(hash: Uint8Array): Promise<Uint8Array | undefined> {
    checkHash(hash);
    this.#checkOpen();
    return this.#secrets.get(key(hash))?.slice();
  }

  async secrets(after: Uint8Array | undefined, limit: number): Promise<HashedRow[]> {
    if (after !== undefined) checkHash(after);
    checkLimit(limit);
    this.#checkOpen();
    // Lower-case hexadecimal text sorts as the bytes do.
    const floor = after === undefined ? '' : key(after);
    return [...this.#secrets.keys()]
      .filter((hash) => hash > floor)
      .sort()
      .slice(0, limit)
      .map((hash) => ({
        hash: new Uint8Array(Buffer.from(hash, 'hex')),
        bytes: this.#secrets.get(hash)!.slice(),
      }));
  }

  async ownerOf(walletId: string): Promise<Uint8Array | undefined> {
    checkWalletId(walletId);
    this.#checkOpen();
    return this.#owners.get(walletId)?.slice();
  }

  async organizations(after: Uint8Array | undefined, limit: number): Promise<Uint8Array[]> {
    if (after !== undefined) checkOrganization(after);
    checkLimit(limit);
    this.#checkOpen();
    // Lower-case hexadecimal text sorts as the bytes do.
    const floor = after === undefined ? '' : key(after);
    return [...this.#chains.keys()]
      .filter((id) => id > floor)
      .sort()
      .slice(0, limit)
      .map((id) => this.#chains.get(id)!.organization.slice());
  }

  async usage(): Promise<{ entries: number; bytes: number }> {
    this.#checkOpen();
    return { entries: this.#entryCount, bytes: this.#bytes };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #chain(organization: Uint8Array): Chain | undefined {
    this.#checkOpen();
    return this.#chains.get(key(organization));
  }

  #keep(rows: Map<string, Uint8Array>, hash: Uint8Array, bytes: Uint8Array): void {
    const id = key(hash);
    this.#bytes += bytes.length - (rows.get(id)?.length ?? 0);
    rows.set(id, bytes.slice());
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreError('store-closed', 'the store was closed');
  }
}

function checkBatch(batch: StoreBatch): void {
  batch.entries.forEach(checkEntry);
  batch.nodes.forEach(checkHashedRow);
  batch.secrets.forEach(checkHashedRow);
  for (const owner of batch.owners) {
    checkWalletId(owner.walletId);
    checkOrganization(owner.organization);
  }
}

function key(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
