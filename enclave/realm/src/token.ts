import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto';
import { base64urlDecode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { verify as verifyEd25519 } from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';
import type { SecretsRequest } from '@keystead/juicebox/messages';
import type { Tenant, TenantKey } from './tenants.ts';

/**
 * spec/realm.md §8: bearer tokens, JWS in compact form (RFC 7515, RFC 7519). They are judged here and not by a library:
 * whatever two readers could understand differently is refused.
 */

export type Scope = 'user' | 'audit';

/** The part of the scope `user` that a token is for. */
export type UserScope = 'user' | 'register' | 'recover' | 'status' | 'delete';

export interface Bearer {
  readonly tenant: Tenant;
  readonly user: string;
  readonly scope: UserScope | 'audit';
  /** When the token was issued, by its own word: `iat`, else `nbf`, else 0; seconds since 1970. */
  readonly issued: number;
  /** The device key that the token confirms (RFC 7800): whoever bears it has to stamp with that. */
  readonly confirmedKey?: Uint8Array;
}

export interface TokenCircumstances {
  readonly tenants: ReadonlyMap<string, Tenant>;
  readonly realmId: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const maximumTokenLength = 2048;
/** By how much clocks may differ. */
export const leewaySeconds = 5;
const kidPattern = /^([a-zA-Z0-9-]{1,64}):(0|[1-9][0-9]{0,19})$/;

const scopesOf: Readonly<Record<Scope, readonly Bearer['scope'][]>> = {
  user: ['user', 'register', 'recover', 'status', 'delete'],
  audit: ['audit'],
};

const requestsOf: Readonly<Record<Exclude<UserScope, 'user'>, readonly SecretsRequest['type'][]>> = {
  register: ['Register1', 'Register2'],
  recover: ['Recover1', 'Recover2', 'Recover3', 'Status', 'Challenge'],
  status: ['Status'],
  delete: ['Delete'],
};

/** Whether a token is for a request: one of scope `user` is for every one. */
export function permits({ scope }: Bearer, request: SecretsRequest['type']): boolean {
  return scope === 'user' || (scope !== 'audit' && requestsOf[scope].includes(request));
}

/** Who bears the token, or the code of why nobody does. */
export function judgeToken(
  token: string,
  scope: Scope,
  circumstances: TokenCircumstances,
): Bearer | { readonly refused: string } {
  const refused = (why: string) => ({ refused: `token-${why}` });
  if (token.length > maximumTokenLength) return refused('malformed');
  const parts = token.split('.');
  if (parts.length !== 3) return refused('malformed');
  let header: Members;
  let claims: Members;
  let signature: Uint8Array;
  try {
    header = object(base64urlDecode(parts[0]!));
    claims = object(base64urlDecode(parts[1]!));
    signature = base64urlDecode(parts[2]!);
  } catch (error) {
    if (error instanceof CryptoError) return refused('malformed');
    throw error;
  }
  const { alg, typ, kid, crit } = header;
  if (crit !== undefined || (typ !== undefined && typ !== 'JWT') || typeof kid !== 'string')
    return refused('malformed');
  const [, name, version] = kidPattern.exec(kid) ?? [];
  const tenant = name === undefined ? undefined : circumstances.tenants.get(name);
  const key = version === undefined ? undefined : tenant?.keys.get(version);
  if (tenant === undefined || key === undefined) return refused('key-unknown');
  if (alg !== key.algorithm) return refused('algorithm');
  if (!isSigned(key, utf8Encode(`${parts[0]}.${parts[1]}`), signature)) return refused('signature');

  const { iss, sub, aud, scope: stated } = claims;
  if (iss !== tenant.name) return refused('issuer');
  if (typeof sub !== 'string' || sub === '' || sub.length > 256) return refused('subject');
  const audience = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (audience !== hexEncode(circumstances.realmId)) return refused('audience');
  const found = scopesOf[scope].find((one) => one === (stated ?? 'user'));
  if (found === undefined) return refused('scope');
  const why = expiry(claims, circumstances.now / 1000, tenant.tokenSeconds);
  if (why !== undefined) return refused(why);
  const bearer = { tenant, user: sub, scope: found, issued: (claims.iat ?? claims.nbf ?? 0) as number };
  if (claims.cnf === undefined) return bearer;
  const confirmedKey = confirmedKeyOf(claims.cnf);
  return confirmedKey === undefined ? refused('confirmation') : { ...bearer, confirmedKey };
}

/** An Ed25519 key as RFC 7800 §3.2 and RFC 8037 §2 write it; undefined for anything else, also for more. */
function confirmedKeyOf(cnf: JsonValue): Uint8Array | undefined {
  const { jwk, ...others } = isMembers(cnf) ? cnf : {};
  const { kty, crv, x, ...more } = isMembers(jwk) ? jwk : {};
  if (Object.keys(others).length > 0 || Object.keys(more).length > 0) return undefined;
  if (kty !== 'OKP' || crv !== 'Ed25519' || typeof x !== 'string') return undefined;
  try {
    const key = base64urlDecode(x);
    return key.length === 32 ? key : undefined;
  } catch (error) {
    if (error instanceof CryptoError) return undefined;
    throw error;
  }
}

const isMembers = (value: JsonValue | undefined): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function expiry({ exp, nbf, iat }: Members, now: number, longestSeconds: number): string | undefined {
  const isTime = (value: JsonValue | undefined) =>
    value === undefined || (typeof value === 'number' && value >= 0);
  if (typeof exp !== 'number' || !isTime(nbf) || !isTime(iat)) return 'times';
  if (now > exp + leewaySeconds) return 'expired';
  if (typeof nbf === 'number' && now < nbf - leewaySeconds) return 'early';
  if (typeof iat === 'number' && now < iat - leewaySeconds) return 'early';
  const from = (nbf ?? iat ?? now) as number;
  return exp - from > longestSeconds + leewaySeconds ? 'lifetime' : undefined;
}

function isSigned({ algorithm, data }: TenantKey, message: Uint8Array, signature: Uint8Array): boolean {
  switch (algorithm) {
    case 'HS256':
      return equalBytes(hmacSha256(data, message), signature);
    case 'EdDSA': {
      const raw = ed25519Of(data);
      return raw !== undefined && verifyEd25519(raw, message, signature);
    }
    case 'RS256': {
      const key = rsaOf(data);
      return key !== undefined && verifySignature('RSA-SHA256', message, key, signature);
    }
  }
}

const ed25519Prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/** The key of a SubjectPublicKeyInfo (RFC 8410), of which there is one form. */
function ed25519Of(der: Uint8Array): Uint8Array | undefined {
  const isOne = der.length === 44 && ed25519Prefix.every((byte, index) => der[index] === byte);
  return isOne ? der.subarray(12) : undefined;
}

const rsaKeys = new WeakMap<Uint8Array, KeyObject | null>();

/** Undefined unless it is an RSA key of 2048 bits at least. */
function rsaOf(der: Uint8Array): KeyObject | undefined {
  let key = rsaKeys.get(der);
  if (key === undefined) {
    try {
      key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' });
    } catch {
      key = null;
    }
    const bits = key?.asymmetricKeyDetails?.modulusLength ?? 0;
    if (key?.asymmetricKeyType !== 'rsa' || bits < 2048) key = null;
    rsaKeys.set(der, key);
  }
  return key ?? undefined;
}

type Members = { readonly [name: string]: JsonValue };

function object(bytes: Uint8Array): Members {
  const value = parseStrictJson(bytes, { maxBytes: maximumTokenLength, maxDepth: 4 });
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new CryptoError('json-malformed', 'no object');
  return value;
}
