import { headsOf, type StackOptions } from './environment.ts';
import { sayLocked } from './say-locked.ts';
import { serveUntilStopped } from './serve-until-stopped.ts';
import { startRealms } from './start-realms.ts';

/**
 * `keystead backup serve`: one keeper of backups alone. It prints one ready line and stays until SIGTERM, SIGINT or SIGHUP,
 * after which it drains and ends with 0. Whether it serves depends on its settings, which it looks at all the time.
 */
export function serveBackup(readOptions: () => StackOptions): Promise<void> {
  return serveUntilStopped('keystead-backup-stack', async (signal) => {
    const { home, heads, port = 0, profile = 'development', isolation, userIdBase, unlock } = readOptions();
    const running = await startRealms(
      {
        profile,
        ...{ isolation, userIdBase },
        unlock,
        locked: (state, name, where) => sayLocked(state, name, where),
        realms: [],
        backup: { home, heads: headsOf(home, heads), port, settings: () => '{}\n' },
      },
      signal,
    );
    const { address, id, publicKey, refusal } = running.backup!;
    if (refusal !== '') process.stderr.write(`warning: the keeper does not serve: ${refusal}\n`);
    return { running, line: { ready: refusal === '', backup: { address, id, publicKey } } };
  });
}
