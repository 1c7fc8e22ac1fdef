import type { Store } from '../store.ts';
import { openSqliteStore } from './store-sqlite.ts';

/** How the conformance suite's child process opens the SQLite adapter. */
export function openStore(location: string): Store {
  return openSqliteStore(location);
}
