import type { RealmsConfig } from './realm-config.ts';
import { RealmSupervisor } from './realm-supervisor.ts';
import type { Report } from './report.ts';
import { Sandbox } from './sandbox.ts';

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
  const supervisors = config.realms.map(
    (realm) => new RealmSupervisor({ realm, config, sandbox, report, signal }),
  );
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
