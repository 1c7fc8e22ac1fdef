/** One realm without processes: what is durable lies in this object and outlives every start of the enclave. */
import { createHmac } from 'node:crypto';
import { concatBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import {
  decodeResponse,
  encodeRequest,
  type SecretsRequest,
  type SecretsResponse,
} from '@keystead/juicebox/messages';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import type { FromRealm, TenantEvent, ToRealm } from '@keystead/protocol/realm-frames';
import { Realm } from '../src/program.ts';
import { parseRealmSettings } from '../src/tenants.ts';

export const worldSecret = 'a tenant secret for tests';

export const worldSettings = (tenant: Record<string, unknown> = {}): string =>
  JSON.stringify({
    tenants: {
      acme: {
        keys: { '1': worldSecret },
        guesses: { minimum: 1, maximum: 100 },
        rate: { tenant: 1_000_000, user: 1_000_000 },
        ...tenant,
      },
    },
  });

/**
 * What a write of the world can be cut by: the crash comes before it, or after it and before anybody hears of it. A snapshot is two
 * writes: within it the old records are still there beside it.
 */
export const crashPoints = [
  'before heads',
  'after heads',
  'before store',
  'after store',
  'before snapshot',
  'within snapshot',
  'after snapshot',
] as const;
export type CrashPoint = (typeof crashPoints)[number];

export class Crashed extends Error {}

export type Answer = Extract<FromRealm, { type: 'answer' }>;

export interface WorldOptions {
  readonly realmId?: Uint8Array;
  readonly seed?: Uint8Array;
  readonly settings?: string;
  readonly noiseKey?: (generation: number) => SecretBytes;
  readonly random?: (length: number) => Uint8Array;
  /** Records of the heads log after which a snapshot is due; that of operators unless given. */
  readonly snapshotRecords?: number;
  /** Called at each point of each write; throws Crashed to end the enclave there. */
  readonly crash?: (point: CrashPoint) => void;
}

export class RealmWorld {
  readonly realmId: Uint8Array;
  readonly #options: WorldOptions;
  readonly #seed: Uint8Array;
  /** The heads log. */
  records: { sequence: number; record: Uint8Array }[] = [];
  snapshot: { sequence: number; state: Uint8Array } | undefined;
  /** The database. */
  rows = new Map<string, Uint8Array>();
  sequence = 0;
  events: TenantEvent[] = [];
  now = Date.now();
  readonly logged: string[] = [];

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.realmId = options.realmId ?? new Uint8Array(16).fill(0xa1);
    this.#seed = options.seed ?? new Uint8Array(32).fill(0x5e);
  }

  /** A copy of the database, as a backup makes it. */
  backup(): () => void {
    const rows = new Map(this.rows);
    const { sequence } = this;
    return () => {
      this.rows = new Map(rows);
      this.sequence = sequence;
    };
  }

  start(): RunningRealm {
    return new RunningRealm(this, this.#options, this.#seed);
  }

  token(user: string, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): string {
    const now = Math.floor(this.now / 1000);
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'HS256', kid: 'acme:1', typ: 'JWT', ...header })}.${part({
      iss: 'acme',
      sub: user,
      aud: hexEncode(this.realmId),
      nbf: now,
      exp: now + 600,
      scope: 'user',
      ...claims,
    })}`;
    return `${signed}.${createHmac('sha256', worldSecret).update(signed).digest('base64url')}`;
  }
}

/** One start of the enclave, with its host. After a crash nothing of it happens any more. */
export class RunningRealm {
  readonly realm: Realm;
  readonly #world: RealmWorld;
  readonly #crash: (point: CrashPoint) => void;
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  #queue: ToRealm[] = [];
  #scheduled = false;
  #nextId = 1;
  #pong: ((pong: Extract<FromRealm, { type: 'pong' }>) => void) | undefined;
  ended = false;

  constructor(world: RealmWorld, options: WorldOptions, seed: Uint8Array) {
    this.#world = world;
    this.#crash = options.crash ?? (() => {});
    this.realm = new Realm(
      {
        realmId: world.realmId,
        seed: new SecretBytes(seed),
        settings: parseRealmSettings(options.settings ?? worldSettings(), 'development'),
        noiseKey: options.noiseKey,
        snapshotRecords: options.snapshotRecords,
        clock: () => world.now,
        random: options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length))),
        log: (event, fields) => world.logged.push(JSON.stringify({ event, ...fields })),
      },
      this.#heads(),
    );
    this.realm.send = (message) => this.#fromRealm(message);
  }

  /** Resolves with the answer; rejects when the enclave crashed before it left. */
  request(token: string | undefined, body: Uint8Array): Promise<Answer> {
    if (this.ended) return Promise.reject(new Crashed());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ type: 'request', id, token, body });
    });
  }

  /** A request of a user, and its answer read. */
  async ask<T extends SecretsRequest>(user: string, request: T): Promise<SecretsResponse> {
    const answer = await this.request(this.#world.token(user), encodeRequest(request));
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.refusal}`);
    return decodeResponse(request.type, answer.body);
  }

  ping(): Promise<Extract<FromRealm, { type: 'pong' }>> {
    return new Promise((resolve) => {
      this.#pong = resolve;
      this.#send({ type: 'ping', id: this.#nextId++ });
    });
  }

  /** Ends it as SIGKILL would. */
  kill(): void {
    if (this.ended) return;
    this.ended = true;
    this.#queue = [];
    for (const { reject } of this.#waiting.values()) reject(new Crashed());
    this.#waiting.clear();
  }

  #send(message: ToRealm): void {
    this.#queue.push(message);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const queue = this.#queue;
      this.#queue = [];
      for (const each of queue) if (!this.ended) this.realm.receive(each);
      if (!this.ended) this.realm.turn();
    });
  }

  #at(point: CrashPoint): void {
    try {
      this.#crash(point);
    } catch (error) {
      if (error instanceof Crashed) this.kill();
      throw error;
    }
  }

  #heads(): HeadsPort {
    const world = this.#world;
    const never = () => new Promise<never>(() => {});
    const written = async (write: () => void): Promise<void> => {
      if (this.ended) return await never();
      try {
        write();
      } catch (error) {
        if (error instanceof Crashed) return await never();
        throw error;
      }
      return await new Promise((resolve) => {
        setImmediate(() => {
          if (!this.ended) resolve();
        });
      });
    };
    return {
      load: async () => ({
        snapshot: world.snapshot?.state,
        snapshotSequence: world.snapshot?.sequence ?? 0,
        records: [...world.records],
      }),
      append: (sequence, record) =>
        written(() => {
          this.#at('before heads');
          world.records.push({ sequence, record: concatBytes(record) });
          this.#at('after heads');
        }),
      snapshot: (sequence, state) =>
        written(() => {
          this.#at('before snapshot');
          world.snapshot = { sequence, state: concatBytes(state) };
          this.#at('within snapshot');
          world.records = world.records.filter((record) => record.sequence > sequence);
          this.#at('after snapshot');
        }),
    };
  }

  #fromRealm(message: FromRealm): void {
    if (this.ended) return;
    const world = this.#world;
    switch (message.type) {
      case 'open':
        return void this.#send({ type: 'opened', sequence: world.sequence });
      case 'read': {
        const { name } = message;
        return void this.#send({ type: 'row', name, bytes: world.rows.get(hexEncode(name)) });
      }
      case 'store':
        try {
          this.#at('before store');
          for (const { name, bytes } of message.rows) {
            if (bytes === undefined) world.rows.delete(hexEncode(name));
            else world.rows.set(hexEncode(name), bytes);
          }
          world.events.push(...message.events);
          world.sequence = message.sequence;
          this.#at('after store');
        } catch (error) {
          if (error instanceof Crashed) return;
          throw error;
        }
        return void this.#send({ type: 'stored', sequence: message.sequence });
      case 'answer':
        this.#waiting.get(message.id)?.resolve(message);
        this.#waiting.delete(message.id);
        return;
      case 'pong':
        this.#pong?.(message);
    }
  }
}
