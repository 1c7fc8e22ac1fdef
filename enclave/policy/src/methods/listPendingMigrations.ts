/** Wallets of published clients' older sessions are not moved here: there is never one that waits. */
export function read(): unknown {
  return { pendingMigrations: [] };
}
