/** A deployment's keys and a client's in memory, to make permitted calls with, and calls that nobody permitted. */
import { base64Encode } from '@keystead/crypto/base64';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { noiseInitiate } from '@keystead/crypto/noise-nk';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import * as x25519 from '@keystead/crypto/x25519';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import { answerRolePolicy, answerRoleSigner, type Statement } from '@keystead/protocol/answer';
import { allowedResult } from '@keystead/protocol/backup-permit';
import { resultDigestOf, signStatements, statementVersion } from '@keystead/protocol/answer-signature';
import type { BackupEvent, FromBackup, ToBackup } from '@keystead/protocol/backup-frames';
import {
  BackupAnswer,
  BackupCall,
  BackupContent,
  BackupEnvelope,
  backupPrologue,
} from '@keystead/protocol/backup-messages';
import { deploymentIdOf } from '@keystead/protocol/deployment';
import { type RawRequest, routeRpc, surfaceNative } from '@keystead/protocol/frames';
import { formatUuid } from '@keystead/protocol/ids';
import {
  contentDigest,
  parseStamp,
  requestIdentity,
  seenNone,
  signatureBase,
  signatureParameters,
} from '@keystead/protocol/stamp';
import { BackupKeeper } from '../src/program.ts';
import { type BackupSettings, parseBackupSettings } from '../src/settings.ts';

export const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const filled = (byte: number) => new Uint8Array(32).fill(byte);

export const organization = new Uint8Array(16).fill(7);
const roleOf = (seed: Uint8Array) => ({ sign: ed25519.publicKey(seed), agree: x25519.publicKey(seed) });
export const keys = { policy: roleOf(filled(1)), signer: roleOf(filled(2)), certifier: roleOf(filled(3)) };
export const deploymentId = deploymentIdOf(keys);
const stampSeed = filled(4);

export const realmIds = ['00'.repeat(16), '11'.repeat(16), '22'.repeat(16)];

export const content = (value: number): BackupContent => ({
  share: new Uint8Array(33).fill(value),
  ciphertext: new Uint8Array(35).fill(value),
  pepper: new Uint8Array(32).fill(value + 64),
  seedIdentity: new Uint8Array(16).fill(6),
  deviceKey: undefined,
  placement: {
    realmIds: realmIds.map((id) => new Uint8Array(Buffer.from(id, 'hex'))),
    recoverThreshold: 2,
    pinHashingMode: 'Standard2019',
  },
});

export function settings(changed: Record<string, unknown> = {}): BackupSettings {
  const text = ({ sign, agree }: { sign: Uint8Array; agree: Uint8Array }) => ({
    sign: base64urlEncode(sign),
    agree: base64urlEncode(agree),
  });
  return parseBackupSettings(
    JSON.stringify({
      deployment: {
        deploymentId: base64urlEncode(deploymentId),
        keys: { policy: text(keys.policy), signer: text(keys.signer), certifier: text(keys.certifier) },
      },
      realms: realmIds,
      ...changed,
    }),
  );
}

export interface CallOptions {
  readonly method: string;
  readonly params?: Record<string, unknown>;
  readonly content?: BackupContent;
  /** Changes to what the signer states. */
  readonly statement?: Partial<Statement>;
  /** Who states it: 1 policy engine, 2 signer. */
  readonly statedBy?: number;
  /** Changes to what the policy engine states, and who states it. */
  readonly allowance?: Partial<Statement>;
  readonly allowedBy?: number;
  /** Changes to the request after it was stated. */
  readonly altered?: (request: RawRequest) => RawRequest;
  /** The key of the handshake when it is not that of the request. */
  readonly otherSession?: Uint8Array;
}

/** A keeper with rows in memory. */
export class KeeperWorld {
  now = 1_800_000_000_000;
  profile: 'development' | 'production' = 'development';
  /** The database, how far it is, and its events. */
  rows = new Map<string, Uint8Array>();
  sequence = 0;
  readonly events: BackupEvent[] = [];
  /** The heads log. */
  records: { readonly sequence: number; readonly record: Uint8Array }[] = [];
  readonly logged: string[] = [];
  /** What storage answers to `read`. */
  stored = (name: Uint8Array): Uint8Array | undefined => this.rows.get(String(name));
  readonly seed = new SecretBytes(filled(9));
  keeper: BackupKeeper;
  readonly keeperId = new Uint8Array(16).fill(8);
  #nextId = 1;
  #position = 2;
  #answers = new Map<number, Extract<FromBackup, { type: 'answer' }>>();

  constructor(given = settings()) {
    this.keeper = this.#start(given);
  }

  #start(given: BackupSettings): BackupKeeper {
    const keeper = new BackupKeeper(
      {
        keeperId: this.keeperId,
        seed: this.seed,
        settings: given,
        profile: this.profile,
        clock: () => this.now,
        random,
        log: (event) => void this.logged.push(event),
      },
      this.#heads(),
    );
    keeper.send = (message) => this.#take(message);
    return keeper;
  }

  restart(given = settings()): void {
    this.keeper = this.#start(given);
  }

  #heads(): HeadsPort {
    return {
      load: async () => ({ snapshot: undefined, snapshotSequence: 0, records: [...this.records] }),
      append: async (sequence, record) => void this.records.push({ sequence, record: concatBytes(record) }),
      snapshot: async () => {},
    };
  }

  #take(message: FromBackup): void {
    const later = (answer: ToBackup) => queueMicrotask(() => this.keeper.receive(answer));
    switch (message.type) {
      case 'open':
        this.tokenKey = message.tokenKey;
        return void later({ type: 'opened', sequence: this.sequence });
      case 'answer':
        return void this.#answers.set(message.id, message);
      case 'read':
        return void later({ type: 'row', name: message.name, bytes: this.stored(message.name) });
      case 'store':
        for (const { name, bytes } of message.rows) {
          if (bytes === undefined) this.rows.delete(String(name));
          else this.rows.set(String(name), bytes);
        }
        this.sequence = message.sequence;
        this.events.push(...message.events);
        return void later({ type: 'stored', sequence: message.sequence });
      case 'pong':
        this.reason = message.reason;
    }
  }

  /** What realms are given, as it says at its start. */
  tokenKey: Uint8Array | undefined;
  /** Why it does not serve, as it says now. */
  reason = '';

  /** What the host reads at `/readyz`. */
  async readiness(): Promise<string> {
    await this.turns(10);
    this.keeper.receive({ type: 'ping', id: 0 });
    await this.turns(10);
    return this.reason;
  }

  async turns(count = 50): Promise<void> {
    for (let turn = 0; turn < count; turn += 1) {
      this.keeper.turn();
      await Promise.resolve();
    }
  }

  /** What the deployment answers to a request: what a client takes to the keeper. */
  permit(body: Uint8Array, options: Pick<CallOptions, 'statement' | 'statedBy' | 'allowance' | 'allowedBy'>) {
    const request = this.#stamped(body);
    const common = {
      version: statementVersion,
      deployment: deploymentId,
      identity: requestIdentity(parseStamp(request), body),
      status: 200,
      organization,
      position: (this.#position += 1),
      head: filled(5),
      time: this.now,
    };
    const allowance: Statement = {
      ...common,
      role: answerRolePolicy,
      resultDigest: resultDigestOf(200, allowedResult),
      ...options.allowance,
    };
    const [allowed] = signStatements(new SecretBytes(filled(options.allowedBy ?? 1)), [allowance]);
    const stated: Statement = {
      ...common,
      role: answerRoleSigner,
      resultDigest: resultDigestOf(200, { permitted: true, allowed: base64urlEncode(allowed!) }),
      ...options.statement,
    };
    const [signature] = signStatements(new SecretBytes(filled(options.statedBy ?? 2)), [stated]);
    return { request, signature: signature!, allowed: allowed! };
  }

  /** The bytes of one call, and what reads its answer. */
  message(options: CallOptions) {
    const ephemeral = random(32);
    const session = base64urlEncode(x25519.publicKey(ephemeral));
    const digest =
      options.content === undefined || options.method !== 'putBackup'
        ? {}
        : { digest: base64urlEncode(sha256(BackupContent.encode(options.content))) };
    const body = utf8Encode(
      JSON.stringify({
        method: options.method,
        params: { organizationId: formatUuid(organization), session, ...digest, ...options.params },
      }),
    );
    const permitted = this.permit(body, options);
    const call = BackupCall.encode({
      ...permitted,
      request: options.altered?.(permitted.request) ?? permitted.request,
      content: options.content,
    });
    const prologue = backupPrologue(this.keeperId);
    const secret = options.otherSession ?? ephemeral;
    const handshake = () => noiseInitiate(this.keeper.publicKey, secret.slice(), call, prologue);
    // A handshake ends once; the same bytes can be answered more often.
    const finish = (answer: BackupEnvelope) => handshake().finish(answer);
    return { bytes: BackupEnvelope.encode(handshake().message), finish };
  }

  async send(bytes: Uint8Array): Promise<Extract<FromBackup, { type: 'answer' }>> {
    // A keeper that was just started has read its heads log then.
    await this.turns(10);
    const id = this.#nextId++;
    this.keeper.receive({ type: 'request', id, body: bytes });
    for (let turn = 0; turn < 100 && !this.#answers.has(id); turn += 1) await this.turns(1);
    return this.#answers.get(id)!;
  }

  async call(options: CallOptions): Promise<BackupAnswer> {
    const { bytes, finish } = this.message(options);
    const answer = await this.send(bytes);
    return BackupAnswer.decode(finish(BackupEnvelope.decode(answer.body)).payload);
  }

  #stamped(body: Uint8Array): RawRequest {
    const path = '/v1/rpc';
    const created = Math.floor(this.now / 1000);
    const publicKey = ed25519.publicKey(stampSeed);
    const nonce = base64urlEncode(random(16));
    const parameters = signatureParameters({
      ...{ created, expires: created + 60, nonce, publicKey },
      algorithm: 'ed25519',
    });
    const deployment = base64urlEncode(deploymentId);
    const base = signatureBase({ path, body, deployment, origin: 'none', seen: seenNone, parameters });
    return {
      surface: surfaceNative,
      route: routeRpc,
      path,
      signatureInput: `keystead=${parameters}`,
      signature: `keystead=:${base64Encode(ed25519.sign(stampSeed, base))}:`,
      contentDigest: contentDigest(body),
      deployment,
      origin: 'none',
      seen: seenNone,
      phantomStamp: undefined,
      body,
    };
  }
}
