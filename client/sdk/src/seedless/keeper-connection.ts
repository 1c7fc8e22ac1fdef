import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { hexDecode } from '@keystead/crypto/hex';
import { noiseInitiate } from '@keystead/crypto/noise-nk';
import { sha256 } from '@keystead/crypto/sha256';
import { publicKey } from '@keystead/crypto/x25519';
import {
  BackupAnswer,
  BackupCall,
  BackupContent,
  BackupEnvelope,
  backupPrologue,
} from '@keystead/protocol/backup-messages';
import type { BackupMethod } from '@keystead/protocol/backup-permit';
import type { Client } from '../client.ts';
import { KmsError } from '../errors.ts';
import type { NativeMethod, ParamsOf, Permitted } from '../native-calls.ts';
import { within } from '../recovery/within.ts';
import { callWithStepUp, type StepUp } from '../step-up.ts';
import { throwIfAborted } from '../throw-if-aborted.ts';
import type { DeviceStore } from './device-store.ts';
import { PendingSession } from './pending-session.ts';
import { SeedlessError } from './seedless-error.ts';

/** A keeper of backups: where it is, and the key that this client believes. */
export interface KeeperDocument {
  readonly address: string;
  /** Hexadecimal. */
  readonly id: string;
  /** X25519, hexadecimal. */
  readonly publicKey: string;
}

export type KeeperMethod = Extract<NativeMethod, BackupMethod>;
type Params<M extends KeeperMethod> = Omit<ParamsOf<M>, 'organizationId' | 'session' | 'digest'>;
type Answered = Exclude<BackupAnswer, { type: 'refused' }>['type'];
const answers = {
  putBackup: 'state',
  activateBackup: 'state',
  deleteBackup: 'state',
  forgetGeneration: 'state',
  getBackup: 'content',
  listBackups: 'states',
  getRealmTokens: 'tokens',
} as const satisfies Record<KeeperMethod, Answered>;
type AnswerOf<M extends KeeperMethod> = Extract<BackupAnswer, { type: (typeof answers)[M] }>;

const timeLimit = 20_000;
/** Of one call, when others of the account are faster. */
const attempts = 4;
const random = (length: number) => globalThis.crypto.getRandomValues(new Uint8Array(length));

export interface KeeperConnectionOptions {
  readonly client: Client;
  readonly organizationId: string;
  readonly keeper: KeeperDocument;
  readonly fetch: typeof fetch;
  /** Where others have to agree; without it, what they have said is collected, and the refusal is the answer when it is too little. */
  readonly stepUp?: StepUp | undefined;
  /** Where what waits for others outlives this process. */
  readonly deviceStore?: DeviceStore;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export interface KeeperCallOptions {
  readonly content?: BackupContent | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks the deployment for permission, then the keeper, inside one Noise handshake whose key stands in the permitted
 * request (spec/backup.md §3): nobody between reads content, share or token, and nobody else can use the permission.
 */
export class KeeperConnection {
  readonly #options: KeeperConnectionOptions;
  readonly #keeperId: Uint8Array;
  readonly #publicKey: Uint8Array;

  constructor(options: KeeperConnectionOptions) {
    this.#options = options;
    this.#keeperId = hexDecode(options.keeper.id);
    this.#publicKey = hexDecode(options.keeper.publicKey);
  }

  /**
   * Throws KmsError where the deployment refuses, SeedlessError where the keeper does, and what the step-up throws. A request that
   * another device's overtook on its way changed nothing, and is made anew.
   */
  async call<M extends KeeperMethod>(
    method: M,
    params: Params<M>,
    options: KeeperCallOptions = {},
  ): Promise<AnswerOf<M>> {
    for (let left = attempts; ; left -= 1) {
      try {
        return await this.#call(method, params, options);
      } catch (error) {
        throwIfAborted(options.signal);
        const isOvertaken = error instanceof SeedlessError && error.reason === 'request-overtaken';
        if (!isOvertaken || left === 1) throw error;
      }
    }
  }

  async #call<M extends KeeperMethod>(
    method: M,
    params: Params<M>,
    options: KeeperCallOptions,
  ): Promise<AnswerOf<M>> {
    const { organizationId, deviceStore } = this.#options;
    const { content, signal } = options;
    const digest =
      content === undefined ? {} : { digest: base64urlEncode(sha256(BackupContent.encode(content))) };
    const pending = new PendingSession(deviceStore, organizationId, method, params);
    const ephemeral = (await pending.read()) ?? random(32);
    const session = base64urlEncode(publicKey(ephemeral));
    // What the method of the keeper takes, with what every one of them takes.
    const asked = { ...params, ...digest, organizationId, session } as unknown as ParamsOf<M>;
    const { evidence, result } = await this.#permitted(method, asked, options, pending, ephemeral);
    const payload = BackupCall.encode({
      ...evidence,
      allowed: base64urlDecode((result as Permitted).allowed),
      content,
    });
    const prologue = backupPrologue(this.#keeperId);
    const handshake = noiseInitiate(this.#publicKey, ephemeral, payload, prologue);
    payload.fill(0);
    const body = await this.#post(BackupEnvelope.encode(handshake.message), signal);
    let answer: BackupAnswer;
    try {
      const opened = handshake.finish(BackupEnvelope.decode(body)).payload;
      answer = BackupAnswer.decode(opened);
      opened.fill(0);
    } catch (cause) {
      throw new SeedlessError('keeper-untrusted', { cause });
    }
    if (answer.type === 'refused') {
      const { code } = answer;
      if (code === 'backup-not-found' || code === 'seed-other') throw new SeedlessError(code);
      throw new SeedlessError('backup-refused', { reason: code });
    }
    if (answer.type !== answers[method]) throw new SeedlessError('keeper-untrusted');
    return answer as AnswerOf<M>;
  }

  async #permitted<M extends KeeperMethod>(
    method: M,
    params: ParamsOf<M>,
    { signal }: KeeperCallOptions,
    pending: PendingSession,
    ephemeral: Uint8Array,
  ) {
    const { client, stepUp, clock } = this.#options;
    try {
      const permitted = await callWithStepUp(client, method, params, {
        ...{ stepUp, signal, clock },
        refused: () => pending.write(ephemeral),
      });
      // One key opens one handshake.
      await pending.remove();
      return permitted;
    } catch (error) {
      // The next attempt is another request, to which others can agree.
      if (error instanceof KmsError && error.code === 'approval-rejected') await pending.remove();
      throw error;
    }
  }

  /** Every request of a keeper may come twice: it is sent again once when no answer came. */
  async #post(body: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
    for (let again = true; ; again = false) {
      try {
        return await this.#postOnce(body, signal);
      } catch (error) {
        throwIfAborted(signal);
        if (!again || !(error instanceof SeedlessError) || error.code !== 'keeper-unavailable') throw error;
      }
    }
  }

  async #postOnce(body: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const { keeper, fetch: send } = this.#options;
    let response: Response;
    let answered: Uint8Array;
    try {
      [response, answered] = await within(timeLimit, signal, async (either) => {
        const sent = await send(new URL('v1/backup', keeper.address).href, {
          method: 'POST',
          headers: { 'content-type': 'application/octet-stream' },
          redirect: 'error',
          signal: either,
          body: body as BodyInit,
        });
        return [sent, new Uint8Array(await sent.arrayBuffer())] as const;
      });
    } catch (cause) {
      throw new SeedlessError('keeper-unavailable', { cause });
    }
    if (response.status === 200) return answered;
    const reason = response.headers.get('x-keystead-refusal') ?? `status ${response.status}`;
    if (response.status >= 500 || response.status === 429)
      throw new SeedlessError('keeper-unavailable', { detail: reason });
    throw new SeedlessError('backup-refused', { reason });
  }
}
