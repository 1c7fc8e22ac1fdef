import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexEncode } from '@keystead/crypto/hex';
import { noiseRespond } from '@keystead/crypto/noise-nk';
import { bytesName } from '@keystead/crypto/recent';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { publicKey } from '@keystead/crypto/x25519';
import { headKept } from '@keystead/enclave-runtime/head-table';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import type { EnclaveContext, Program, Random } from '@keystead/enclave-runtime/program';
import { type ChangedRow, RowHeads } from '@keystead/enclave-runtime/row-heads';
import { StoredRows } from '@keystead/enclave-runtime/stored-rows';
import {
  BackupEvent,
  type FromBackup,
  maximumBackupRowBytes,
  type ToBackup,
} from '@keystead/protocol/backup-frames';
import {
  BackupAnswer,
  BackupCall,
  BackupContent,
  BackupEnvelope,
  type BackupPlacement,
  backupPrologue,
} from '@keystead/protocol/backup-messages';
import { branch } from '@keystead/protocol/deployment';
import { eventOf } from './backup-event.ts';
import { BackupRows, type KeptBackups, nothingKept } from './backup-rows.ts';
import {
  activate,
  type Backups,
  forget,
  placementFor,
  prepareDeletion,
  put,
  read,
  remove,
  stateNamed,
  stateOf,
} from './backup-state.ts';
import { type Permit, permitOf } from './permit.ts';
import { operatorOfThreshold } from './realm-operators.ts';
import { RealmTokens, tokenLifetimeSeconds } from './realm-tokens.ts';
import { BackupRefusal } from './refusal.ts';
import { inOrder } from './request-order.ts';
import type { BackupSettings } from './settings.ts';

export interface BackupContext {
  readonly keeperId: Uint8Array;
  readonly seed: SecretBytes;
  readonly settings: BackupSettings;
  readonly profile: EnclaveContext['profile'];
  readonly clock: () => number;
  readonly random: Random;
  log(event: string, fields?: Readonly<Record<string, string | number | boolean>>): void;
}

/** A request that was permitted and waits for its row. */
interface Pending {
  readonly id: number;
  readonly permit: Permit;
  readonly content: BackupContent | undefined;
  readonly answer: (answer: BackupAnswer) => void;
}

/** One organization with requests under way: they are done one after the other. */
interface Active {
  readonly name: Uint8Array;
  readonly waiting: Pending[];
  /** Whether the host was asked for its row. */
  isReading: boolean;
}

/** What one request did, until that is durable. */
interface Done {
  readonly active: Active;
  readonly pending: Pending;
  readonly answer: BackupAnswer;
  /** Undefined when what is kept is as before. */
  readonly after: KeptBackups | undefined;
  readonly event: BackupEvent | undefined;
}

/** So many of the longest rows fit one record of the heads log with room to spare. */
const batchBytes = 4 * 1024 * 1024;
const mostOfBatch = Math.floor(batchBytes / maximumBackupRowBytes);

/**
 * The keeper of backups (spec/backup.md): permitted requests in, answers for their sessions out. Storage sees sealed
 * rows. Nothing leaves before the row and the event that it rests on are durable, in the heads log and in the database.
 */
export class BackupKeeper implements Program<ToBackup, FromBackup> {
  send: (message: FromBackup) => void = () => {};
  readonly keeperId: Uint8Array;
  /** X25519: what clients pin. */
  readonly publicKey: Uint8Array;
  readonly #context: BackupContext;
  readonly #staticKey: SecretBytes;
  readonly #rows: BackupRows;
  readonly #heads: RowHeads<BackupEvent>;
  readonly #stored: StoredRows<BackupEvent>;
  readonly #tokens: RealmTokens;
  readonly #active = new Map<string, Active>();
  readonly #counts = new Map<string, number>();
  #settings: BackupSettings;
  #done: Done[] = [];

  constructor(context: BackupContext, heads: HeadsPort) {
    this.#context = context;
    this.#settings = context.settings;
    this.keeperId = context.keeperId;
    this.#staticKey = branch(context.seed, 'keystead/backup/noise/v1');
    this.publicKey = publicKey(this.#staticKey.expose());
    this.#rows = new BackupRows(context);
    this.#tokens = new RealmTokens(context.seed, context.random);
    this.#heads = new RowHeads(
      { name: 'backup', event: BackupEvent, maximumRowBytes: maximumBackupRowBytes },
      { seed: context.seed, id: context.keeperId },
      heads,
    );
    this.#stored = new StoredRows({
      heads: this.#heads,
      name: 'backup',
      log: context.log,
      send: (message) => this.send(message),
      settled: () => {},
    });
    void this.#stored.load().then(() => {
      const { keeperId, publicKey: own } = this;
      this.send({ type: 'open', keeperId, publicKey: own, tokenKey: this.#tokens.publicKey });
    });
  }

  configure(settings: BackupSettings): void {
    this.#settings = settings;
  }

  receive(message: ToBackup): void {
    switch (message.type) {
      case 'opened':
        return void this.#stored.opened(message.sequence);
      case 'request':
        return void this.#request(message.id, message.body);
      case 'row':
        return void this.#row(message.name, message.bytes);
      case 'stored':
        return void this.#stored.stored(message.sequence);
      case 'ping':
        if (this.#done.length === 0) this.#stored.commitWhenIdle();
        return void this.#pong(message.id);
    }
  }

  /** Makes a batch of what the turn did, unless one is under way. */
  turn(): void {
    if (!this.#stored.isFree || this.#done.length === 0) return;
    const batch = this.#done.slice(0, mostOfBatch);
    this.#done = this.#done.slice(mostOfBatch);
    this.#stored.commit(
      (sequence) =>
        batch.flatMap(({ active: { name }, after }): ChangedRow[] =>
          after === undefined ? [] : [{ name, flag: headKept, row: this.#rows.seal(name, sequence, after) }],
        ),
      batch.flatMap(({ event }) => (event === undefined ? [] : [event])),
      () => {
        for (const { active, pending, answer } of batch) {
          pending.answer(answer);
          this.#next(active);
        }
      },
    );
  }

  /** Why it does not serve; empty when it does. */
  get #reason(): string {
    if (this.#stored.reason !== '') return this.#stored.reason;
    return this.#settings.deployment === undefined ? 'not-configured' : '';
  }

  #pong(id: number): void {
    const metrics = utf8Encode(canonicalize(Object.fromEntries(this.#counts)));
    this.send({ type: 'pong', id, serving: this.#reason === '', reason: this.#reason, metrics });
  }

  #request(id: number, body: Uint8Array): void {
    const refuse = (code: string, status = 400) => {
      this.#count(code);
      this.send({ type: 'answer', id, status, body: new Uint8Array(0), refusal: code });
    };
    if (this.#stored.reason !== '') return void refuse(this.#stored.reason, 503);
    let session: Uint8Array;
    let responder: ReturnType<typeof noiseRespond>;
    try {
      const { ephemeral, payload } = BackupEnvelope.decode(body);
      session = ephemeral;
      const prologue = backupPrologue(this.keeperId);
      responder = noiseRespond(this.#staticKey.expose(), { ephemeral, payload }, prologue);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      return void refuse('call-malformed');
    }
    let answered = false;
    const answer = (said: BackupAnswer) => {
      if (answered) return;
      answered = true;
      this.#count(said.type === 'refused' ? said.code : said.type);
      const plaintext = BackupAnswer.encode(said);
      const { message } = responder.answer(this.#context.random(32), plaintext);
      plaintext.fill(0);
      const encoded = BackupEnvelope.encode(message);
      this.send({ type: 'answer', id, status: 200, body: encoded, refusal: '' });
    };
    try {
      const { deployment } = this.#settings;
      if (deployment === undefined) throw new BackupRefusal('not-configured');
      const call = callOf(responder.payload);
      const permit = permitOf(call, { deployment, session, now: this.#context.clock() });
      this.#wait({ id, permit, content: contentOf(call, permit), answer });
    } catch (error) {
      if (!(error instanceof BackupRefusal)) throw error;
      answer({ type: 'refused', code: error.code });
    } finally {
      responder.payload.fill(0);
    }
  }

  #wait(pending: Pending): void {
    const name = this.#rows.nameOf(pending.permit.organization);
    const key = bytesName(name);
    const known = this.#active.get(key);
    if (known !== undefined) return void known.waiting.push(pending);
    const active = { name, waiting: [pending], isReading: false };
    this.#active.set(key, active);
    this.#read(active);
  }

  /** What is not in the table is not there, whatever the database says. */
  #read(active: Active): void {
    if (this.#heads.table.get(active.name) === undefined) this.#work(active, nothingKept);
    else {
      active.isReading = true;
      this.send({ type: 'read', name: active.name });
    }
  }

  /** The row that the next request of the organization works on. */
  #row(name: Uint8Array, bytes: Uint8Array | undefined): void {
    const active = this.#active.get(bytesName(name));
    if (active === undefined || !active.isReading) return;
    active.isReading = false;
    const kept = this.#open(name, bytes);
    if (kept !== undefined) return void this.#work(active, kept);
    this.#context.log('row-refused', { reason: bytes === undefined ? 'missing' : 'old' });
    active.waiting.shift()?.answer({ type: 'refused', code: 'row-refused' });
    this.#next(active);
  }

  /** Undefined when it is not the newest row of the organization. */
  #open(name: Uint8Array, row: Uint8Array | undefined): KeptBackups | undefined {
    if (row === undefined || !this.#heads.isNewest(name, row)) return undefined;
    try {
      return this.#rows.open(name, row);
    } catch (error) {
      if (error instanceof CryptoError) return undefined;
      throw error;
    }
  }

  #work(active: Active, kept: KeptBackups): void {
    const pending = active.waiting.shift();
    if (pending === undefined) return void this.#active.delete(bytesName(active.name));
    const { permit } = pending;
    try {
      const acted = inOrder(kept, permit, (backups, isRepeated) => this.#apply(backups, pending, isRepeated));
      const { before, answer } = acted;
      const after = acted.kept === kept ? undefined : acted.kept;
      const event = eventOf(permit, { before, after: acted.kept.backups }, (...generation) =>
        this.#tokens.userIdOf(this.#settings.tenant.name, this.#tokens.subjectOf(...generation)),
      );
      if (after === undefined && event === undefined) {
        pending.answer(answer);
        this.#next(active);
      } else this.#done.push({ active, pending, answer, after, event });
    } catch (error) {
      if (!(error instanceof BackupRefusal)) throw error;
      pending.answer({ type: 'refused', code: error.code });
      this.#next(active);
    }
  }

  #next(active: Active): void {
    if (active.waiting.length === 0) return void this.#active.delete(bytesName(active.name));
    this.#read(active);
  }

  /**
   * The backups after a request, and its answer. The same list says that nothing changed. `isRepeated`: it is the one that changed
   * them last.
   */
  #apply(backups: Backups, { permit, content }: Pending, isRepeated: boolean): [Backups, BackupAnswer] {
    const { request, time } = permit;
    const times = { now: time, delay: this.#settings.deletionDelayMilliseconds };
    switch (request.method) {
      case 'listBackups':
        return [backups, { type: 'states', backups: backups.map(stateOf) }];
      case 'getBackup': {
        const { backupName, generation } = request.params;
        const { id, content: kept } = read(backups, backupName, generation, time);
        const state = stateNamed(backups, backupName);
        return [backups, { type: 'content', generation: id, content: kept, state }];
      }
      case 'getRealmTokens': {
        const { backupName, generation, scope } = request.params;
        const after = scope === 'delete' ? prepareDeletion(backups, backupName, generation) : backups;
        return [after, this.#tokensFor(after, permit, request.params)];
      }
      case 'putBackup': {
        const { backupName, generation } = request.params;
        this.#assertOperators(content!.placement);
        const after = put(backups, backupName, { id: generation, content: content! }, time);
        return [after, { type: 'state', ...stateNamed(after, backupName) }];
      }
      case 'activateBackup': {
        const { backupName, generation, current: over } = request.params;
        const after = isRepeated ? backups : activate(backups, backupName, { generation, over }, times);
        return [after, { type: 'state', ...stateNamed(after, backupName) }];
      }
      case 'deleteBackup': {
        const { backupName, generation } = request.params;
        const after = isRepeated ? backups : remove(backups, backupName, generation, times);
        return [after, { type: 'state', ...stateNamed(after, backupName) }];
      }
      case 'forgetGeneration': {
        const { backupName, generation } = request.params;
        const after = isRepeated ? backups : forget(backups, backupName, generation);
        return [after, { type: 'state', ...stateNamed(after, backupName) }];
      }
    }
  }

  /** Realms of one operator at the threshold are no threshold: an error in production, a loud line in development. */
  #assertOperators(placement: BackupPlacement): void {
    if (operatorOfThreshold(placement, this.#settings) === undefined) return;
    if (this.#context.profile === 'production') throw new BackupRefusal('operators-too-few');
    this.#context.log('realms-of-one-operator', {
      detail: 'whoever runs them and this keeper can search a PIN',
    });
  }

  #tokensFor(
    backups: Backups,
    { organization, time }: Permit,
    params: Extract<Permit['request'], { method: 'getRealmTokens' }>['params'],
  ): BackupAnswer {
    const { backupName, generation, scope, deviceKey } = params;
    const { realmIds } = placementFor(backups, backupName, generation, { scope, deviceKey, now: time });
    const { realms, tenant } = this.#settings;
    const held = new Set(realmIds.map(hexEncode));
    const subject = this.#tokens.subjectOf(organization, backupName, generation);
    const now = this.#context.clock();
    return {
      type: 'tokens',
      tokens: realms
        .filter((realmId) => held.has(realmId))
        .map((realmId) => ({
          realmId,
          token: this.#tokens.token({ tenant, realmId, subject, scope, deviceKey, now }),
        })),
      expires: (Math.floor(now / 1000) + tokenLifetimeSeconds) * 1000,
    };
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}

function callOf(payload: Uint8Array): BackupCall {
  try {
    return BackupCall.decode(payload);
  } catch (cause) {
    throw new BackupRefusal('call-malformed', { cause });
  }
}

/** The content that the request commits to; every other method comes without one. */
function contentOf({ content }: BackupCall, { request }: Permit): BackupContent | undefined {
  const wanted = request.method === 'putBackup' ? request.params.digest : undefined;
  if ((content === undefined) !== (wanted === undefined)) throw new BackupRefusal('content-other');
  if (content === undefined || wanted === undefined) return undefined;
  const encoded = BackupContent.encode(content);
  const isSame = equalBytes(sha256(encoded), wanted);
  encoded.fill(0);
  if (!isSame) throw new BackupRefusal('content-other');
  return content;
}
