import { createPublicKey, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Command } from '../../command.ts';
import { CommandError, UsageError } from '../../command-error.ts';
import { type RealmSettings, readRealmSettings, writeRealmSettings } from '../../realm-home.ts';
import { defaultRealmHome, type RealmOptions, realmHomeOption } from './home-option.ts';

export const realmTenant: Command = {
  words: ['realm', 'tenant'],
  summary: 'adds a key of a tenant to a realm, or retires one; a running realm takes it within seconds',
  details: [
    'A new key has the next version. With --public-key it is the Ed25519 or RSA key whose owner signs tokens; without it a',
    'secret for HS256 is made and written to --secret-file. Every realm has to have a secret of its own. To rotate: add a',
    'key, let the new tokens reach everybody, then retire the old version. With --guesses, --delays or --soft-lock no key is',
    'made: those rules of the tenant change.',
  ].join('\n'),
  positionals: [{ name: 'name' }],
  options: {
    ...realmHomeOption,
    'public-key': { type: 'string', value: 'file', help: 'PEM of a public key, Ed25519 or RSA' },
    'secret-file': { type: 'string', value: 'file', help: 'new file for the secret that is made, mode 0600' },
    guesses: {
      type: 'string',
      value: 'range',
      help: 'how many guesses a registration may have (default: 3-20)',
    },
    delays: {
      type: 'string',
      value: 'seconds',
      help: 'wait after the first, second … wrong guess, such as 0,60,3600; none takes the ladder away',
    },
    'soft-lock': {
      type: 'string',
      value: 'remaining:seconds',
      help: 'from so many remaining guesses on each waits that long, such as 2:86400; none takes it away',
    },
    retire: { type: 'string', value: 'version', help: 'version of the key that shall serve no longer' },
  } satisfies RealmOptions,
  async run(given) {
    const home = given.text('home') ?? defaultRealmHome;
    const [name] = given.positionals as [string];
    if (!/^(?:test-)?[a-zA-Z0-9]{1,56}$/.test(name))
      throw new UsageError('the name of a tenant is letters and digits');
    const settings = readRealmSettings(home);
    const tenant = (settings.tenants[name] ??= { keys: {} });
    const retired = given.text('retire');
    if (retired !== undefined) {
      if (tenant.keys[retired] === undefined)
        throw new CommandError(`${name} has no key of version ${retired}`, 'see tenants.json of the realm');
      delete tenant.keys[retired];
      if (Object.keys(tenant.keys).length === 0) delete settings.tenants[name];
      writeRealmSettings(home, settings);
      return { json: { tenant: name, retired }, text: `${name}: version ${retired} is retired` };
    }
    if (applyRules(tenant, given)) {
      if (Object.keys(tenant.keys).length === 0)
        throw new CommandError(`${name} has no key`, 'give it one first: the same command without rules');
      writeRealmSettings(home, settings);
      const { guesses, delays, softLock } = tenant;
      return { json: { tenant: name, guesses, delays, softLock }, text: `${name}: new rules for guesses` };
    }
    const version = String(1 + Math.max(0, ...Object.keys(tenant.keys).map(Number)));
    const publicKey = given.text('public-key');
    if (publicKey === undefined) {
      const secret = randomBytes(32).toString('hex');
      try {
        writeFileSync(given.required('secret-file'), `${secret}\n`, { mode: 0o600, flag: 'wx' });
      } catch (error) {
        if (error instanceof UsageError) throw error;
        throw new CommandError(
          'the file for the secret cannot be made',
          'name a new file with --secret-file',
        );
      }
      tenant.keys[version] = secret;
    } else tenant.keys[version] = publicKeyOf(publicKey);
    writeRealmSettings(home, settings);
    return { json: { tenant: name, version: Number(version) }, text: `${name}: version ${version} serves` };
  },
};

type Tenant = RealmSettings['tenants'][string];

/** Changes how guesses are bounded (spec/realm.md §9); true when something was given. The hard cap is the registration's own. */
function applyRules(
  tenant: Tenant,
  given: { text(name: 'guesses' | 'delays' | 'soft-lock'): string | undefined },
) {
  const [guesses, delays, lock] = [given.text('guesses'), given.text('delays'), given.text('soft-lock')];
  if (guesses !== undefined) {
    const [minimum, maximum] = numbersOf('guesses', guesses, /^([1-9][0-9]?)-([1-9][0-9]?)$/);
    if (minimum! < 3 || maximum! > 20 || minimum! > maximum!)
      throw new UsageError('--guesses is a range within 3-20');
    tenant.guesses = { minimum, maximum };
  }
  if (delays === 'none') delete tenant.delays;
  else if (delays !== undefined) {
    numbersOf('delays', delays, /^[0-9]{1,8}(?:,[0-9]{1,8}){0,19}$/);
    tenant.delays = delays.split(',').map(Number);
  }
  if (lock === 'none') delete tenant.softLock;
  else if (lock !== undefined) {
    const [remaining, seconds] = numbersOf('soft-lock', lock, /^([1-9]|1[0-9]):([0-9]{1,8})$/);
    tenant.softLock = { remaining, seconds };
  }
  return guesses !== undefined || delays !== undefined || lock !== undefined;
}

function numbersOf(option: string, text: string, form: RegExp): number[] {
  const parts = form.exec(text);
  if (parts === null) throw new UsageError(`--${option} is not of the form that --help shows`);
  return parts.slice(1).map(Number);
}

function publicKeyOf(path: string) {
  try {
    const key = createPublicKey(readFileSync(path));
    const data = key.export({ format: 'der', type: 'spki' }).toString('hex');
    if (key.asymmetricKeyType === 'ed25519') return { data, encoding: 'Hex', algorithm: 'Edwards25519' };
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048)
      return { data, encoding: 'Hex', algorithm: 'RsaPkcs1Sha256' };
  } catch {
    // Said below.
  }
  throw new CommandError(
    'this is no public key that can sign tokens',
    'a PEM file with an Ed25519 key, or an RSA key of 2048 bits at least',
  );
}
