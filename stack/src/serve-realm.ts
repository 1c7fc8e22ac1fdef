import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { headsOf, type StackOptions } from './environment.ts';
import { developmentSettings, developmentTenant } from './realm-tenant.ts';
import { sayLocked } from './say-locked.ts';
import { serveUntilStopped } from './serve-until-stopped.ts';
import { StackError } from './stack-error.ts';
import { startRealms } from './start-realms.ts';

/** Requests per second of one address in production. */
const productionAddressRate = 50;

/**
 * `keystead realm serve`: one realm alone, so that different operators can run them. It prints one ready line and stays
 * until SIGTERM, SIGINT or SIGHUP, after which it drains and ends with 0.
 */
export function serveRealm(readOptions: () => StackOptions): Promise<void> {
  return serveUntilStopped('keystead-realm-stack', async (signal) => {
    const options = readOptions();
    const { home, port = 0, profile = 'development', isolation, userIdBase, unlock, proxies = 0 } = options;
    if (existsSync(join(home, 'decommissioned.json')))
      throw new StackError(
        `the realm of ${home} was taken out of service`,
        'decommissioned.json there says when and why; start a new realm with an empty KEYSTEAD_HOME, or remove that file to serve who still depends on this one',
        { exitCode: 78 },
      );
    const running = await startRealms(
      {
        profile,
        ...{ isolation, userIdBase },
        unlock,
        locked: (state, name, where) => sayLocked(state, name, where),
        addressRate: profile === 'production' ? productionAddressRate : 0,
        proxies,
        realms: [
          {
            number: 1,
            home,
            heads: headsOf(home, options.heads),
            port,
            settings: () =>
              profile === 'production' ? '{"tenants":{}}\n' : developmentSettings(developmentTenant(home)),
          },
        ],
      },
      signal,
    );
    const { id, address, publicKey, refusal } = running.realms[0]!;
    if (refusal !== '') process.stderr.write(`warning: the realm does not serve: ${refusal}\n`);
    return { running, line: { ready: refusal === '', realm: { id, address, public_key: publicKey } } };
  });
}
