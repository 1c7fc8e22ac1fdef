import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { headsOf, type StackOptions } from './environment.ts';
import { developmentSettings, developmentTenant } from './realm-tenant.ts';
import { StackError } from './stack-error.ts';
import { type Realms, startRealms } from './start-realms.ts';

/** Requests per second of one address in production. */
const productionAddressRate = 50;

/**
 * `keystead realm serve`: one realm alone, so that different operators can run them. It prints one ready line and stays
 * until SIGTERM, SIGINT or SIGHUP, after which it drains and ends with 0.
 */
export async function serveRealm(readOptions: () => StackOptions): Promise<void> {
  process.title = 'keystead-realm-stack';
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});
  process.umask(0o077);
  const stopping = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => {
        stopping.abort();
        resolve();
      });
  });
  let realms: Realms | undefined;
  try {
    const options = readOptions();
    const { home, port = 0, profile = 'development', isolation, userIdBase, unlock } = options;
    if (existsSync(join(home, 'decommissioned.json')))
      throw new StackError(
        `the realm of ${home} was taken out of service`,
        'no registration depends on it; start a new realm with an empty KEYSTEAD_HOME',
        { exitCode: 78 },
      );
    realms = await startRealms(
      {
        profile,
        ...{ isolation, userIdBase },
        developmentUnlock: unlock === 'development-file',
        addressRate: profile === 'production' ? productionAddressRate : 0,
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
      stopping.signal,
    );
    const { id, address, publicKey, refusal } = realms.realms[0]!;
    if (refusal !== '') process.stderr.write(`warning: the realm does not serve: ${refusal}\n`);
    if (!stopping.signal.aborted) {
      const realm = { id, address, public_key: publicKey };
      process.stdout.write(`${JSON.stringify({ ready: refusal === '', realm })}\n`);
      await Promise.race([stopped, realms.failed.then((error) => Promise.reject(error))]);
    }
  } catch (error) {
    await realms?.stop();
    if (stopping.signal.aborted) process.exit(0);
    const known = error instanceof StackError;
    const detail = error instanceof Error ? error.message : String(error);
    process.stderr.write(`error: ${detail}${known ? `; hint: ${error.hint}` : ''}\n`);
    process.exit(known ? error.exitCode : 1);
  }
  await realms?.stop();
  process.exit(0);
}
