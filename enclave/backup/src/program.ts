import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexEncode } from '@keystead/crypto/hex';
import { noiseRespond } from '@keystead/crypto/noise-nk';
import { bytesName, Recent } from '@keystead/crypto/recent';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { publicKey } from '@keystead/crypto/x25519';
import type { Program, Random } from '@keystead/enclave-runtime/program';
import type { FromBackup, ToBackup } from '@keystead/protocol/backup-frames';
import {
  BackupAnswer,
  BackupCall,
  BackupContent,
  BackupEnvelope,
  backupPrologue,
} from '@keystead/protocol/backup-messages';
import { branch } from '@keystead/protocol/deployment';
import { BackupRows } from './backup-rows.ts';
import {
  activate,
  type Backups,
  placementFor,
  put,
  read,
  remove,
  stateNamed,
  stateOf,
} from './backup-state.ts';
import { type Permit, permitOf } from './permit.ts';
import { RealmTokens, tokenLifetimeSeconds } from './realm-tokens.ts';
import { BackupRefusal } from './refusal.ts';
import type { BackupSettings } from './settings.ts';

export interface BackupContext {
  readonly keeperId: Uint8Array;
  readonly seed: SecretBytes;
  readonly settings: BackupSettings;
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
  /** What leaves when the row that is being stored is durable. */
  storing: { readonly pending: Pending; readonly answer: BackupAnswer } | undefined;
}

/** Organizations whose newest row is remembered while the process runs. */
const mostRemembered = 65_536;

/**
 * The keeper of backups (spec/backup.md): permitted requests in, answers for their sessions out. Storage sees sealed
 * rows. Nothing leaves before the row that it rests on is durable.
 */
export class BackupKeeper implements Program<ToBackup, FromBackup> {
  send: (message: FromBackup) => void = () => {};
  readonly keeperId: Uint8Array;
  /** X25519: what clients pin. */
  readonly publicKey: Uint8Array;
  readonly #context: BackupContext;
  readonly #staticKey: SecretBytes;
  readonly #rows: BackupRows;
  readonly #tokens: RealmTokens;
  readonly #active = new Map<string, Active>();
  /** The newest sequence of a row that was seen: what is older is not served. */
  readonly #newest = new Recent<number>(mostRemembered);
  readonly #counts = new Map<string, number>();
  #settings: BackupSettings;
  #opened = false;

  constructor(context: BackupContext) {
    this.#context = context;
    this.#settings = context.settings;
    this.keeperId = context.keeperId;
    this.#staticKey = branch(context.seed, 'keystead/backup/noise/v1');
    this.publicKey = publicKey(this.#staticKey.expose());
    this.#rows = new BackupRows(context);
    this.#tokens = new RealmTokens(context.seed, context.random);
  }

  configure(settings: BackupSettings): void {
    this.#settings = settings;
    this.#opened = false;
  }

  receive(message: ToBackup): void {
    switch (message.type) {
      case 'request':
        return void this.#request(message.id, message.body);
      case 'row':
        return void this.#row(message.name, message.bytes);
      case 'stored':
        return void this.#stored(message.name);
      case 'ping':
        return void this.send({
          type: 'pong',
          id: message.id,
          metrics: utf8Encode(canonicalize(Object.fromEntries(this.#counts))),
        });
    }
  }

  turn(): void {
    if (this.#opened) return;
    this.#opened = true;
    const reason = this.#settings.deployment === undefined ? 'not-configured' : '';
    const { keeperId, publicKey: own } = this;
    this.send({ type: 'open', keeperId, publicKey: own, tokenKey: this.#tokens.publicKey, reason });
  }

  #request(id: number, body: Uint8Array): void {
    const refuse = (code: string) => {
      this.#count(code);
      this.send({ type: 'answer', id, status: 400, body: new Uint8Array(0), refusal: code });
    };
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
    const active = this.#active.get(key);
    if (active !== undefined) return void active.waiting.push(pending);
    this.#active.set(key, { name, waiting: [pending], storing: undefined });
    this.send({ type: 'read', name });
  }

  /** The row that the next request of the organization works on. */
  #row(name: Uint8Array, bytes: Uint8Array | undefined): void {
    const active = this.#active.get(bytesName(name));
    if (active === undefined || active.storing !== undefined) return;
    const pending = active.waiting.shift();
    if (pending === undefined) return void this.#active.delete(bytesName(name));
    try {
      const { sequence, backups } = this.#open(name, bytes);
      const [after, answer] = this.#apply(backups, pending);
      if (after === backups) {
        pending.answer(answer);
        return void this.#next(active);
      }
      const next = sequence + 1;
      this.#newest.set(bytesName(name), next);
      active.storing = { pending, answer };
      this.send({ type: 'store', name, bytes: this.#rows.seal(name, next, after) });
    } catch (error) {
      if (!(error instanceof BackupRefusal)) throw error;
      pending.answer({ type: 'refused', code: error.code });
      this.#next(active);
    }
  }

  #open(name: Uint8Array, bytes: Uint8Array | undefined): { sequence: number; backups: Backups } {
    const known = this.#newest.peek(bytesName(name)) ?? 0;
    let opened: { sequence: number; backups: Backups };
    try {
      opened = bytes === undefined ? { sequence: 0, backups: [] } : this.#rows.open(name, bytes);
    } catch (cause) {
      if (!(cause instanceof CryptoError)) throw cause;
      throw this.#refusedRow(cause);
    }
    if (opened.sequence < known) throw this.#refusedRow();
    this.#newest.set(bytesName(name), opened.sequence);
    return opened;
  }

  #refusedRow(cause?: unknown): BackupRefusal {
    this.#context.log('row-refused');
    return new BackupRefusal('row-refused', { cause });
  }

  #stored(name: Uint8Array): void {
    const active = this.#active.get(bytesName(name));
    const storing = active?.storing;
    if (active === undefined || storing === undefined) return;
    active.storing = undefined;
    storing.pending.answer(storing.answer);
    this.#next(active);
  }

  #next(active: Active): void {
    if (active.waiting.length === 0) return void this.#active.delete(bytesName(active.name));
    this.send({ type: 'read', name: active.name });
  }

  /** The backups after a request, and its answer. The same list says that nothing changed. */
  #apply(backups: Backups, { permit, content }: Pending): [Backups, BackupAnswer] {
    const { request, time } = permit;
    switch (request.method) {
      case 'listBackups':
        return [backups, { type: 'states', backups: backups.map(stateOf) }];
      case 'getBackup': {
        const { backupName, generation } = request.params;
        const { id, content: kept } = read(backups, backupName, generation);
        const state = stateNamed(backups, backupName);
        return [backups, { type: 'content', generation: id, content: kept, state }];
      }
      case 'getRealmTokens':
        return [backups, this.#tokensFor(backups, permit, request.params)];
      case 'putBackup': {
        const { backupName, generation } = request.params;
        const after = put(backups, backupName, { id: generation, content: content! });
        return [after, { type: 'state', ...stateNamed(after, backupName) }];
      }
      case 'activateBackup': {
        const { backupName, generation } = request.params;
        const after = activate(backups, backupName, generation);
        return [after, { type: 'state', ...stateNamed(after, backupName) }];
      }
      case 'deleteBackup': {
        const { backupName, generation } = request.params;
        const delay = this.#settings.deletionDelayMilliseconds;
        const after = remove(backups, backupName, generation, { now: time, delay });
        return [after, { type: 'state', ...stateNamed(after, backupName) }];
      }
    }
  }

  #tokensFor(
    backups: Backups,
    { organization }: Permit,
    params: Extract<Permit['request'], { method: 'getRealmTokens' }>['params'],
  ): BackupAnswer {
    const { backupName, generation, scope } = params;
    const { realmIds } = placementFor(backups, backupName, generation, scope);
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
          token: this.#tokens.token({ tenant, realmId, subject, scope, now }),
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
