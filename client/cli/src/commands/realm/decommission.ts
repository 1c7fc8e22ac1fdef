import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { markDecommissioned, readRealmSettings, realmIdOf, writeRealmSettings } from '../../realm-home.ts';
import { registrationsOf } from '../../realm-migration.ts';
import { defaultRealmHome, type RealmOptions, realmHomeOption } from './home-option.ts';

/** Longer than a running realm takes to read its settings again, in milliseconds. */
const settling = 5000;

export const realmDecommission: Command = {
  words: ['realm', 'decommission'],
  summary: 'takes a realm out of service when no user depends on it',
  details: [
    'The first call closes the realm for registrations. While registrations are left it refuses and says how many: let',
    'their owners register with other realms and delete here. When none is left it marks the realm, which does not start again.',
  ].join('\n'),
  options: {
    ...realmHomeOption,
    address: {
      type: 'string',
      value: 'url',
      help: 'address of the running realm (default: http://127.0.0.1:7401/)',
    },
  } satisfies RealmOptions,
  async run(given) {
    const home = given.text('home') ?? defaultRealmHome;
    const address = given.text('address') ?? 'http://127.0.0.1:7401/';
    const realmId = realmIdOf(home);
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
    if (registered > 0)
      throw new CommandError(
        `${registered} registrations depend on this realm; it is closed for new ones`,
        'let their owners register with other realms and delete here, then repeat this command',
      );
    markDecommissioned(home, { realmId, registered, at: new Date().toISOString() });
    return {
      json: { realmId, registered },
      text: 'no registration depends on this realm: it can be stopped',
    };
  },
};
