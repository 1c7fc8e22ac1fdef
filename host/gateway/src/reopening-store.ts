import type { Store, StoreBatch } from '@keystead/host-storage/store';
import { StoreError } from '@keystead/host-storage/store-error';

/** A store that is opened again after its medium failed, at the next call. `open` throws StoreError. */
export function reopeningStore(open: () => Store): Store {
  let current: Store | undefined = open();
  let closed = false;
  const use = async <T>(act: (store: Store) => Promise<T>): Promise<T> => {
    if (closed) throw new StoreError('store-closed', 'the store was closed');
    current ??= open();
    const used = current;
    try {
      return await act(used);
    } catch (error) {
      if (error instanceof StoreError && error.code === 'store-failed' && current === used) {
        current = undefined;
        await used.close().catch(() => {});
      }
      throw error;
    }
  };
  return {
    commit: (batches: readonly StoreBatch[]) => use((store) => store.commit(batches)),
    entries: (organization, from, limit) => use((store) => store.entries(organization, from, limit)),
    entry: (organization, position) => use((store) => store.entry(organization, position)),
    newestCheckpoint: (organization, atMost) => use((store) => store.newestCheckpoint(organization, atMost)),
    node: (hash) => use((store) => store.node(hash)),
    secret: (hash) => use((store) => store.secret(hash)),
    secrets: (after, limit) => use((store) => store.secrets(after, limit)),
    ownerOf: (walletId) => use((store) => store.ownerOf(walletId)),
    organizations: (after, limit) => use((store) => store.organizations(after, limit)),
    usage: () => use((store) => store.usage()),
    close: async () => {
      closed = true;
      await current?.close();
    },
  };
}
