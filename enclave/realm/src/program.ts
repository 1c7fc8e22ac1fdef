import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexEncode } from '@keystead/crypto/hex';
import { bytesName } from '@keystead/crypto/recent';
import { portableGroup, type RistrettoGroup } from '@keystead/crypto/ristretto255';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { headEnding, headKept, headSpent } from '@keystead/enclave-runtime/head-table';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import type { Program } from '@keystead/enclave-runtime/program';
import { type ChangedRow, RowHeads } from '@keystead/enclave-runtime/row-heads';
import { StoredRows } from '@keystead/enclave-runtime/stored-rows';
import { decodeStampable, type SecretsRequest } from '@keystead/juicebox/messages';
import {
  type ClientRequest,
  type ClientResponse,
  decodeClientRequest,
} from '@keystead/juicebox/noise-messages';
import {
  type FromRealm,
  maximumRealmRowBytes,
  TenantEvent,
  type ToRealm,
} from '@keystead/protocol/realm-frames';
import {
  type Caller,
  type HttpAnswer,
  noiseCaller,
  noiseRefusal,
  plainCaller,
  sealedAnswer,
  transportSeal,
} from './caller.ts';
import { Deletions } from './deletions.ts';
import type { DeviceStamp } from './device-stamp.ts';
import { assertUsable, evaluate } from './evaluate.ts';
import { NoiseSessions, noiseKey, sessionSeconds } from './noise-sessions.ts';
import { RateLimits } from './rate-limits.ts';
import { RecordRows } from './record-rows.ts';
import type { RealmSettings, Tenant } from './tenants.ts';
import { type Bearer, judgeToken, permits } from './token.ts';
import {
  afterTime,
  isEnding,
  lastGuessMilliseconds,
  notRegistered,
  type RecordState,
  type Reply,
  transition,
} from './transition.ts';

export interface RealmContext {
  readonly seed: SecretBytes;
  readonly realmId: Uint8Array;
  readonly settings: RealmSettings;
  /** For recorded sessions; by default branches of the seed. */
  readonly noiseKey?: ((generation: number) => SecretBytes) | undefined;
  /** For tests: records of the heads log after which a snapshot is due. */
  readonly snapshotRecords?: number | undefined;
  /** What multiplies; noble unless given. */
  readonly group?: RistrettoGroup | undefined;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly random: (length: number) => Uint8Array;
  log(event: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
}

/** Rows of one batch. The rest waits for the next. */
const batchRows = 1024;
/** Registrations without guesses that are looked at between two pings: what is left waits for the next. */
const mostAgeing = 256;
/** Each makes two events at most, and `maximumStoredRows` of them fit one record of the heads log. */
const batchRequests = 2048;

interface Pending {
  readonly id: number;
  readonly caller: Caller;
  readonly request: SecretsRequest;
  readonly stamp: DeviceStamp | undefined;
  readonly bearer: Bearer;
  readonly tenant: Tenant;
  readonly userId: string;
  readonly record: ActiveRecord;
}

/** Time is looked at what it has made of a record. */
interface Ageing {
  readonly record: ActiveRecord;
}

type Work = Pending | Ageing;

/** A record with requests under way, or with a state that is not durable yet. */
interface ActiveRecord {
  readonly name: Uint8Array;
  /** The newest one, durable or not; undefined until the row has come. */
  state: RecordState | undefined;
  pending: number;
  /** The batch that makes the state durable. */
  batch: Batch | undefined;
  readonly waiting: Work[];
}

interface Batch {
  readonly changed: Map<string, ActiveRecord>;
  readonly events: TenantEvent[];
  /** What leaves when the batch is durable, and not before. */
  readonly answers: (() => void)[];
}

/** Requests that may ride in a handshake: what they say needs no forward secrecy. */
const handshakeRequests: ReadonlySet<SecretsRequest['type']> = new Set([
  'Register1',
  'Recover1',
  'Delete',
  'Status',
  'Challenge',
]);
/** Requests that belong to an operation that another request began. */
const followingRequests: ReadonlySet<SecretsRequest['type']> = new Set([
  'Register2',
  'Challenge',
  'Recover2',
  'Recover3',
]);

const newBatch = (): Batch => ({ changed: new Map(), events: [], answers: [] });

/**
 * One realm: requests in, answers out (spec/realm.md). Each turn's changes are one batch: heads log, then database,
 * then answers; the next batch begins when the last is durable.
 */
export class Realm implements Program<ToRealm, FromRealm> {
  send: (message: FromRealm) => void = () => {};
  readonly #context: RealmContext;
  readonly #heads: RowHeads<TenantEvent>;
  readonly #stored: StoredRows<TenantEvent>;
  readonly #rows: RecordRows;
  readonly #sessions: NoiseSessions;
  readonly #rates = new RateLimits();
  readonly #deletions: Deletions;
  readonly #records = new Map<string, ActiveRecord>();
  readonly #counts = new Map<string, number>();
  #settings: RealmSettings;
  #ready: Work[] = [];
  /** Registrations whose last guess was used, and when they end. */
  readonly #ending = new Map<string, { readonly name: Uint8Array; readonly due: number }>();
  /** What came before the realm knew whether it serves. */
  #early: ToRealm[] = [];
  #batch = newBatch();

  constructor(context: RealmContext, heads: HeadsPort) {
    this.#context = context;
    this.#settings = context.settings;
    this.#deletions = new Deletions(context.clock());
    this.#heads = new RowHeads(
      { name: 'realm', event: TenantEvent, maximumRowBytes: maximumRealmRowBytes },
      { seed: context.seed, id: context.realmId },
      heads,
      { snapshotRecords: context.snapshotRecords },
    );
    this.#stored = new StoredRows({
      heads: this.#heads,
      name: 'realm',
      log: context.log,
      send: (message) => this.send(message),
      settled: () => {
        for (const name of this.#heads.table.namesOf(headEnding))
          this.#ending.set(bytesName(name), { name, due: 0 });
        for (const message of this.#early.splice(0)) this.receive(message);
      },
    });
    this.#rows = new RecordRows(context);
    const keyOf = context.noiseKey ?? ((generation: number) => noiseKey(context.seed, generation));
    this.#sessions = new NoiseSessions(keyOf, context.settings.noise);
    void this.#stored.load().then(() => {
      this.send({ type: 'open', realmId: context.realmId, publicKey: this.#sessions.publicKey });
    });
  }

  get publicKey(): Uint8Array {
    return this.#sessions.publicKey;
  }

  /** Takes what the operator changed: from now on tokens are judged by it. */
  configure(settings: RealmSettings): void {
    this.#settings = settings;
    this.#sessions.use(settings.noise);
  }

  receive(message: ToRealm): void {
    if (this.#stored.reason === 'starting' && (message.type === 'request' || message.type === 'audit'))
      return void this.#early.push(message);
    switch (message.type) {
      case 'opened':
        return void this.#stored.opened(message.sequence);
      case 'request':
        return void this.#request(message);
      case 'row':
        return void this.#row(message.name, message.bytes);
      case 'stored':
        return void this.#stored.stored(message.sequence);
      case 'audit': {
        const bearer = judgeToken(message.token, 'audit', this.#circumstances());
        const tenant = 'refused' in bearer ? undefined : bearer.tenant.name;
        return void this.send({ type: 'audited', id: message.id, tenant });
      }
      case 'ping':
        this.#age();
        if (this.#batch.changed.size === 0) this.#stored.commitWhenIdle();
        return void this.#pong(message.id);
    }
  }

  /** Applies what is ready and makes a batch of what it changed, unless one is under way. */
  turn(): void {
    if (this.#stored.reason !== '') return;
    let taken = 0;
    for (const work of this.#ready) {
      if (this.#batch.changed.size >= batchRows || this.#batch.answers.length >= batchRequests) break;
      if ('request' in work) this.#apply(work);
      else this.#applyTime(work.record);
      taken += 1;
    }
    this.#ready = this.#ready.slice(taken);
    if (this.#stored.isFree && this.#batch.changed.size > 0) this.#close();
  }

  #circumstances() {
    const { realmId, clock } = this.#context;
    return { tenants: this.#settings.tenants, realmId, now: clock() };
  }

  #request({ id, token, body }: Extract<ToRealm, { type: 'request' }>): void {
    if (token === undefined) return void this.#noiseRequest(id, body);
    const refuse = (refusal: Parameters<Caller['refuse']>[0]) =>
      this.#answer(id, plainCaller.refuse(refusal));
    if (this.#stored.reason !== '') return void refuse({ type: 'unavailable', code: this.#stored.reason });
    const bearer = judgeToken(token, 'user', this.#circumstances());
    if ('refused' in bearer) return void refuse({ type: 'unauthorized', code: bearer.refused });
    this.#secretsRequest(id, plainCaller, { bearer, token, body });
  }

  #noiseRequest(id: number, body: Uint8Array): void {
    let envelope: ClientRequest;
    try {
      envelope = decodeClientRequest(body);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      // Whoever sends no envelope sent no token either.
      return void this.#answer(id, plainCaller.refuse({ type: 'unauthorized', code: 'token-missing' }));
    }
    if (this.#stored.reason !== '')
      return void this.#answer(id, noiseRefusal('Unavailable', this.#stored.reason));
    const bearer = judgeToken(envelope.token, 'user', this.#circumstances());
    if ('refused' in bearer) return void this.#answer(id, noiseRefusal('InvalidAuth', bearer.refused));
    if (!equalBytes(envelope.realm, this.#context.realmId))
      return void this.#answer(id, noiseRefusal('Unavailable', 'realm-unknown'));

    const { sessionId, kind, encrypted } = envelope;
    const name = this.#rows.nameOf(bearer.tenant.name, bearer.user);
    const now = this.#context.clock();
    const end = () => this.#sessions.end(name, sessionId);
    if (encrypted.type === 'Handshake') {
      const responder = this.#sessions.respond(encrypted.message);
      if (responder === undefined)
        return void this.#answer(id, noiseRefusal('SessionError', 'noise-key-unknown'));
      const seal = (plaintext: Uint8Array): ClientResponse => {
        const { message, transport } = responder.answer(this.#context.random(32), plaintext);
        this.#sessions.keep(name, sessionId, transport, now);
        return { type: 'Handshake', message, sessionSeconds };
      };
      if (kind === 'SecretsRequest') {
        const caller = noiseCaller(seal, end);
        const { payload: inside } = responder;
        return void this.#secretsRequest(
          id,
          caller,
          { bearer, token: envelope.token, body: inside },
          handshakeRequests,
        );
      }
      if (responder.payload.length > 0)
        return void this.#answer(id, noiseRefusal('DecodingError', 'malformed'));
      return void this.#answer(id, sealedAnswer(seal(new Uint8Array(0)), ''));
    }
    const transport = this.#sessions.find(name, sessionId, now);
    if (transport === undefined)
      return void this.#answer(id, noiseRefusal('MissingSession', 'noise-session-missing'));
    let plaintext: Uint8Array;
    try {
      plaintext = transport.toResponder.open(encrypted.ciphertext);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      end();
      return void this.#answer(id, noiseRefusal('SessionError', 'noise-session-failed'));
    }
    const caller = noiseCaller(transportSeal(transport), end);
    this.#secretsRequest(id, caller, { bearer, token: envelope.token, body: plaintext });
  }

  #secretsRequest(
    id: number,
    caller: Caller,
    { bearer, token, body }: { readonly bearer: Bearer; readonly token: string; readonly body: Uint8Array },
    allowed?: ReadonlySet<SecretsRequest['type']>,
  ): void {
    const { tenant, user } = bearer;
    const refuse = (refusal: Parameters<Caller['refuse']>[0]) => this.#answer(id, caller.refuse(refusal));
    let request: SecretsRequest;
    let stamp: DeviceStamp | undefined;
    try {
      const decoded = decodeStampable(body);
      request = decoded.request;
      if (decoded.stamped !== undefined) {
        const { deviceKey, signature, request: inside } = decoded.stamped;
        stamp = { deviceKey, signature, realmId: this.#context.realmId, token, request: inside };
      }
      assertUsable(request, this.#context.group ?? portableGroup);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      return void refuse({ type: 'malformed', code: 'malformed' });
    }
    if (!permits(bearer, request.type)) return void refuse({ type: 'unauthorized', code: 'token-scope' });
    if (allowed !== undefined && !allowed.has(request.type))
      return void refuse({ type: 'malformed', code: 'noise-session-needed' });
    if (tenant.closed && (request.type === 'Register1' || request.type === 'Register2'))
      return void refuse({ type: 'final', code: 'registrations-closed', request: request.type });
    const name = this.#rows.nameOf(tenant.name, user);
    const key = bytesName(name);
    const isFollowing = followingRequests.has(request.type);
    if (!this.#rates.admit(tenant.name, key, isFollowing, tenant.rate, this.#context.clock()))
      return void refuse({ type: 'limited', code: 'rate-limited', seconds: 1 });

    const record = this.#recordOf(name);
    const userId = hexEncode(sha256(utf8Encode(`${tenant.name}:${user}`)));
    this.#take({ id, caller, request, stamp, bearer, tenant, userId, record });
  }

  #recordOf(name: Uint8Array): ActiveRecord {
    const key = bytesName(name);
    let record = this.#records.get(key);
    if (record === undefined) {
      record = { name, state: undefined, pending: 0, batch: undefined, waiting: [] };
      this.#records.set(key, record);
      // What is not in the table is not registered, whatever the database says.
      if (this.#heads.table.get(name) === undefined) record.state = notRegistered;
      else this.send({ type: 'read', name });
    }
    return record;
  }

  #take(work: Work): void {
    const { record } = work;
    record.pending += 1;
    if (record.state === undefined) record.waiting.push(work);
    else this.#ready.push(work);
  }

  /** Destroys what nobody has a guess for any more, though nobody asks. */
  #age(): void {
    if (this.#stored.reason !== '') return;
    const now = this.#context.clock();
    let left = mostAgeing;
    for (const [key, { name, due }] of this.#ending) {
      if (due > now) continue;
      // One whose row the host does not give is asked for again.
      this.#ending.set(key, { name, due: now + lastGuessMilliseconds });
      this.#take({ record: this.#recordOf(name) });
      left -= 1;
      if (left === 0) return;
    }
  }

  #applyTime(record: ActiveRecord): void {
    const before = record.state!;
    record.state = afterTime(before, this.#context.clock());
    if (record.state !== before) {
      record.batch = this.#batch;
      this.#batch.changed.set(bytesName(record.name), record);
    } else this.#noteEnding(record);
    record.pending -= 1;
    this.#forget(record);
  }

  /** After its state is durable, or as it was read. */
  #noteEnding({ name, state }: ActiveRecord): void {
    const key = bytesName(name);
    if (state === undefined || !isEnding(state)) this.#ending.delete(key);
    else this.#ending.set(key, { name, due: state.guessedAt + lastGuessMilliseconds });
  }

  #row(name: Uint8Array, row: Uint8Array | undefined): void {
    const record = this.#records.get(bytesName(name));
    if (record === undefined || record.state !== undefined) return;
    const waiting = record.waiting.splice(0);
    const state = this.#stateOf(name, row);
    if (state !== undefined) {
      record.state = state;
      this.#ready.push(...waiting);
      return;
    }
    this.#context.log('row-refused', { reason: row === undefined ? 'missing' : 'old' });
    this.#records.delete(bytesName(name));
    for (const work of waiting)
      if ('request' in work)
        this.#answer(work.id, work.caller.refuse({ type: 'unavailable', code: 'realm-row-old' }));
  }

  /** Undefined when it is not the newest row of the record. */
  #stateOf(name: Uint8Array, row: Uint8Array | undefined): RecordState | undefined {
    if (row === undefined || !this.#heads.isNewest(name, row)) return undefined;
    try {
      return this.#rows.open(name, row);
    } catch (error) {
      if (error instanceof CryptoError) return undefined;
      throw error;
    }
  }

  #apply({ id, caller, request, stamp, bearer, tenant, userId, record }: Pending): void {
    const now = this.#context.clock();
    const key = bytesName(record.name);
    const {
      state,
      changed,
      events = [],
      reply,
    } = transition(record.state!, request, {
      rules: tenant.rules,
      now,
      stamp,
      confirmedKey: bearer.confirmedKey,
      registersOnce: bearer.scope === 'register',
      barred: this.#deletions.bars(key, bearer.issued, now),
      needsDeviceStamps: tenant.needsDeviceStamps,
    });
    if (request.type === 'Delete' && bearer.scope === 'delete' && reply.type === 'response') {
      const issued = bearer.issued === 0 ? now / 1000 : bearer.issued;
      this.#deletions.note(key, { issued, lifetime: tenant.tokenSeconds, now });
    }
    const answer = () => {
      this.#answer(id, this.#finish(caller, request.type, reply));
      record.pending -= 1;
      this.#forget(record);
    };
    if (!changed) {
      // What rests on a state that is not durable waits for it.
      if (record.batch === undefined) answer();
      else record.batch.answers.push(answer);
      return;
    }
    record.state = state;
    record.batch = this.#batch;
    this.#batch.changed.set(key, record);
    this.#batch.answers.push(answer);
    for (const { event, guesses, guessCount } of events) {
      this.#batch.events.push({ tenant: tenant.name, userId, event, guesses, guessCount, time: now });
      this.#count(event);
    }
  }

  #finish(caller: Caller, type: SecretsRequest['type'], reply: Reply): HttpAnswer {
    switch (reply.type) {
      case 'response':
        return caller.respond(reply.response);
      case 'evaluate': {
        const evaluation = evaluate(reply, this.#context.random, this.#context.group ?? portableGroup);
        this.#count('evaluated');
        return caller.respond({ type: 'Recover2', outcome: 'Ok', evaluation });
      }
      case 'wait':
        return caller.refuse({
          type: 'limited',
          code: 'guess-early',
          seconds: Math.ceil(reply.milliseconds / 1000),
        });
      case 'outOfBounds':
        return caller.refuse({ type: 'final', code: 'guesses-out-of-bounds', request: type });
      case 'registered':
        return caller.refuse({ type: 'final', code: 'registration-exists', request: type });
      case 'barred':
        return caller.refuse(
          reply.code === 'registration-deleted'
            ? { type: 'final', code: reply.code, request: type }
            : { type: 'unauthorized', code: reply.code },
        );
      case 'unstamped':
        return caller.refuse(
          reply.code === 'device-stamp-needed'
            ? { type: 'final', code: reply.code, request: type }
            : { type: 'unauthorized', code: reply.code },
        );
    }
  }

  /** Drops a record that nobody waits for and whose state is durable: its row has everything. */
  #forget(record: ActiveRecord): void {
    if (record.pending === 0 && record.batch === undefined) this.#records.delete(bytesName(record.name));
  }

  #close(): void {
    const batch = this.#batch;
    this.#batch = newBatch();
    this.#stored.commit(
      (sequence) =>
        [...batch.changed.values()].map(({ name, state }): ChangedRow => {
          const kept = state!;
          if (kept.type === 'notRegistered') return { name, flag: 0, row: undefined };
          const flag = kept.type === 'noGuesses' ? headSpent : isEnding(kept) ? headEnding : headKept;
          return { name, flag, row: this.#rows.seal(name, sequence, kept) };
        }),
      batch.events,
      () => {
        for (const record of batch.changed.values()) {
          this.#noteEnding(record);
          if (record.batch === batch) record.batch = undefined;
          this.#forget(record);
        }
        for (const answer of batch.answers) answer();
      },
    );
  }

  #answer(id: number, answer: HttpAnswer): void {
    if (answer.refusal !== '') this.#count(answer.refusal);
    this.send({ type: 'answer', id, ...answer });
  }

  #pong(id: number): void {
    const figures = {
      records: this.#heads.table.size,
      registrations: this.#heads.table.kept,
      sequence: this.#heads.sequence,
      ...Object.fromEntries([...this.#counts].map(([name, count]) => [`count_${name}`, count])),
    };
    const serving = this.#stored.reason === '';
    const metrics = utf8Encode(JSON.stringify(figures));
    this.send({ type: 'pong', id, serving, reason: this.#stored.reason, metrics });
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
