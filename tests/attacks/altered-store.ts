/** A store in the hands of its administrator: what it was given is kept, what it answers is altered. */
import { openMemoryStore } from '@keystead/host-storage/memory/store-memory';
import type { Store, StoreBatch } from '@keystead/host-storage/store';

/** One row, as the table and key under which it is asked for. */
export type RowName = `entry ${string} ${number}` | `node ${string}` | `secret ${string}` | `owner ${string}`;
export type Row = Uint8Array | undefined;

export interface AlteredStore extends Store {
  readonly commits: readonly StoreBatch[];
  /** Every row that was committed, the newest of each name. */
  rows(): ReadonlyMap<RowName, Uint8Array>;
  /** What is answered in the place of a row; undefined hides it. Cleared by `null`. */
  alter: ((name: RowName, row: Row) => Row) | null;
  /** Names of rows that were read since the last `alter`. */
  readonly read: Set<RowName>;
  /** Another store with the first commits only. */
  copyAfter(commits: number): Promise<Store>;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

export function alteredStore(): AlteredStore {
  const store = openMemoryStore();
  const commits: StoreBatch[] = [];
  const read = new Set<RowName>();
  const given = (name: RowName, row: Row): Row => {
    read.add(name);
    return altered.alter === null ? row : altered.alter(name, row);
  };
  const altered: AlteredStore = {
    commits,
    read,
    alter: null,
    rows() {
      const rows = new Map<RowName, Uint8Array>();
      for (const { entries, nodes, secrets, owners } of commits) {
        for (const { organization, position, bytes } of entries)
          rows.set(`entry ${hex(organization)} ${position}`, bytes);
        for (const { hash, bytes } of nodes) rows.set(`node ${hex(hash)}`, bytes);
        for (const { hash, bytes } of secrets) rows.set(`secret ${hex(hash)}`, bytes);
        for (const { walletId, organization } of owners) rows.set(`owner ${walletId}`, organization);
      }
      return rows;
    },
    async copyAfter(count) {
      const copy = openMemoryStore();
      await copy.commit(commits.slice(0, count));
      return copy;
    },
    async commit(batches) {
      await store.commit(batches);
      commits.push(...structuredClone(batches));
    },
    async entries(organization, from, limit) {
      const rows = await store.entries(organization, from, limit);
      return rows.flatMap(({ position, bytes }) => {
        const row = given(`entry ${hex(organization)} ${position}`, bytes);
        return row === undefined ? [] : [{ position, bytes: row }];
      });
    },
    async entry(organization, position) {
      return given(`entry ${hex(organization)} ${position}`, await store.entry(organization, position));
    },
    newestCheckpoint: (...asked) => store.newestCheckpoint(...asked),
    node: async (hash) => given(`node ${hex(hash)}`, await store.node(hash)),
    secret: async (hash) => given(`secret ${hex(hash)}`, await store.secret(hash)),
    secrets: (after, limit) => store.secrets(after, limit),
    ownerOf: async (walletId) => given(`owner ${walletId}`, await store.ownerOf(walletId)),
    organizations: (...asked) => store.organizations(...asked),
    usage: () => store.usage(),
    close: () => store.close(),
  };
  return altered;
}
