/**
 * A client of both surfaces that shares no code with the product: stamps are made here from phantom-style PKI JSON
 * and from RFC 9421 with node:crypto alone, so that a common mistake of product and test cannot hide.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export type KeyAlgorithm = 'Ed25519' | 'Secp256r1';

/** An authenticator key pair that can stamp. */
export interface StampKey {
  readonly algorithm: KeyAlgorithm;
  /** Ed25519: 32 bytes. Secp256r1: 65 bytes, uncompressed. */
  readonly publicKeyBytes: Uint8Array;
  /** base64url. */
  readonly publicKey: string;
  /** 64 bytes; ECDSA as r||s. */
  sign(message: Uint8Array): Uint8Array;
}

export function newStampKey(algorithm: KeyAlgorithm = 'Ed25519'): StampKey {
  const pair =
    algorithm === 'Ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const jwk = pair.publicKey.export({ format: 'jwk' });
  const coordinate = (text: string | undefined) => Buffer.from(text ?? '', 'base64url');
  const publicKeyBytes =
    algorithm === 'Ed25519'
      ? coordinate(jwk.x)
      : Buffer.concat([Uint8Array.of(4), coordinate(jwk.x), coordinate(jwk.y)]);
  const privateKey: KeyObject = pair.privateKey;
  return {
    algorithm,
    publicKeyBytes,
    publicKey: publicKeyBytes.toString('base64url'),
    sign: (message) =>
      algorithm === 'Ed25519'
        ? sign(null, message, privateKey)
        : sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
  };
}

export type Headers = Readonly<Record<string, string | string[]>>;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body; undefined when it is not JSON. */
  readonly body: Record<string, unknown> | undefined;
}

let agent = new Agent({ keepAlive: true, maxSockets: 32 });

/** How many connections `post` uses from now on. */
export function connectOver(connections: number): void {
  agent = new Agent({ keepAlive: true, maxSockets: connections });
}

/** One POST over a kept connection. Rejects when the connection breaks. */
export function post(url: string, body: Uint8Array, headers: Headers): Promise<Answer> {
  return new Promise((done, fail) => {
    const sent = request(
      url,
      { method: 'POST', agent, headers: { 'content-type': 'application/json', ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', fail);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          let parsed: Record<string, unknown> | undefined;
          try {
            parsed = JSON.parse(text) as Record<string, unknown>;
          } catch {
            parsed = undefined;
          }
          done({ status: response.statusCode ?? 0, headers: response.headers, text, body: parsed });
        });
      },
    );
    sent.on('error', fail);
    sent.end(body);
  });
}

/** Ends the kept connections of `post`. */
export function closeConnections(): void {
  agent.destroy();
}

export const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');

/** `X-Phantom-Stamp` of kind PKI over the bytes of a body. */
export function pkiStamp(key: StampKey, body: Uint8Array, changed: Record<string, unknown> = {}): string {
  const stamp = {
    publicKey: key.publicKey,
    signature: Buffer.from(key.sign(body)).toString('base64url'),
    kind: 'PKI',
    algorithm: key.algorithm,
    ...changed,
  };
  return Buffer.from(JSON.stringify(stamp)).toString('base64url');
}

export interface NativeStampOptions {
  readonly path: string;
  readonly body: Uint8Array;
  /** base64url. */
  readonly deploymentId: string;
  /** Seconds since 1970. */
  readonly created?: number;
  readonly expires?: number;
  readonly nonce?: string;
  readonly origin?: string;
  readonly seen?: string;
}

const COVERED =
  '("@method" "@path" "content-digest" "keystead-deployment" "keystead-origin" "keystead-seen")';

/** The headers of an RFC 9421 stamp in the profile of spec/stamp.md. */
export function nativeStamp(key: StampKey, options: NativeStampOptions): Record<string, string> {
  const created = options.created ?? Math.floor(Date.now() / 1000);
  const expires = options.expires ?? created + 60;
  const nonce = options.nonce ?? randomBytes(16).toString('base64url');
  const digest = `sha-256=:${createHash('sha256').update(options.body).digest('base64')}:`;
  const origin = options.origin ?? 'none';
  const seen = options.seen ?? 'none';
  const algorithm = key.algorithm === 'Ed25519' ? 'ed25519' : 'ecdsa-p256-sha256';
  const parameters =
    `${COVERED};created=${created};expires=${expires};nonce="${nonce}"` +
    `;alg="${algorithm}";keyid="${key.publicKey}";tag="keystead"`;
  const base = [
    '"@method": POST',
    `"@path": ${options.path}`,
    `"content-digest": ${digest}`,
    `"keystead-deployment": ${options.deploymentId}`,
    `"keystead-origin": ${origin}`,
    `"keystead-seen": ${seen}`,
    `"@signature-params": ${parameters}`,
  ].join('\n');
  return {
    'content-digest': digest,
    'keystead-deployment': options.deploymentId,
    'keystead-origin': origin,
    'keystead-seen': seen,
    'signature-input': `keystead=${parameters}`,
    signature: `keystead=:${Buffer.from(key.sign(utf8(base))).toString('base64')}:`,
  };
}

/** What a new key signs to prove that its owner asks for the registration; base64url (spec/stamp.md §6). */
export function possessionProof(
  key: StampKey,
  deploymentId: string,
  organizationId: string,
  username: string,
): string {
  const hash = (domain: string, ...parts: Uint8Array[]) => {
    const digest = createHash('sha256').update(`${domain}\0`);
    for (const part of parts) digest.update(part);
    return digest.digest();
  };
  const algorithm = Uint8Array.of(key.algorithm === 'Ed25519' ? 1 : 2);
  const message = hash(
    'keystead/possession/v1',
    Buffer.from(deploymentId, 'base64url'),
    Buffer.from(organizationId.replaceAll('-', ''), 'hex'),
    hash('keystead/authenticator-key/v1', algorithm, key.publicKeyBytes),
    utf8(username),
  );
  return Buffer.from(key.sign(message)).toString('base64url');
}

/** An error answer, whole. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly body: Readonly<Record<string, unknown>>;
  constructor(answer: Answer) {
    super(`${answer.status} ${answer.text.slice(0, 600)}`);
    this.name = 'Refused';
    this.status = answer.status;
    this.body = answer.body ?? {};
    this.code = String(this.body.code);
  }
}

export type Params = Readonly<Record<string, unknown>> | null;

/** Calls with one key. `rpc` methods resolve with the answer, the others with `result` or throw Refused. */
export class RawClient {
  readonly api: string;
  readonly deploymentId: string;
  readonly key: StampKey;

  constructor(api: string, deploymentId: string, key: StampKey = newStampKey()) {
    this.api = api;
    this.deploymentId = deploymentId;
    this.key = key;
  }

  /** The same deployment with another key. */
  with(key: StampKey): RawClient {
    return new RawClient(this.api, this.deploymentId, key);
  }

  /** The body of a call on the compatibility surface. */
  body(method: string, params: Params, timestampMs = Date.now()): Uint8Array {
    return utf8(JSON.stringify({ method, params, timestampMs }));
  }

  /** Stamps these bytes and sends them to a route of the compatibility surface. */
  send(body: Uint8Array, route = 'kms/rpc'): Promise<Answer> {
    return post(`${this.api}/v1/wallets/${route}`, body, { 'x-phantom-stamp': pkiStamp(this.key, body) });
  }

  rpc(method: string, params: Params, timestampMs?: number): Promise<Answer> {
    return this.send(this.body(method, params, timestampMs));
  }

  async call<T = Record<string, unknown>>(method: string, params: Params): Promise<T> {
    return resultOf<T>(await this.rpc(method, params));
  }

  /** One call on the native surface. */
  nativeRpc(
    method: string,
    params: Params,
    stamp: Partial<NativeStampOptions> = {},
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<Answer> {
    const body = utf8(JSON.stringify({ method, params, ...more }));
    const { deploymentId } = this;
    const headers = nativeStamp(this.key, { path: '/v1/rpc', body, deploymentId, ...stamp });
    return post(`${this.api}/v1/rpc`, body, headers);
  }

  /** `more`: members of the body beside method and params. */
  async native<T = Record<string, unknown>>(
    method: string,
    params: Params,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<T> {
    return resultOf<T>(await this.nativeRpc(method, params, {}, more));
  }
}

/** The `result` of an answer. Throws Refused when it is an error, Error when it has no result. */
export function resultOf<T>(answer: Answer): T {
  if (answer.status !== 200) throw new Refused(answer);
  if (answer.body === undefined || !('result' in answer.body))
    throw new Error(`200 without a result: ${answer.text.slice(0, 300)}`);
  return answer.body.result as T;
}
