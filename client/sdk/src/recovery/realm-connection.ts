import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexEncode } from '@keystead/crypto/hex';
import { noiseInitiate, type NoiseTransport } from '@keystead/crypto/noise-nk';
import type { Realm } from '@keystead/juicebox/configuration';
import { nextChallenge, noChallenge, stampedBytes } from '@keystead/juicebox/device-stamp';
import {
  decodeResponse,
  encodeRequest,
  encodeStamped,
  type SecretsRequest,
  type SecretsResponse,
} from '@keystead/juicebox/messages';
import {
  type ClientRequest,
  type ClientResponse,
  decodeClientResponse,
  encodeClientRequest,
  unpadResponse,
} from '@keystead/juicebox/noise-messages';
import { pause } from './pause.ts';
import { RecoveryError, type RecoveryErrorCode } from './recovery-error.ts';
import { within } from './within.ts';

/** A key that stamps guesses and does not leave this device (spec/realm.md §9.1). Ed25519. */
export interface DeviceKey {
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

export interface ConnectionOptions {
  /** Left out where realms may not understand stamps: those of others than Keystead. */
  readonly device?: DeviceKey | undefined;
  /** A token of the user for one realm, by its id in hexadecimal. Asked for once per request. */
  readonly token: (realmId: string) => Promise<string> | string;
  readonly fetch: typeof fetch;
  readonly random: (length: number) => Uint8Array;
  /** Milliseconds until a request counts as lost. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** The version of the published client whose protocol this is. */
const protocolVersion = '0.3.7';
const maximumResponseBytes = 8192;

/** Requests that may be sent twice: the second changes nothing that the first did not. A guess may not. */
const repeatable: ReadonlySet<SecretsRequest['type']> = new Set([
  'Register1',
  'Register2',
  'Recover1',
  'Recover3',
  'Delete',
  'Status',
  'Challenge',
]);
/** Requests that a device's key stamps. */
const stampedRequests: ReadonlySet<SecretsRequest['type']> = new Set([
  'Register2',
  'Recover2',
  'Recover3',
  'Delete',
]);
/** Those of them whose stamp is over no challenge: that they come again changes nothing. */
const unchallenged: ReadonlySet<SecretsRequest['type']> = new Set(['Register2', 'Delete']);
/** Requests that may ride in a handshake. */
const handshakeRequests: ReadonlySet<SecretsRequest['type']> = new Set([
  'Register1',
  'Recover1',
  'Delete',
  'Status',
  'Challenge',
]);

/** Refusals that a realm gives as the answer to another request. */
const finalRefusals: Readonly<Record<string, RecoveryErrorCode>> = {
  'guesses-out-of-bounds': 'guesses-refused',
  'registrations-closed': 'registrations-closed',
  'registration-exists': 'registration-exists',
  'registration-deleted': 'registration-deleted',
  'device-stamp-needed': 'device-stamp-needed',
};

interface HttpResult {
  readonly status: number;
  readonly body: Uint8Array;
  readonly refusal: string;
  readonly retryAfter: number | undefined;
}

/** The way to one realm during one call: plain, or a Noise session of its own. */
export class RealmConnection {
  readonly realm: Realm;
  readonly #options: ConnectionOptions;
  readonly #sessionId: number;
  #transport: NoiseTransport | undefined;
  /** What the next stamp is over; undefined before the realm was asked. */
  #challenge: Uint8Array | undefined;

  constructor(realm: Realm, options: ConnectionOptions) {
    this.realm = realm;
    this.#options = options;
    this.#sessionId = new DataView(options.random(4).buffer).getUint32(0);
  }

  /** Rejects with RecoveryError. A guess is sent at most once. */
  async ask(request: SecretsRequest): Promise<SecretsResponse> {
    try {
      return await this.#once(request);
    } catch (error) {
      const mayRepeat = error instanceof RecoveryError && error.code === 'unavailable';
      if (!mayRepeat || !repeatable.has(request.type)) throw error;
      return await this.#once(request);
    }
  }

  async #once(request: SecretsRequest): Promise<SecretsResponse> {
    try {
      return await this.#ask(request);
    } catch (error) {
      // The realm may have taken it, or not.
      this.#transport = undefined;
      this.#challenge = undefined;
      throw error;
    }
  }

  /** Lets time pass, or less when the call is given up. */
  async rest(milliseconds: number): Promise<void> {
    await within(
      milliseconds,
      this.#options.signal,
      (either) =>
        new Promise<void>((resolve) => {
          if (either.aborted) resolve();
          else either.addEventListener('abort', () => resolve());
        }),
    );
  }

  /** The encoded request, with this device's stamp where it takes one. */
  async #encoded(request: SecretsRequest, token: string): Promise<Uint8Array> {
    const { device } = this.#options;
    const encoded = encodeRequest(request);
    if (device === undefined || !stampedRequests.has(request.type)) return encoded;
    const challenge = unchallenged.has(request.type) ? noChallenge : this.#challenge!;
    const { id: realmId } = this.realm;
    const signature = await device.sign(stampedBytes({ realmId, token, challenge, request: encoded }));
    this.#challenge = nextChallenge(challenge, signature);
    return encodeStamped({ type: 'Stamped', request: encoded, deviceKey: device.publicKey, signature });
  }

  /** Asks for the challenge, once in a call: what was stamped says what comes next. */
  async #findChallenge(): Promise<void> {
    const answer = await this.#ask({ type: 'Challenge' });
    this.#challenge = 'challenge' in answer ? answer.challenge : noChallenge;
  }

  async #ask(request: SecretsRequest): Promise<SecretsResponse> {
    const { publicKey } = this.realm;
    const isGuess = request.type === 'Recover2' || request.type === 'Recover3';
    if (isGuess && this.#options.device !== undefined && this.#challenge === undefined)
      await this.#findChallenge();
    if (publicKey !== undefined && this.#transport === undefined && !handshakeRequests.has(request.type))
      await this.#handshake(publicKey, new Uint8Array(0), 'HandshakeOnly', await this.#token());
    const token = await this.#token();
    const body = await this.#encoded(request, token);
    if (publicKey === undefined) {
      const result = await this.#post(body, token);
      return this.#read(request, result, result.body);
    }
    const transport = this.#transport;
    if (transport === undefined) {
      const { result, payload } = await this.#handshake(publicKey, body, 'SecretsRequest', token);
      return this.#read(request, result, unpad(payload));
    }
    const ciphertext = transport.toResponder.seal(body);
    const result = await this.#postEnvelope('SecretsRequest', { type: 'Transport', ciphertext }, token);
    const answer = this.#envelope(result);
    if (answer.type !== 'Transport') throw malformed(this.realm);
    return this.#read(
      request,
      result,
      unpad(this.#open(() => transport.toInitiator.open(answer.ciphertext))),
    );
  }

  async #handshake(publicKey: Uint8Array, body: Uint8Array, kind: ClientRequest['kind'], token: string) {
    await pause();
    const { message, finish } = noiseInitiate(publicKey, this.#options.random(32), body);
    const result = await this.#postEnvelope(kind, { type: 'Handshake', message }, token);
    const answer = this.#envelope(result);
    if (answer.type !== 'Handshake') throw malformed(this.realm);
    const { payload, transport } = this.#open(() => finish(answer.message));
    this.#transport = transport;
    return { result, payload };
  }

  /** What only the holder of the realm's key can have written; anything else is somebody on the way. */
  #open<T>(open: () => T): T {
    try {
      return open();
    } catch (cause) {
      if (!(cause instanceof CryptoError)) throw cause;
      throw new RecoveryError('answer-untrusted', { detail: nameOf(this.realm), cause });
    }
  }

  async #postEnvelope(
    kind: ClientRequest['kind'],
    encrypted: ClientRequest['encrypted'],
    token: string,
  ): Promise<HttpResult> {
    const envelope = { realm: this.realm.id, token, sessionId: this.#sessionId, kind, encrypted };
    return await this.#post(encodeClientRequest(envelope), undefined);
  }

  #envelope(result: HttpResult): Exclude<ClientResponse, { type: 'Refused' }> {
    let answer: ClientResponse | undefined;
    try {
      answer = decodeClientResponse(result.body);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
    }
    if (answer !== undefined && answer.type !== 'Refused') return answer;
    // Without its session or key a realm cannot answer; the next attempt begins anew.
    this.#transport = undefined;
    throw result.status === 200 ? malformed(this.realm) : this.#refused(result);
  }

  #read(request: SecretsRequest, result: HttpResult, body: Uint8Array): SecretsResponse {
    if (result.status !== 200) throw this.#refused(result);
    try {
      return decodeResponse(request.type, body);
    } catch (cause) {
      if (!(cause instanceof CryptoError)) throw cause;
      if (finalRefusals[result.refusal] !== undefined)
        throw new RecoveryError(finalRefusals[result.refusal]!, { cause });
      throw malformed(this.realm);
    }
  }

  #refused({ status, refusal, retryAfter }: HttpResult): RecoveryError {
    const codes: Readonly<Record<number, RecoveryErrorCode>> = {
      401: 'unauthorized',
      426: 'upgrade-required',
      429: refusal === 'guess-early' ? 'guess-early' : 'rate-limited',
    };
    const code = finalRefusals[refusal] ?? codes[status] ?? 'unavailable';
    return new RecoveryError(code, {
      detail: `${nameOf(this.realm)} answers ${status}${refusal === '' ? '' : ` (${refusal})`}`,
      ...(retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter }),
    });
  }

  async #token(): Promise<string> {
    try {
      return await this.#options.token(hexEncode(this.realm.id));
    } catch (cause) {
      throw new RecoveryError('unauthorized', { detail: `no token for ${nameOf(this.realm)}`, cause });
    }
  }

  async #post(body: Uint8Array, token: string | undefined): Promise<HttpResult> {
    const { fetch, timeout, signal } = this.#options;
    let response: Response;
    let bytes: Uint8Array;
    try {
      [response, bytes] = await within(timeout, signal, async (either) => {
        const answer = await fetch(new URL('req', this.realm.address), {
          method: 'POST',
          headers: {
            'x-juicebox-version': protocolVersion,
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          },
          body: body as Uint8Array<ArrayBuffer>,
          cache: 'no-store',
          credentials: 'omit',
          redirect: 'error',
          signal: either,
        });
        return [answer, new Uint8Array(await answer.arrayBuffer())] as const;
      });
    } catch (cause) {
      if (signal?.aborted) throw new RecoveryError('aborted', { cause });
      throw new RecoveryError('unavailable', { detail: `no answer from ${nameOf(this.realm)}`, cause });
    }
    if (bytes.length > maximumResponseBytes) throw malformed(this.realm);
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    return {
      status: response.status,
      body: bytes,
      refusal: response.headers.get('x-keystead-refusal') ?? '',
      retryAfter: Number.isFinite(seconds) ? seconds : undefined,
    };
  }
}

function unpad(plaintext: Uint8Array): Uint8Array {
  try {
    return unpadResponse(plaintext);
  } catch (error) {
    if (error instanceof CryptoError) return new Uint8Array(0);
    throw error;
  }
}

const nameOf = ({ id }: Realm) => `realm ${hexEncode(id)}`;
const malformed = (realm: Realm) => new RecoveryError('answer-malformed', { detail: nameOf(realm) });
