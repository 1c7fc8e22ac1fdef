import { createHmac } from 'node:crypto';
import type { DevelopmentTenant } from '@keystead/stack/realm-tenant';

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

export interface TokenOptions {
  readonly user: string;
  readonly realmId: string;
  readonly scope?: string;
  /** Changes to header and claims. */
  readonly header?: Record<string, unknown>;
  readonly claims?: Record<string, unknown>;
}

/** A token as a tenant's server makes it. */
export function tenantToken(
  { name, version, secret }: DevelopmentTenant,
  { user, realmId, scope = 'user', header = {}, claims = {} }: TokenOptions,
): string {
  const now = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: 'HS256', kid: `${name}:${version}`, typ: 'JWT', ...header })}.${part({
    iss: name,
    sub: user,
    aud: realmId,
    iat: now,
    nbf: now,
    exp: now + 600,
    scope,
    ...claims,
  })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
