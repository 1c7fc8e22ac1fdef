import { join } from 'node:path';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import { headsOf } from './environment.ts';
import { type DevelopmentTenant, developmentSettings, developmentTenant } from './realm-tenant.ts';
import { type JoinedBackup, joinBackup, type KeeperDocument } from './join-backup.ts';
import { type Realms, startRealms } from './start-realms.ts';
import type { Stack, StartOptions } from './start-stack.ts';

export interface DevelopmentRealms extends Pick<Realms, 'failed' | 'stop'> {
  /** What the ready line tells applications: the configuration that clients take, and how to make tokens. */
  readonly juicebox: { readonly configuration: ConfigurationDocument; readonly tenant: DevelopmentTenant };
  /** Joins deployment, keeper of backups and realms, once the deployment is there, and keeps them joined. */
  join(): Promise<KeeperDocument>;
}

const defaultRealms = 3;

/**
 * Realms on the ports after the gateway's, any of whose majority recovers. They are all of one operator, which is for
 * trying things out: the line on standard error says so.
 */
export async function startDevelopmentRealms(
  options: StartOptions,
  stack: Pick<Stack, 'api' | 'home'>,
  signal: AbortSignal,
): Promise<DevelopmentRealms> {
  const { isolation, userIdBase, stderr, realms: count = defaultRealms } = options;
  const { home } = stack;
  const tenant = developmentTenant(home);
  const gateway = Number(new URL(stack.api).port);
  const running = await startRealms(
    {
      profile: 'development',
      ...{ isolation, userIdBase, stderr },
      realms: Array.from({ length: count }, (_, position) => ({
        number: position + 1,
        home: join(home, 'realms', String(position + 1)),
        heads: `${headsOf(home, options.heads)}-realm-${position + 1}`,
        port: options.port ? gateway + 1 + position : 0,
        settings: () => developmentSettings(tenant),
      })),
      backup: {
        home: join(home, 'realms', 'backup'),
        heads: `${headsOf(home, options.heads)}-backup`,
        port: options.port ? gateway + 1 + count : 0,
        settings: () => '{"deletionDelaySeconds":0}\n',
      },
    },
    signal,
  );
  for (const { number, refusal } of running.realms)
    if (refusal !== '')
      process.stderr.write(`warning: realm ${number} does not serve: ${refusal}; hint: ${hints[refusal]}\n`);
  process.stderr.write(
    `warning: ${count} realms of one operator: whoever runs them can search a short PIN; for development only\n`,
  );
  let joined: JoinedBackup | undefined;
  return {
    failed: running.failed,
    stop: () => {
      joined?.stop();
      return running.stop();
    },
    join: async () => {
      joined = await joinBackup(running, home);
      return joined.keeper;
    },
    juicebox: {
      configuration: {
        realms: running.realms.map(({ id, address, publicKey }) => ({ id, address, public_key: publicKey })),
        register_threshold: count,
        recover_threshold: Math.floor(count / 2) + 1,
        pin_hashing_mode: 'Standard2019',
      },
      tenant,
    },
  };
}

const hints: Readonly<Record<string, string>> = {
  'realm-database-old':
    'put back the newest data directory of this realm: the older one would give guesses back',
  'realm-heads-old': 'put back the newest heads directory of this realm',
  'realm-heads-malformed': 'put back the heads directory of this realm',
};
