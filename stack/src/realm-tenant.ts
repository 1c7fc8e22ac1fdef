import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The tenant with which applications try realms out: whoever has its secret can make every token of it. */
export interface DevelopmentTenant {
  readonly name: string;
  readonly version: number;
  /** The secret of HS256, as text. */
  readonly secret: string;
}

const tenantFileOf = (home: string) => join(home, 'development/realm-tenant.json');

/** Found in the home, or made there. One secret for all realms of a home: never so in production. */
export function developmentTenant(home: string): DevelopmentTenant {
  const path = tenantFileOf(home);
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const tenant = { name: 'development', version: 1, secret: randomBytes(32).toString('hex') };
    writeWhole(path, `${JSON.stringify(tenant)}\n`);
  }
  return JSON.parse(readFileSync(path, 'utf8')) as DevelopmentTenant;
}

/** What a realm is told of a keeper of backups: the key of its tokens, which live for a minute. */
export interface BackupTenant {
  /** Ed25519, 32 bytes. */
  readonly tokenKey: Uint8Array;
}

/** SubjectPublicKeyInfo of an Ed25519 key (RFC 8410), without the key. */
const ed25519Prefix = '302a300506032b6570032100';

/** The tenant of a keeper of backups, as a realm's settings name it (spec/realm.md §8). */
export function backupTenant({ tokenKey }: BackupTenant) {
  const data = `${ed25519Prefix}${Buffer.from(tokenKey).toString('hex')}`;
  return { keys: { 1: { data, encoding: 'Hex', algorithm: 'Edwards25519' } }, tokenSeconds: 60 };
}

/** What a realm is told of the development tenant: wide bounds, no ladder, no rate that a test would meet. */
export function developmentSettings({ name, version, secret }: DevelopmentTenant): string {
  const tenant = {
    keys: { [version]: secret },
    guesses: { minimum: 1, maximum: 100 },
    rate: { tenant: 1_000_000, user: 1_000_000 },
  };
  return `${JSON.stringify({ tenants: { [name]: tenant } }, undefined, 2)}\n`;
}

/** Puts a private file in its place whole or not at all. */
export function writeWhole(path: string, content: string): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, content, { mode: 0o600, flush: true });
  renameSync(temporary, path);
}
