import { base64Encode } from '@keystead/crypto/base64';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { type RawRequest, surfaceNative, routeRpc } from '@keystead/protocol/frames';
import {
  contentDigest,
  formatSeen,
  parseStamp,
  requestIdentity,
  seenNone,
  signatureBase,
  signatureParameters,
  stampLifetimeSeconds,
} from '@keystead/protocol/stamp';
import type { Remembered } from './memory.ts';
import type { Stamper } from './stampers/stamper.ts';

export const rpcPath = '/v1/rpc';

export interface StampedRequest {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** As the enclaves read it. */
  readonly raw: RawRequest;
  /** 32 bytes (spec/stamp.md §5). */
  readonly identity: Uint8Array;
  /** Milliseconds; identical bytes may be sent until then. */
  readonly expires: number;
}

/**
 * Stamps a body for POST /v1/rpc (spec/stamp.md §3). `now` is in milliseconds, `nonce` base64url of at least 12
 * random bytes, `deployment` the base64url deployment id, `origin` a web origin or `none`. Throws KmsError when the
 * stamper's key or signature is not one that an enclave would read.
 */
export async function stampRequest(options: {
  readonly stamper: Stamper;
  readonly body: Uint8Array;
  readonly deployment: string;
  readonly origin: string;
  readonly organizationId: string | null;
  readonly seen: Remembered | undefined;
  readonly now: number;
  readonly nonce: string;
}): Promise<StampedRequest> {
  const { stamper, body, deployment, origin, organizationId, seen } = options;
  const created = Math.floor(options.now / 1000);
  const expires = created + stampLifetimeSeconds;
  const parameters = signatureParameters({
    created,
    expires,
    nonce: options.nonce,
    algorithm: stamper.algorithm,
    publicKey: stamper.publicKey,
  });
  const seenText =
    seen === undefined || organizationId === null
      ? seenNone
      : formatSeen({ organizationId, position: seen.position, hash: seen.hash });
  const base = signatureBase({ path: rpcPath, body, deployment, origin, seen: seenText, parameters });
  const signature = `keystead=:${base64Encode(await stamper.sign(base))}:`;
  const signatureInput = `keystead=${parameters}`;
  const digest = contentDigest(body);
  // The enclaves' own reading gives the identity, and refuses here what it would refuse there.
  const raw: RawRequest = {
    surface: surfaceNative,
    route: routeRpc,
    path: rpcPath,
    signatureInput,
    signature,
    contentDigest: digest,
    deployment,
    origin,
    seen: seenText,
    phantomStamp: undefined,
    body,
  };
  const stamp = parseStamp(raw);
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'content-digest': digest,
      'signature-input': signatureInput,
      signature,
      'keystead-deployment': deployment,
      'keystead-origin': origin,
      'keystead-seen': seenText,
    },
    raw,
    identity: requestIdentity(stamp, body),
    expires: expires * 1000,
  };
}

/** A fresh nonce: 16 random bytes as base64url. */
export function freshNonce(): string {
  return base64urlEncode(globalThis.crypto.getRandomValues(new Uint8Array(16)));
}
