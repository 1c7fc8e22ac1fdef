import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { base64Encode } from '@keystead/crypto/base64';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { contentDigest, seenNone, signatureBase, signatureParameters } from '@keystead/protocol/stamp';
import { post } from './http-connection.ts';

/** A P-256 authenticator whose stamps OpenSSL makes: the fastest way to prepare thousands of them. */
export class BenchStamper {
  readonly publicKey: Uint8Array;
  readonly #key: ReturnType<typeof generateKeyPairSync>['privateKey'];
  readonly #deployment: string;

  constructor(deployment: string) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x, y } = publicKey.export({ format: 'jwk' });
    this.publicKey = Buffer.concat([
      Buffer.from([4]),
      Buffer.from(x!, 'base64url'),
      Buffer.from(y!, 'base64url'),
    ]);
    this.#key = privateKey as never;
    this.#deployment = deployment;
  }

  /** A native request (spec/stamp.md §3) as bytes. */
  prepare(method: string, params: unknown): Buffer {
    const { path, headers, body } = this.#stamped(method, params);
    return post(path, headers, body);
  }

  #stamped(method: string, params: unknown) {
    const body = utf8Encode(JSON.stringify({ method, params }));
    const created = Math.floor(Date.now() / 1000);
    const parameters = signatureParameters({
      created,
      expires: created + 60,
      nonce: base64urlEncode(randomBytes(16)),
      algorithm: 'ecdsa-p256-sha256',
      publicKey: this.publicKey,
    });
    const base = signatureBase({
      path: '/v1/rpc',
      body,
      deployment: this.#deployment,
      origin: 'none',
      seen: seenNone,
      parameters,
    });
    const signature = sign('sha256', base, { key: this.#key as never, dsaEncoding: 'ieee-p1363' });
    return {
      path: '/v1/rpc',
      body,
      headers: {
        'content-type': 'application/json',
        'content-digest': contentDigest(body),
        'signature-input': `keystead=${parameters}`,
        signature: `keystead=:${base64Encode(signature)}:`,
        'keystead-deployment': this.#deployment,
        'keystead-origin': 'none',
        'keystead-seen': seenNone,
      },
    };
  }

  /** Sends one request and returns its result. Throws Error with the answer's text when it is refused. */
  async call(api: string, method: string, params: unknown): Promise<Record<string, unknown>> {
    const { path, headers, body } = this.#stamped(method, params);
    const response = await fetch(`${api}${path}`, { method: 'POST', headers, body: body as never });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${method}: ${response.status} ${text}`);
    return (JSON.parse(text) as { result: Record<string, unknown> }).result;
  }
}

export interface BenchWallet {
  readonly organizationId: string;
  readonly walletId: string;
  readonly solana: string;
}

/** Parameters of createOrganization: the stamper's key is the only key of the only user. */
export function foundingParams(stamper: BenchStamper, organizationName: string) {
  return {
    organizationName,
    users: [
      {
        username: 'bench',
        policy: { type: 'ROOT' },
        authenticators: [
          {
            authenticatorName: 'key',
            authenticatorKind: 'keypair',
            publicKey: base64urlEncode(stamper.publicKey),
            algorithm: 'Secp256r1',
          },
        ],
      },
    ],
  };
}

/** An organization with one wallet of the four default accounts. */
export async function prepareWallet(api: string, stamper: BenchStamper): Promise<BenchWallet> {
  const organization = await stamper.call(api, 'createOrganization', foundingParams(stamper, 'Bench'));
  const organizationId = String(organization.organizationId);
  const wallet = await stamper.call(api, 'createWallet', { organizationId, walletName: 'bench' });
  const accounts = wallet.accounts as { addressFormat: string; address: string }[];
  return {
    organizationId,
    walletId: String(wallet.walletId),
    solana: accounts.find((account) => account.addressFormat === 'Solana')!.address,
  };
}
