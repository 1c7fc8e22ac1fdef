import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigurationDocument, RealmDocument } from '@keystead/juicebox/configuration';
import { type MigrationPlan, planMigration } from '@keystead/juicebox/migration-plan';
import { CommandError } from './command-error.ts';
import { writeWhole } from './realm-home.ts';

/** What `keystead realm plan` writes: the question. The answer is found anew by whoever reads it. */
export interface MigrationDocument {
  readonly kind: 'keystead-realm-migration';
  readonly version: 1;
  readonly from: ConfigurationDocument;
  readonly to: ConfigurationDocument;
  readonly isDevelopment: boolean;
}

/** What applications give to the SDK. */
export interface ClientsDocument {
  readonly configuration: ConfigurationDocument;
  readonly previousConfigurations: readonly ConfigurationDocument[];
}

export interface KeeperSettings {
  realms?: string[];
  /** By realm id. */
  operators?: Record<string, string>;
  tenant?: { name?: string; version?: string };
  [other: string]: unknown;
}

const patience = 5000;

/** Throws CommandError for a plan that no longer holds. */
export function readMigration(path: string): {
  readonly document: MigrationDocument;
  readonly plan: MigrationPlan;
} {
  const document = readJsonFile<MigrationDocument>(path, 'a plan that keystead realm plan has written');
  if (document.kind !== 'keystead-realm-migration' || document.version !== 1)
    throw new CommandError(`${path} is no plan of a migration`, 'write one with keystead realm plan --out');
  const plan = planMigration(document);
  const error = plan.findings.find(({ severity }) => severity === 'error');
  if (error !== undefined)
    throw new CommandError(`${error.rule}: ${error.detail}`, 'correct the configuration and plan again');
  return { document, plan };
}

export function readJsonFile<T>(path: string, what: string): T {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    throw new CommandError(`${path} cannot be read as JSON`, `name ${what}`);
  }
}

const keeperSettingsOf = (home: string) => join(home, 'settings.json');

export function readKeeperSettings(home: string): KeeperSettings {
  return readJsonFile(keeperSettingsOf(home), 'the home of a keeper: keystead backup serve makes it');
}

/** A running keeper takes them within seconds. */
export function writeKeeperRealms(
  home: string,
  realms: readonly string[],
  /** Those whose operators the keeper is told as well (spec/backup.md §9). */
  named: readonly RealmDocument[] = [],
): void {
  const before = readKeeperSettings(home);
  const known = named.flatMap(({ id, operator }) =>
    operator === undefined ? [] : [[id.replaceAll('-', '').toLowerCase(), operator] as const],
  );
  const operators = { ...before.operators, ...Object.fromEntries(known) };
  const told = Object.keys(operators).length === 0 ? {} : { operators };
  writeWhole(keeperSettingsOf(home), { ...before, realms: [...realms].sort(), ...told });
}

export type RealmProblem = 'start-realm' | 'admit-keeper';

/**
 * What is missing at a realm, if anything: whether it answers under its id and serves, and whether it knows the keeper's
 * key. A token that nobody signed tells: a realm says whether it knows no such key or the signature is wrong.
 */
export async function probeRealm(
  { id, address }: RealmDocument,
  { name = 'backup', version = '1' }: NonNullable<KeeperSettings['tenant']>,
): Promise<{ readonly problem: RealmProblem; readonly detail: string } | undefined> {
  const realmId = id.replaceAll('-', '').toLowerCase();
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, address), { ...init, redirect: 'error', signal: AbortSignal.timeout(patience) });
  try {
    const { realmID } = (await (await ask('')).json()) as { realmID?: unknown };
    if (realmID !== realmId)
      return { problem: 'start-realm', detail: `another realm answers at ${address}: ${String(realmID)}` };
    const ready = await ask('readyz');
    if (ready.status !== 200)
      return { problem: 'start-realm', detail: `realm ${realmId} does not serve: ${await ready.text()}` };
    const answer = await ask('req', {
      method: 'POST',
      headers: {
        'x-juicebox-version': '0.3.7',
        authorization: `Bearer ${unsignedToken(`${name}:${version}`)}`,
      },
      body: new Uint8Array(1),
    });
    await answer.arrayBuffer();
    if (answer.headers.get('x-keystead-refusal') !== 'token-signature')
      return { problem: 'admit-keeper', detail: `realm ${realmId} does not know the key ${name}:${version}` };
    return undefined;
  } catch {
    return { problem: 'start-realm', detail: `realm ${realmId} does not answer at ${address}` };
  }
}

function unsignedToken(kid: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'EdDSA', typ: 'JWT', kid })}.${part({})}.${Buffer.alloc(64).toString('base64url')}`;
}

export const idsOf = ({ realms }: ConfigurationDocument): readonly string[] =>
  realms.map(({ id }) => id.replaceAll('-', '').toLowerCase());

/** Registrations of a realm, of all its tenants; undefined when it does not answer. */
export async function registrationsOf({ id, address }: RealmDocument): Promise<number | undefined> {
  const read = async (path: string) => {
    const response = await fetch(new URL(path, address), { signal: AbortSignal.timeout(patience) });
    if (!response.ok) throw new TypeError(String(response.status));
    return await response.text();
  };
  try {
    const { realmID } = JSON.parse(await read('')) as { realmID: string };
    const figure = /^keystead_realm_enclave\{name="registrations"\} (\d+)$/m.exec(await read('metrics'))?.[1];
    return realmID === id.replaceAll('-', '').toLowerCase() && figure !== undefined
      ? Number(figure)
      : undefined;
  } catch {
    return undefined;
  }
}
