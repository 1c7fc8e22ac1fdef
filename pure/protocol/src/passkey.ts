import { base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { parseStrictJson } from '@keystead/crypto/strict-json';
import { algorithmSecp256r1 } from './authority.ts';
import { KmsError } from './errors.ts';
import {
  assertAcceptableKey,
  flagAttestedCredential,
  flagExtensions,
  isOwnPage,
  isUserVerified,
} from './stamp.ts';

/** What a WebAuthn registration says of the new credential (WebAuthn Level 3 §7.1, without attestation trust). */
export interface PasskeyRegistration {
  /** 65 bytes, uncompressed P-256: the only algorithm that is offered (COSE -7). */
  readonly publicKey: Uint8Array;
  readonly credentialId: Uint8Array;
  readonly rpIdHash: Uint8Array;
  readonly origin: string;
  /** base64url, as the client data states it. */
  readonly challenge: string;
}

/** Origins are ASCII serializations (RFC 6454 §6.2) or an app's signing key; the leaf holds at most 256 bytes. */
const originPattern = /^[\x21-\x7e]{1,256}$/;
const webOriginPattern = /^https?:\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)*)(?::[0-9]{1,5})?$/;

/**
 * Reads a registration. Attestation statements are not evaluated: the key is trusted because the stamped request
 * that carries it is. Throws KmsError `parameter-invalid` naming `field`, and `public-key-unacceptable`.
 */
export function readPasskeyRegistration(
  registration: {
    readonly credentialId: Uint8Array;
    readonly attestationObject: Uint8Array;
    readonly clientDataJSON: Uint8Array;
  },
  field: string,
): PasskeyRegistration {
  const refuse = (member: string, detail: string) =>
    new KmsError('parameter-invalid', {
      field: `${field}.${member}`,
      detail: `${field}.${member} ${detail}`,
    });
  let client: Record<string, unknown>;
  try {
    client = parseStrictJson(registration.clientDataJSON, { maxBytes: 4096, maxDepth: 4 }) as Record<
      string,
      unknown
    >;
  } catch {
    throw refuse('clientDataJSON', 'is not strict JSON');
  }
  if (typeof client !== 'object' || client === null || client.type !== 'webauthn.create')
    throw refuse('clientDataJSON', 'is not the client data of a registration');
  if (
    typeof client.challenge !== 'string' ||
    typeof client.origin !== 'string' ||
    !originPattern.test(client.origin)
  )
    throw refuse('clientDataJSON', 'has no challenge or origin');
  if (!isOwnPage(client)) throw refuse('clientDataJSON', 'comes from inside a page of another origin');

  let data: unknown;
  try {
    const attestation = decodeCbor(registration.attestationObject);
    if (
      attestation instanceof Map &&
      attestation.size === 3 &&
      typeof attestation.get('fmt') === 'string' &&
      attestation.get('attStmt') instanceof Map
    )
      data = attestation.get('authData');
  } catch {
    throw refuse('attestationObject', 'is not definite-length CBOR');
  }
  if (!(data instanceof Uint8Array) || data.length < 55)
    throw refuse('attestationObject', 'has no authenticator data');
  const flags = data[32];
  if (!isUserVerified(flags) || (flags & flagAttestedCredential) === 0)
    throw refuse('attestationObject', 'lacks user presence, user verification or the credential');
  const rpIdHash = data.slice(0, 32);
  if (!mayUse(client.origin, rpIdHash))
    throw refuse('attestationObject', 'is for a relying party that is not of the origin');
  const idLength = (data[53] << 8) | data[54];
  const credentialId = data.slice(55, 55 + idLength);
  if (!equalBytes(credentialId, registration.credentialId))
    throw refuse('credentialId', 'is not the one attested');
  let key: unknown;
  let rest: Uint8Array;
  try {
    [key, rest] = decodeCborPrefix(data.subarray(55 + idLength));
  } catch {
    throw refuse('attestationObject', 'holds a malformed key');
  }
  if ((flags & flagExtensions) === 0 ? rest.length !== 0 : !isCborMap(rest))
    throw refuse('attestationObject', 'has bytes behind the key that are no extensions');
  if (!(key instanceof Map) || key.get(1) !== 2 || key.get(3) !== -7 || key.get(-1) !== 1 || key.size !== 5)
    throw refuse('attestationObject', 'holds no P-256 key for ES256');
  const x = key.get(-2);
  const y = key.get(-3);
  if (!(x instanceof Uint8Array) || !(y instanceof Uint8Array) || x.length !== 32 || y.length !== 32)
    throw refuse('attestationObject', 'holds a malformed key');
  const publicKey = new Uint8Array(65);
  publicKey[0] = 4;
  publicKey.set(x, 1);
  publicKey.set(y, 33);
  assertAcceptableKey(algorithmSecp256r1, publicKey);
  return {
    publicKey,
    credentialId,
    rpIdHash,
    origin: client.origin,
    challenge: client.challenge,
  };
}

/**
 * Whether an origin's pages may speak for a relying party: its id is their host or a domain above it. Origins of other
 * schemes are apps and extensions, whose platform decides.
 */
function mayUse(origin: string, rpIdHash: Uint8Array): boolean {
  if (!/^https?:/.test(origin)) return true;
  const labels = webOriginPattern.exec(origin)?.[1].split('.') ?? [];
  return labels.some((_, index) => equalBytes(sha256(utf8Encode(labels.slice(index).join('.'))), rpIdHash));
}

/** base64url of the challenge that a registration in a stamped request carries. */
export function registrationChallenge(possession: Uint8Array): string {
  return base64urlEncode(possession);
}

type Cbor = number | string | Uint8Array | boolean | null | Cbor[] | Map<number | string, Cbor>;

/** Whether these bytes are one map, as extensions are. */
function isCborMap(bytes: Uint8Array): boolean {
  try {
    return decodeCbor(bytes) instanceof Map;
  } catch {
    return false;
  }
}

/** CTAP2 canonical CBOR, as far as registrations use it: definite lengths, shortest forms, distinct keys. */
function decodeCbor(bytes: Uint8Array): Cbor {
  const [value, rest] = decodeCborPrefix(bytes);
  if (rest.length !== 0) throw new RangeError('trailing bytes');
  return value;
}

function decodeCborPrefix(bytes: Uint8Array): [Cbor, Uint8Array] {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (length > bytes.length - at) throw new RangeError('truncated');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const read = (depth: number): Cbor => {
    if (depth > 8) throw new RangeError('too deep');
    const [head] = take(1);
    const major = head >> 5;
    const info = head & 31;
    let argument = info;
    if (info === 24) {
      argument = take(1)[0];
      if (argument < 24) throw new RangeError('not shortest');
    } else if (info === 25) {
      const [high, low] = take(2);
      argument = (high << 8) | low;
      if (argument < 256) throw new RangeError('not shortest');
    } else if (info > 25) throw new RangeError('not used in registrations');
    if (major === 0) return argument;
    if (major === 1) return -1 - argument;
    if (major === 2) return take(argument).slice();
    if (major === 3) return utf8Decode(take(argument));
    if (major === 4) return Array.from({ length: argument }, () => read(depth + 1));
    if (major === 5) {
      const map = new Map<number | string, Cbor>();
      for (let index = 0; index < argument; index += 1) {
        const key = read(depth + 1);
        if ((typeof key !== 'number' && typeof key !== 'string') || map.has(key)) throw new RangeError('key');
        map.set(key, read(depth + 1));
      }
      return map;
    }
    if (head === 0xf4) return false;
    if (head === 0xf5) return true;
    if (head === 0xf6) return null;
    throw new RangeError('not used in registrations');
  };
  const value = read(0);
  return [value, bytes.subarray(at)];
}
