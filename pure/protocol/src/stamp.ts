import { base64Decode, base64Encode } from '@keystead/crypto/base64';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { bytes, fixed, type Static, struct } from '@keystead/crypto/pack';
import * as p256 from '@keystead/crypto/p256';
import { sha256 } from '@keystead/crypto/sha256';
import { Recent } from '@keystead/crypto/recent';
import { parseStrictJson } from '@keystead/crypto/strict-json';
import {
  algorithmEd25519,
  algorithmSecp256r1,
  type AuthenticatorLeaf,
  credentialPasskey,
  keyHashOf,
  stampKindNative,
  stampKindPki,
} from './authority.ts';
import { domainHash } from './domain.ts';
import { KmsError } from './errors.ts';
import { type RawRequest, surfaceNative } from './frames.ts';
import { parseUuid } from './ids.ts';

/** spec/stamp.md. One rule set for every zone: the gateway does not judge stamps, the enclaves and the SDK use this. */

export const stampLifetimeSeconds = 60;
export const stampSkewSeconds = 60;
export const compatibilityWindowMilliseconds = 300_000;
/** Between two moments at which one stamp is fresh lies no more than this: past it a request cannot come again. */
export const decisionWindowMilliseconds = Math.max(
  2 * compatibilityWindowMilliseconds,
  1000 * (stampSkewSeconds + stampLifetimeSeconds),
);

/** The newest position and hash of the organization's chain that the client knows. */
export interface Seen {
  readonly organization: Uint8Array;
  readonly position: number;
  readonly hash: Uint8Array;
}

export interface NativeStamp {
  readonly kind: 'native';
  readonly algorithm: number;
  readonly webauthn: boolean;
  readonly publicKey: Uint8Array;
  readonly keyHash: Uint8Array;
  /** SHA-256 of the request's body. */
  readonly bodyDigest: Uint8Array;
  /** 64 bytes, or the encoded PasskeyAssertion when `webauthn`. */
  readonly signature: Uint8Array;
  readonly base: Uint8Array;
  /** Unix seconds. */
  readonly created: number;
  readonly expires: number;
  readonly deployment: Uint8Array;
  /** Web origin, or `none`. */
  readonly origin: string;
  readonly seen: Seen | null;
}

export interface PkiStamp {
  readonly kind: 'pki';
  readonly algorithm: number;
  readonly webauthn: false;
  readonly publicKey: Uint8Array;
  readonly keyHash: Uint8Array;
  readonly bodyDigest: Uint8Array;
  readonly signature: Uint8Array;
}

export type Stamp = NativeStamp | PkiStamp;

/** A WebAuthn assertion as it travels in the Signature header; the signature is r||s, converted from DER by the SDK. */
export const PasskeyAssertion = struct({
  authenticatorData: bytes(2048),
  clientDataJson: bytes(4096),
  signature: fixed(64),
});
export type PasskeyAssertion = Static<typeof PasskeyAssertion>;

const nativeAlgorithms: Readonly<Record<string, NativeAlgorithm>> = {
  ed25519: { algorithm: algorithmEd25519, webauthn: false, keyBytes: 32 },
  'ecdsa-p256-sha256': { algorithm: algorithmSecp256r1, webauthn: false, keyBytes: 65 },
  'webauthn-p256': { algorithm: algorithmSecp256r1, webauthn: true, keyBytes: 65 },
};

const components =
  '("@method" "@path" "content-digest" "keystead-deployment" "keystead-origin" "keystead-seen")';
const inputPattern =
  /^keystead=(\("@method" "@path" "content-digest" "keystead-deployment" "keystead-origin" "keystead-seen"\);created=([1-9][0-9]{0,11});expires=([1-9][0-9]{0,11});nonce="([A-Za-z0-9_-]{16,64})";alg="([a-z0-9-]{1,32})";keyid="([A-Za-z0-9_-]{43,87})";tag="keystead")$/;
const signaturePattern = /^keystead=:([A-Za-z0-9+/]+={0,2}):$/;
const seenPattern = /^([0-9a-f-]{36});(0|[1-9][0-9]{0,15});([A-Za-z0-9_-]{43})$/;
const originPattern = /^(none|https?:\/\/[a-z0-9.:[\]-]{1,250})$/;

/** `Content-Digest` of RFC 9530 over the body. */
export function contentDigest(body: Uint8Array): string {
  return contentDigestOf(sha256(body));
}

const contentDigestOf = (bodyDigest: Uint8Array): string => `sha-256=:${base64Encode(bodyDigest)}:`;

export interface SignatureBaseInput {
  readonly path: string;
  readonly body: Uint8Array;
  readonly deployment: string;
  readonly origin: string;
  readonly seen: string;
  /** The covered components and parameters, as they stand in Signature-Input after `keystead=`. */
  readonly parameters: string;
}

/** The RFC 9421 §2.5 signature base of the profile. */
export function signatureBase(input: SignatureBaseInput): Uint8Array {
  return signatureBaseOf({ ...input, contentDigest: contentDigest(input.body) });
}

function signatureBaseOf(
  input: Omit<SignatureBaseInput, 'body'> & { readonly contentDigest: string },
): Uint8Array {
  return utf8Encode(
    `"@method": POST\n"@path": ${input.path}\n"content-digest": ${input.contentDigest}\n"keystead-deployment": ${input.deployment}\n"keystead-origin": ${input.origin}\n"keystead-seen": ${input.seen}\n"@signature-params": ${input.parameters}`,
  );
}

/** The parameters of Signature-Input for a stamp that is about to be made. */
export function signatureParameters(options: {
  readonly created: number;
  readonly expires: number;
  readonly nonce: string;
  readonly algorithm: 'ed25519' | 'ecdsa-p256-sha256' | 'webauthn-p256';
  readonly publicKey: Uint8Array;
}): string {
  return `${components};created=${options.created};expires=${options.expires};nonce="${options.nonce}";alg="${options.algorithm}";keyid="${base64urlEncode(options.publicKey)}";tag="keystead"`;
}

/** `Keystead-Seen` of a client that knows nothing of the organization yet. */
export const seenNone = 'none';

export function formatSeen(seen: { organizationId: string; position: number; hash: Uint8Array }): string {
  return `${seen.organizationId};${seen.position};${base64urlEncode(seen.hash)}`;
}

/** What stamped this request. Throws KmsError stamp-missing, stamp-malformed, public-key-unacceptable. */
export function parseStamp(request: RawRequest): Stamp {
  return request.surface === surfaceNative ? parseNativeStamp(request) : parsePkiStamp(request);
}

function parseNativeStamp(request: RawRequest): NativeStamp {
  if (request.phantomStamp !== undefined)
    throw malformed('X-Phantom-Stamp', 'the native surface takes HTTP Message Signatures only');
  if (request.signatureInput === undefined || request.signature === undefined)
    throw new KmsError('stamp-missing', {
      field: request.signatureInput === undefined ? 'Signature-Input' : 'Signature',
    });
  const input = inputPattern.exec(request.signatureInput);
  if (input === null)
    throw malformed('Signature-Input', 'it does not follow the profile of spec/stamp.md §3');
  const [, parameters, created, expires, , algorithmName, keyId] = input;
  const algorithm = Object.hasOwn(nativeAlgorithms, algorithmName)
    ? nativeAlgorithms[algorithmName]
    : undefined;
  if (algorithm === undefined) throw malformed('Signature-Input', 'alg is not one of the profile');
  const { publicKey, keyHash } = nativeKey(algorithm, keyId);

  const signatureMatch = signaturePattern.exec(request.signature);
  if (signatureMatch === null) throw malformed('Signature', 'it is not one byte sequence labelled keystead');
  const signature = strictBase64(signatureMatch[1], 'Signature');
  if (!algorithm.webauthn && signature.length !== 64) throw malformed('Signature', 'it has not 64 bytes');

  const bodyDigest = sha256(request.body);
  if (request.contentDigest !== contentDigestOf(bodyDigest))
    throw new KmsError('stamp-invalid', {
      field: 'Content-Digest',
      detail: 'it is not the digest of the body',
    });
  if (request.deployment === undefined) throw malformed('Keystead-Deployment', 'it is missing');
  const deployment = deploymentNamed(request.deployment);
  const origin = request.origin ?? '';
  if (!originPattern.test(origin)) throw malformed('Keystead-Origin', 'it is neither an origin nor none');
  const seenText = request.seen ?? '';
  return {
    kind: 'native',
    algorithm: algorithm.algorithm,
    webauthn: algorithm.webauthn,
    publicKey,
    keyHash,
    bodyDigest,
    signature,
    base: signatureBaseOf({
      path: request.path,
      contentDigest: request.contentDigest,
      deployment: request.deployment,
      origin,
      seen: seenText,
      parameters,
    }),
    created: Number(created),
    expires: Number(expires),
    deployment,
    origin,
    seen: parseSeen(seenText),
  };
}

interface NativeAlgorithm {
  readonly algorithm: number;
  readonly webauthn: boolean;
  readonly keyBytes: number;
}

interface NativeKey {
  readonly publicKey: Uint8Array;
  readonly keyHash: Uint8Array;
}

// The same keys stamp again and again; only acceptable ones are kept.
const nativeKeys = new Recent<NativeKey>(4096);

function nativeKey(algorithm: NativeAlgorithm, keyId: string): NativeKey {
  const name = `${algorithm.algorithm} ${keyId}`;
  const known = nativeKeys.get(name);
  if (known !== undefined) return known;
  const publicKey = strictBase64url(keyId, 'Signature-Input');
  if (publicKey.length !== algorithm.keyBytes) throw malformed('Signature-Input', 'keyid does not fit alg');
  assertAcceptableKey(algorithm.algorithm, publicKey);
  const key = { publicKey, keyHash: keyHashOf(algorithm.algorithm, publicKey) };
  nativeKeys.set(name, key);
  return key;
}

// Requests name the deployment that they are sent to.
let newestDeployment: { readonly text: string; readonly id: Uint8Array } | undefined;

function deploymentNamed(text: string): Uint8Array {
  if (newestDeployment?.text === text) return newestDeployment.id;
  const id = strictBase64url(text, 'Keystead-Deployment');
  if (id.length !== 32) throw malformed('Keystead-Deployment', 'it has not 32 bytes');
  newestDeployment = { text, id };
  return id;
}

function parseSeen(value: string): Seen | null {
  if (value === seenNone) return null;
  const match = seenPattern.exec(value);
  const organization = match === null ? undefined : parseUuid(match[1]);
  if (match === null || organization === undefined)
    throw malformed('Keystead-Seen', 'it is neither a position nor none');
  const position = Number(match[2]);
  const hash = strictBase64url(match[3], 'Keystead-Seen');
  if (!Number.isSafeInteger(position) || hash.length !== 32)
    throw malformed('Keystead-Seen', 'its figures are out of range');
  return { organization, position, hash };
}

function parsePkiStamp(request: RawRequest): PkiStamp {
  if (request.phantomStamp === undefined) throw new KmsError('stamp-missing', { field: 'X-Phantom-Stamp' });
  if (request.signatureInput !== undefined || request.signature !== undefined)
    throw malformed('Signature-Input', 'the compatibility surface takes X-Phantom-Stamp only');
  let stamp: unknown;
  try {
    stamp = parseStrictJson(strictBase64url(request.phantomStamp, 'X-Phantom-Stamp'), {
      maxBytes: 12288,
      maxDepth: 2,
    });
  } catch (cause) {
    if (cause instanceof KmsError) throw cause;
    throw malformed('X-Phantom-Stamp', 'it is not base64url of a JSON object');
  }
  if (typeof stamp !== 'object' || stamp === null || Array.isArray(stamp))
    throw malformed('X-Phantom-Stamp', 'it is not base64url of a JSON object');
  const fields = stamp as Record<string, unknown>;
  if (fields.kind === 'OIDC')
    throw new KmsError('not-supported', {
      field: 'X-Phantom-Stamp',
      detail: 'stamps of kind OIDC come with Connect',
    });
  for (const name of Object.keys(fields))
    if (!['publicKey', 'signature', 'kind', 'algorithm'].includes(name))
      throw malformed('X-Phantom-Stamp', 'it has an unknown field');
  if (fields.kind !== 'PKI') throw malformed('X-Phantom-Stamp', 'kind is not PKI');
  const named = fields.algorithm === undefined ? 'ed25519' : fields.algorithm;
  const name = typeof named === 'string' ? named.toLowerCase() : '';
  const algorithm = name === 'ed25519' ? algorithmEd25519 : name === 'secp256r1' ? algorithmSecp256r1 : 0;
  if (algorithm === 0) throw malformed('X-Phantom-Stamp', 'algorithm is neither Ed25519 nor Secp256r1');
  if (typeof fields.publicKey !== 'string' || typeof fields.signature !== 'string')
    throw malformed('X-Phantom-Stamp', 'publicKey and signature are base64url text');
  const publicKey = strictBase64url(fields.publicKey, 'X-Phantom-Stamp');
  if (publicKey.length !== (algorithm === algorithmEd25519 ? 32 : 65))
    throw malformed('X-Phantom-Stamp', 'publicKey does not fit the algorithm');
  assertAcceptableKey(algorithm, publicKey);
  const signature = strictBase64url(fields.signature, 'X-Phantom-Stamp');
  if (signature.length !== 64) throw malformed('X-Phantom-Stamp', 'signature has not 64 bytes');
  return {
    kind: 'pki',
    algorithm,
    webauthn: false,
    publicKey,
    keyHash: keyHashOf(algorithm, publicKey),
    bodyDigest: sha256(request.body),
    signature,
  };
}

/** Refuses keys that are not canonical, not on their curve or of low order (spec/stamp.md §4). */
export function assertAcceptableKey(algorithm: number, publicKey: Uint8Array): void {
  const acceptable =
    algorithm === algorithmEd25519
      ? ed25519.isAcceptablePublicKey(publicKey)
      : algorithm === algorithmSecp256r1 && p256.isAcceptablePublicKey(publicKey);
  if (!acceptable) throw new KmsError('public-key-unacceptable', {});
}

/** Identity of the request: what makes a second sending the same request (spec/stamp.md §5). */
export function requestIdentity(stamp: Stamp, body: Uint8Array): Uint8Array {
  return stamp.kind === 'native'
    ? domainHash('keystead/identity/native/v1', stamp.base)
    : domainHash('keystead/identity/compatibility/v1', stamp.keyHash, body);
}

/** Throws KmsError stamp-expired when the stamp is outside its window at `now` (milliseconds). */
export function assertFresh(stamp: Stamp, timestampMs: number | null, now: number): void {
  if (stamp.kind === 'native') {
    if (stamp.expires < stamp.created || stamp.expires - stamp.created > stampLifetimeSeconds)
      throw new KmsError('stamp-expired', {
        field: 'expires',
        detail: 'expires is at most 60 s after created',
      });
    const seconds = now / 1000;
    if (stamp.created > seconds + stampSkewSeconds)
      throw new KmsError('stamp-expired', { field: 'created', detail: 'created lies in the future' });
    if (seconds > stamp.expires)
      throw new KmsError('stamp-expired', { field: 'expires', detail: 'the stamp has expired' });
    return;
  }
  if (timestampMs !== null && Math.abs(now - timestampMs) > compatibilityWindowMilliseconds)
    throw new KmsError('stamp-expired', {
      field: 'timestampMs',
      detail: 'it is more than 5 minutes from now',
    });
}

/** When a stamp was made by its own word, milliseconds since 1970. A request without a time was never made. */
export function stampedAt(stamp: Stamp, timestampMs: number | null): number {
  return stamp.kind === 'native' ? stamp.created * 1000 : (timestampMs ?? 0);
}

/** True when the stamp's signature verifies over the request, by the stamp's own key alone. Passkeys need their leaf. */
export function verifySelfStamp(stamp: Stamp, body: Uint8Array): boolean {
  if (stamp.webauthn) return false;
  const message = stamp.kind === 'native' ? stamp.base : body;
  return stamp.algorithm === algorithmEd25519
    ? ed25519.verify(stamp.publicKey, message, stamp.signature)
    : p256.verify(stamp.publicKey, message, stamp.signature);
}

/**
 * Verifies the stamp by the rules of the authenticator's leaf. Throws KmsError stamp-kind-not-allowed,
 * authenticator-unknown (another key), stamp-invalid. Expiry is the caller's check: it needs the time. `selfVerified` is what
 * `verifySelfStamp` gave for this stamp and body, where that is known.
 */
export function verifyStamp(
  stamp: Stamp,
  body: Uint8Array,
  leaf: AuthenticatorLeaf,
  selfVerified?: boolean,
): void {
  if (stamp.algorithm !== leaf.algorithm || !equalBytes(stamp.publicKey, leaf.publicKey))
    throw new KmsError('authenticator-unknown', {});
  const kind = stamp.kind === 'native' ? stampKindNative : stampKindPki;
  if ((leaf.stampKinds & kind) === 0) throw new KmsError('stamp-kind-not-allowed', {});
  const isPasskey = leaf.credential === credentialPasskey;
  if (isPasskey !== stamp.webauthn) throw new KmsError('stamp-kind-not-allowed', {});
  const valid =
    stamp.kind === 'native' && stamp.webauthn
      ? leaf.passkey !== undefined &&
        verifyPasskeyAssertion(stamp.signature, sha256(stamp.base), stamp.publicKey, leaf.passkey)
      : (selfVerified ?? verifySelfStamp(stamp, body));
  if (!valid) throw new KmsError('stamp-invalid', {});
}

/** Flags of authenticator data (WebAuthn Level 3 §6.1). */
const flagUserPresent = 0x01;
const flagUserVerified = 0x04;
const flagBackupEligible = 0x08;
const flagBackupState = 0x10;
export const flagAttestedCredential = 0x40;
export const flagExtensions = 0x80;

/** True when a person was present and recognized, and no state of backup is claimed that cannot be. */
export function isUserVerified(flags: number): boolean {
  const wanted = flagUserPresent | flagUserVerified;
  const impossible = (flags & (flagBackupEligible | flagBackupState)) === flagBackupState;
  return (flags & wanted) === wanted && !impossible;
}

/** True unless client data says that the page stood in another origin's page. */
export function isOwnPage(client: Readonly<Record<string, unknown>>): boolean {
  return (client.crossOrigin === undefined || client.crossOrigin === false) && client.topOrigin === undefined;
}

/** WebAuthn Level 3 §7.2, the steps that apply when the challenge is the hash of what is stamped. */
export function verifyPasskeyAssertion(
  encoded: Uint8Array,
  challenge: Uint8Array,
  publicKey: Uint8Array,
  passkey: { readonly rpIdHash: Uint8Array; readonly origin: string },
): boolean {
  let assertion: PasskeyAssertion;
  let client: Record<string, unknown>;
  try {
    assertion = PasskeyAssertion.decode(encoded);
    client = parseStrictJson(assertion.clientDataJson, { maxBytes: 4096, maxDepth: 4 }) as Record<
      string,
      unknown
    >;
  } catch {
    return false;
  }
  if (typeof client !== 'object' || client === null || Array.isArray(client)) return false;
  if (client.type !== 'webauthn.get' || client.challenge !== base64urlEncode(challenge)) return false;
  if (client.origin !== passkey.origin || !isOwnPage(client)) return false;
  const data = assertion.authenticatorData;
  if (data.length < 37 || !equalBytes(data.subarray(0, 32), passkey.rpIdHash)) return false;
  const flags = data[32];
  // A credential stands in registrations only, and extensions exactly where their flag says so.
  if (!isUserVerified(flags) || (flags & flagAttestedCredential) !== 0) return false;
  if (((flags & flagExtensions) !== 0) !== data.length > 37) return false;
  const signed = new Uint8Array(data.length + 32);
  signed.set(data);
  signed.set(sha256(assertion.clientDataJson), data.length);
  return p256.verify(publicKey, signed, assertion.signature);
}

/** The message that a new key signs to prove that its owner asks for the registration (spec/stamp.md §6). */
export function possessionMessage(options: {
  readonly deployment: Uint8Array;
  /** 16 bytes; zeros while the organization is being founded. */
  readonly organization: Uint8Array;
  readonly username: string;
  readonly algorithm: number;
  readonly publicKey: Uint8Array;
}): Uint8Array {
  return domainHash(
    'keystead/possession/v1',
    options.deployment,
    options.organization,
    keyHashOf(options.algorithm, options.publicKey),
    utf8Encode(options.username),
  );
}

function malformed(field: string, detail: string): KmsError {
  return new KmsError('stamp-malformed', { field, detail });
}

function strictBase64url(value: string, field: string): Uint8Array {
  try {
    return base64urlDecode(value);
  } catch {
    throw malformed(field, 'it is not canonical base64url');
  }
}

function strictBase64(value: string, field: string): Uint8Array {
  try {
    return base64Decode(value);
  } catch {
    throw malformed(field, 'it is not canonical base64');
  }
}
