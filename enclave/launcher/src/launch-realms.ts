import { join } from 'node:path';
import type { RealmsConfig } from './realm-config.ts';
import { readRealmRecord } from './realm-files.ts';
import { RealmSupervisor } from './realm-supervisor.ts';
import type { Report } from './report.ts';
import { Sandbox } from './sandbox.ts';
import { DevelopmentFile } from './unlock/development-file.ts';

/**
 * Starts the enclaves of realms and of a keeper of backups, each with keys of its own, and keeps them running until `signal` aborts. Throws
 * LaunchError for what starting again cannot mend; all of them have ended then, too.
 */
export async function launchRealms(config: RealmsConfig, report: Report, signal: AbortSignal): Promise<void> {
  const byName = <T>(value: (realm: RealmsConfig['realms'][number]) => T) =>
    Object.fromEntries(config.realms.map((realm) => [realm.name, value(realm)]));
  const sandbox = Sandbox.prepare({
    home: config.home,
    bundles: byName(({ program }) => config.bundles[program]!),
    isolation: { parts: config.parts, userIds: byName(({ userId }) => userId) },
  });
  const supervisors = config.realms.map((realm) => {
    const unlock = {
      developmentFile: join(realm.home, 'development/unlock.key'),
      operatorSocket: '',
      kind: config.developmentUnlock ? ('development-file' as const) : undefined,
    };
    const founded = readRealmRecord(realm.home) !== undefined;
    const file = new DevelopmentFile({ profile: config.profile, unlock }, founded);
    return new RealmSupervisor({ realm, sandbox, unlock: file, report, signal });
  });
  const stopAll = () => Promise.all(supervisors.map((supervisor) => supervisor.stop()));
  signal.addEventListener('abort', () => void stopAll());
  try {
    await Promise.all(supervisors.map((supervisor) => supervisor.keep()));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await stopAll();
  }
}
