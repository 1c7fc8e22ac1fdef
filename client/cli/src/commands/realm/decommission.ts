import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { markDecommissioned, readRealmSettings, realmIdOf, writeRealmSettings } from '../../realm-home.ts';
import type { RealmRelease } from '../../realm-loss.ts';
import { readJsonFile, registrationsOf } from '../../realm-migration.ts';
import { defaultRealmHome, type RealmOptions, realmHomeOption } from './home-option.ts';

/** Longer than a running realm takes to read its settings again, in milliseconds. */
const settling = 5000;

export const realmDecommission: Command = {
  words: ['realm', 'decommission'],
  summary: 'takes a realm out of service when no user depends on it',
  details: [
    'The first call closes the realm for registrations. While registrations are left it refuses and says how many: let',
    'their owners register with other realms and delete here. When none is left it marks the realm, which does not start again.',
    'With --force registrations may be left that the keeper’s operator accounts for in --release (keystead realm campaign finish',
    '--force): one more, such as of another tenant, and it refuses. Nothing is deleted: keep the directory, the heads log and what',
    'unlocks them, from which keystead realm export gives a registration back.',
  ].join('\n'),
  options: {
    ...realmHomeOption,
    address: {
      type: 'string',
      value: 'url',
      help: 'address of the running realm (default: http://127.0.0.1:7401/)',
    },
    force: { type: 'boolean', help: 'although registrations are left that --release accounts for' },
    release: { type: 'string', value: 'file', help: 'what keystead realm campaign finish --force wrote' },
  } satisfies RealmOptions,
  async run(given) {
    const home = given.text('home') ?? defaultRealmHome;
    const address = given.text('address') ?? 'http://127.0.0.1:7401/';
    const realmId = realmIdOf(home);
    const release = given.flag('force') ? readRelease(given.required('release'), realmId) : undefined;
    const settings = readRealmSettings(home);
    const open = Object.values(settings.tenants).filter(({ closed }) => closed !== true);
    if (open.length > 0) {
      for (const tenant of open) tenant.closed = true;
      writeRealmSettings(home, settings);
      await new Promise((wake) => setTimeout(wake, settling));
    }
    const registered = await registrationsOf({ id: realmId, address });
    if (registered === undefined)
      throw new CommandError(
        `the realm of this directory does not answer at ${address}`,
        'start it, or name its address with --address',
      );
    const accounted = release?.generations[realmId] ?? 0;
    if (registered > accounted)
      throw new CommandError(
        release === undefined
          ? `${registered} registrations depend on this realm; it is closed for new ones`
          : `${registered} registrations depend on this realm, and the release accounts for ${accounted}: the others are of somebody else; it is closed for new ones`,
        'let their owners register with other realms and delete here, then repeat this command',
      );
    markDecommissioned(home, {
      realmId,
      registered,
      at: new Date().toISOString(),
      ...(release === undefined ? {} : { forced: release }),
    });
    return {
      json: { realmId, registered, forced: release !== undefined },
      text:
        registered === 0
          ? 'no registration depends on this realm: it can be stopped'
          : `${registered} registrations still depend on this realm, which was taken out by force: it can be stopped; keep its directory`,
    };
  },
};

function readRelease(path: string, realmId: string): RealmRelease {
  const release = readJsonFile<RealmRelease>(path, 'what keystead realm campaign finish --force wrote');
  const { kind, version, generations } = release;
  const isOwn = Number.isSafeInteger(generations?.[realmId]);
  if (kind !== 'keystead-realm-release' || version !== 1 || !isOwn)
    throw new CommandError(
      `${path} is no release of realm ${realmId}`,
      'get the one of this realm from the keeper’s operator',
    );
  return release;
}
