import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { markDecommissioned, readRealmSettings, realmIdOf, writeRealmSettings } from '../../realm-home.ts';
import { defaultRealmHome, type RealmOptions, realmHomeOption } from './home-option.ts';

const patience = 5000;
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
    const registered = await registrationsOf(address, realmId);
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

async function registrationsOf(address: string, realmId: string): Promise<number> {
  const read = async (path: string) => {
    const response = await fetch(new URL(path, address), { signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new TypeError(String(response.status));
    return await response.text();
  };
  try {
    const { realmID } = JSON.parse(await read('')) as { realmID: string };
    const figure = /^keystead_realm_enclave\{name="registrations"\} (\d+)$/m.exec(await read('metrics'))?.[1];
    if (realmID === realmId && figure !== undefined) return Number(figure);
  } catch {
    // Said below.
  }
  throw new CommandError(
    `the realm of this directory does not answer at ${address}`,
    'start it, or name its address with --address',
  );
}
