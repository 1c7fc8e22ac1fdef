/**
 * One organization of the in-process harness, as attackers meet it: requests of both surfaces with every byte of
 * body, stamp and headers in the test's hand. Stamps are made by tests/raw-client.ts, which shares no code with the
 * product.
 */
import assert from 'node:assert/strict';
import { hexDecode } from '@keystead/crypto/hex';
import type { InMemoryOptions } from '@keystead/enclave-runtime/in-memory-deployment';
import { type RawRequest, routeRpc, surfaceCompatibility, surfaceNative } from '@keystead/protocol/frames';
import { type Answered, InProcess } from '../core/in-process.ts';
import {
  type NativeStampOptions,
  nativeStamp,
  newStampKey,
  type Params,
  pkiStamp,
  type StampKey,
  utf8,
} from '../raw-client.ts';

export type Surface = 'native' | 'compatibility';
export const SURFACES: readonly Surface[] = ['native', 'compatibility'];

export const SOLANA = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };

const NO_STAMP = {
  signatureInput: undefined,
  signature: undefined,
  contentDigest: undefined,
  deployment: undefined,
  origin: undefined,
  seen: undefined,
  phantomStamp: undefined,
};

/** A native request with these bytes as its body; `changed` are parameters of the stamp. */
export function nativeRequest(
  key: StampKey,
  deploymentId: string,
  body: Uint8Array,
  changed: Partial<NativeStampOptions> = {},
): RawRequest {
  const headers = nativeStamp(key, { path: '/v1/rpc', body, deploymentId, ...changed });
  return {
    ...NO_STAMP,
    surface: surfaceNative,
    route: routeRpc,
    path: '/v1/rpc',
    signatureInput: headers['signature-input'],
    signature: headers.signature,
    contentDigest: headers['content-digest'],
    deployment: headers['keystead-deployment'],
    origin: headers['keystead-origin'],
    seen: headers['keystead-seen'],
    body,
  };
}

/** A request of the compatibility surface; `changed` are members of the stamp. */
export function compatibilityRequest(
  key: StampKey,
  body: Uint8Array,
  changed: Record<string, unknown> = {},
): RawRequest {
  return {
    ...NO_STAMP,
    surface: surfaceCompatibility,
    route: routeRpc,
    path: '/v1/wallets/kms/rpc',
    phantomStamp: pkiStamp(key, body, changed),
    body,
  };
}

/** The text of a call, in which a test changes what it wants. */
export function bodyText(surface: Surface, method: string, params: Params, timestampMs = Date.now()): string {
  return JSON.stringify(surface === 'native' ? { method, params } : { method, params, timestampMs });
}

export function keypair(authenticatorName: string, key: StampKey, more: Record<string, unknown> = {}) {
  const { publicKey, algorithm } = key;
  return { authenticatorName, authenticatorKind: 'keypair', publicKey, algorithm, ...more };
}

export type Refusal = Readonly<Record<string, unknown>> & { readonly code: string; readonly detail: string };

export interface Wallet {
  readonly walletId: string;
  readonly accounts: readonly { readonly address: string }[];
}

/** Who stamps, and where. */
export class Caller {
  readonly stack: InProcess;
  readonly key: StampKey;

  constructor(stack: InProcess, key: StampKey = newStampKey()) {
    this.stack = stack;
    this.key = key;
  }

  with(key: StampKey): Caller {
    return new Caller(this.stack, key);
  }

  get deploymentId(): string {
    return Buffer.from(this.stack.contexts.policy.deploymentId).toString('base64url');
  }

  /** These bytes under a stamp of the surface. */
  stamped(surface: Surface, body: string | Uint8Array): RawRequest {
    const bytes = typeof body === 'string' ? utf8(body) : body;
    return surface === 'native'
      ? nativeRequest(this.key, this.deploymentId, bytes)
      : compatibilityRequest(this.key, bytes);
  }

  request(surface: Surface, method: string, params: Params): RawRequest {
    return this.stamped(surface, bodyText(surface, method, params));
  }

  async result<T>(surface: Surface, method: string, params: Params): Promise<T> {
    return accepted<T>(await this.stack.submit(this.request(surface, method, params)));
  }
}

/** The result of an answer that must be 200. */
export function accepted<T = Record<string, unknown>>({ status, body }: Answered, what = ''): T {
  assert.equal(status, 200, `${what} ${JSON.stringify(body)}`);
  return body as T;
}

/** The refusal of an answer, which must have one of these codes. */
export function refused({ status, body }: Answered, codes: string | readonly string[], what = ''): Refusal {
  const refusal = body as Refusal;
  const isExpected = typeof codes === 'string' ? refusal.code === codes : codes.includes(refusal.code);
  assert.ok(isExpected && status >= 400, `${what}: ${status} ${JSON.stringify(body)}, expected ${codes}`);
  return refusal;
}

/** An organization with one root user and one wallet. */
export class Attacked extends Caller {
  readonly organizationId: string;
  readonly wallet: Wallet;
  #messages = 0;

  private constructor(stack: InProcess, key: StampKey, organizationId: string, wallet: Wallet) {
    super(stack, key);
    this.organizationId = organizationId;
    this.wallet = wallet;
  }

  static async found(
    stack: InProcess = new InProcess({ log: () => {} }),
    key: StampKey = newStampKey(),
  ): Promise<Attacked> {
    const caller = new Caller(stack, key);
    const { organizationId } = await caller.result<{ organizationId: string }>(
      'compatibility',
      'createOrganization',
      founding(key),
    );
    const params = { organizationId, walletName: 'W' };
    const wallet = await caller.result<Wallet>('compatibility', 'createWallet', params);
    return new Attacked(stack, key, organizationId, wallet);
  }

  /** Parameters of a signature over a message that was not asked for before. */
  message(): Record<string, unknown> {
    return {
      organizationId: this.organizationId,
      walletId: this.wallet.walletId,
      message: `message ${this.#messages++}`,
      algorithm: 'Ed25519',
      derivationInfo: SOLANA,
    };
  }

  signing(surface: Surface, by: Caller = this): RawRequest {
    return by.request(surface, 'signUtf8Message', this.message());
  }

  /** How many entries the chain has in the store. */
  async entries(): Promise<number> {
    const id = hexDecode(this.organizationId.replaceAll('-', ''));
    return (await this.stack.store.entries(id, 1, 4096)).length;
  }

  /** Fails unless `attack` leaves the chain as it is and a good request is accepted after it. */
  async unchangedBy(attack: () => Promise<void>): Promise<void> {
    const before = await this.entries();
    await attack();
    assert.equal(await this.entries(), before, 'an attack left an entry');
    accepted(await this.stack.submit(this.signing('native')), 'after the attack');
    assert.equal(await this.entries(), before + 1);
  }

  /** Another user with a key of its own. */
  async addUser(username: string, more: Record<string, unknown> = {}): Promise<Caller> {
    const key = newStampKey();
    const user = {
      username,
      policy: { type: 'CEL', preset: 'ALLOW_ALL' },
      authenticators: [keypair(`${username}'s`, key)],
      ...more,
    };
    const { organizationId } = this;
    await this.result('compatibility', 'addUserToOrganization', { organizationId, user });
    return this.with(key);
  }

  async authenticators(username = 'root'): Promise<readonly { id: string; publicKey: string }[]> {
    const { users } = await this.result<{
      users: { username: string; authenticators: { id: string; publicKey: string }[] }[];
    }>('native', 'getOrganization', { organizationId: this.organizationId });
    return users.find((user) => user.username === username)?.authenticators ?? [];
  }
}

export function founding(key: StampKey): Record<string, unknown> {
  const users = [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair('first', key)] }];
  return { organizationName: 'Acme', users, tags: [] };
}

/** A deployment whose clock a test moves, in milliseconds. */
export function withMovedClock(options: InMemoryOptions = {}): { stack: InProcess; moved: { by: number } } {
  const moved = { by: 0 };
  const stack = new InProcess({ log: () => {}, ...options, clock: () => Date.now() + moved.by });
  return { stack, moved };
}
