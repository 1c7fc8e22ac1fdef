import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import type { JsonValue } from '@keystead/crypto/strict-json';
import type { RawRequest } from '@keystead/protocol/frames';
import { formatUuid, organizationIdOf, parseUuid } from '@keystead/protocol/ids';
import { type ParsedRequest, parseRequest } from '@keystead/protocol/request';
import { type AnswerExpectation, type CheckedAnswer, checkAnswer, remember } from './check-answer.ts';
import { checkResult } from './check-result.ts';
import { type PinnedKeys, readDeployment, readRoot } from './deployment-document.ts';
import { errorOfBody, KmsError } from './errors.ts';
import { type ClientMemory, processMemory } from './memory.ts';
import type { NativeMethod, ParamsOf, ResultOf } from './native-calls.ts';
import { freshNonce, rpcPath, stampRequest } from './stamp-request.ts';
import type { Stamper } from './stampers/stamper.ts';
import { type Fetch, type RawAnswer, transmit } from './transmit.ts';

/** A result with what its enclave states about it. */
export interface VerifiedAnswer<R> {
  readonly result: R;
  readonly organizationId: string;
  /** Of a decided request: the position and hash of its entry. Of a read: the end of the chain that was read. */
  readonly position: number;
  readonly head: Uint8Array;
  /** Milliseconds. */
  readonly time: number;
  /** What the network said of a broadcast. The host's word: no enclave states it. */
  readonly submission: JsonValue | undefined;
  /** Request and signed statement: with both, whoever knows the deployment's keys sees what was asked and answered. */
  readonly evidence: { readonly request: RawRequest; readonly signature: Uint8Array };
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** The approvals of others that the request carries, as getApprovals gives them (spec/approval.md). */
  readonly approvals?: readonly string[];
}

export interface Client {
  /** The server, without a slash at the end. */
  readonly baseUrl: string;
  /** 32 bytes: the pinned root of trust. */
  readonly deploymentId: Uint8Array;
  readonly stamper: Stamper;
  /**
   * Calls one method and returns its result, which an enclave of the pinned deployment states. Throws KmsError:
   * `deployment-mismatch`, `answer-unverified`, `answer-rolled-back`, and AnsweredError for refusals and for no answer.
   */
  call<M extends NativeMethod>(method: M, params: ParamsOf<M>, options?: CallOptions): Promise<ResultOf<M>>;
  /** As `call`, with position, time and what the network said. */
  callVerified<M extends NativeMethod>(
    method: M,
    params: ParamsOf<M>,
    options?: CallOptions,
  ): Promise<VerifiedAnswer<ResultOf<M>>>;
}

export interface ClientOptions {
  /** `http://127.0.0.1:7400`; paths are added to it. */
  readonly baseUrl: string;
  readonly stamper: Stamper;
  /** Deployment id: 43 characters of base64url, from a source other than the server itself. */
  readonly root: string;
  readonly fetch?: Fetch;
  readonly memory?: ClientMemory;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  readonly wait?: (milliseconds: number) => Promise<void>;
}

const deploymentTimeLimit = 20_000;

/** A client of one deployment with one key. It returns no result that it could not verify. Throws KmsError `parameter-invalid`. */
export function createClient(options: ClientOptions): Client {
  return new VerifyingClient(options);
}

class VerifyingClient implements Client {
  readonly baseUrl: string;
  readonly deploymentId: Uint8Array;
  readonly stamper: Stamper;
  readonly #root: string;
  readonly #fetch: Fetch;
  readonly #memory: ClientMemory;
  readonly #clock: () => number;
  readonly #wait: (milliseconds: number) => Promise<void>;
  #keys: Promise<PinnedKeys> | undefined;
  /** The highest generation of role keys that was seen: none before it counts. */
  #generation = 0;
  // Answers are remembered one after the other, so that no older one overwrites a newer one.
  #remembering: Promise<unknown> = Promise.resolve();

  constructor(options: ClientOptions) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, '');
    this.deploymentId = readRoot(options.root);
    this.stamper = options.stamper;
    this.#root = options.root;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#memory = options.memory ?? processMemory();
    this.#clock = options.clock ?? Date.now;
    this.#wait =
      options.wait ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)));
  }

  async call<M extends NativeMethod>(
    method: M,
    params: ParamsOf<M>,
    options?: CallOptions,
  ): Promise<ResultOf<M>> {
    return (await this.callVerified(method, params, options)).result;
  }

  async callVerified<M extends NativeMethod>(
    method: M,
    params: ParamsOf<M>,
    options: CallOptions = {},
  ): Promise<VerifiedAnswer<ResultOf<M>>> {
    const { approvals } = options;
    const body = utf8Encode(
      JSON.stringify({ method, params, ...(approvals === undefined ? {} : { approvals }) }),
    );
    // What the enclaves would refuse to read is refused before anything is stamped.
    const request = parseRequest('native', 'rpc', body);
    const keys = await this.#deploymentKeys();
    const seen = request.organizationId === null ? undefined : await this.#memory.get(request.organizationId);
    const stamped = await stampRequest({
      stamper: this.stamper,
      body,
      deployment: this.#root,
      origin: originHere(),
      organizationId: request.organizationId,
      seen,
      now: this.#clock(),
      nonce: freshNonce(),
    });
    const answer = await transmit({
      fetch: this.#fetch,
      url: `${this.baseUrl}${rpcPath}`,
      method: 'POST',
      headers: stamped.headers,
      body,
      expires: stamped.expires,
      now: this.#clock,
      wait: this.#wait,
      signal: options.signal,
    });
    const organization = this.#organizationOf(request, stamped.identity);
    const expected: Omit<AnswerExpectation, 'keys'> = {
      root: this.deploymentId,
      identity: stamped.identity,
      kind: request.kind,
      organization,
      seen,
      now: this.#clock(),
    };
    const checked = await this.#checked(answer, keys, expected);
    const { result, statement, signature, submission } = checked;
    checkResult(request, result, { organization, identity: stamped.identity });
    const organizationId = formatUuid(organization);
    await this.#remember(organizationId, statement);
    const { position, head, time } = statement;
    const evidence = { request: stamped.raw, signature };
    return {
      result: result as unknown as ResultOf<M>,
      organizationId,
      position,
      head,
      time,
      submission,
      evidence,
    };
  }

  /** When the answer is not of the keys that this client knows, those of now are asked for once. */
  async #checked(
    answer: RawAnswer,
    keys: PinnedKeys,
    expected: Omit<AnswerExpectation, 'keys'>,
  ): Promise<CheckedAnswer> {
    try {
      return checkAnswer(answer, { ...expected, keys });
    } catch (error) {
      if (!(error instanceof KmsError) || error.code !== 'answer-unverified') throw error;
      this.#keys = undefined;
      const now = await this.#deploymentKeys();
      if (now.current.generation <= keys.current.generation) throw error;
      return checkAnswer(answer, { ...expected, keys: now });
    }
  }

  /** Once; again after a failure. */
  #deploymentKeys(): Promise<PinnedKeys> {
    this.#keys ??= this.#fetchDeployment().catch((error: unknown) => {
      this.#keys = undefined;
      throw error;
    });
    return this.#keys;
  }

  async #fetchDeployment(): Promise<PinnedKeys> {
    const answer = await transmit({
      fetch: this.#fetch,
      url: `${this.baseUrl}/v1/deployment`,
      method: 'GET',
      expires: this.#clock() + deploymentTimeLimit,
      now: this.#clock,
      wait: this.#wait,
    });
    if (answer.status !== 200) throw errorOfBody(answer.status, undefined, false);
    const keys = readDeployment(answer.body, this.deploymentId);
    if (keys.current.generation < this.#generation)
      throw new KmsError('deployment-mismatch', {
        detail: 'The server shows keys of the roles that were replaced.',
        hint: 'It is an older state of this deployment, or a copy of it.',
      });
    this.#generation = keys.current.generation;
    return keys;
  }

  #organizationOf(request: ParsedRequest, identity: Uint8Array): Uint8Array {
    if (request.method === 'createOrganization') return organizationIdOf(this.deploymentId, identity);
    const organization = request.organizationId === null ? undefined : parseUuid(request.organizationId);
    if (organization === undefined)
      throw new KmsError('parameter-invalid', {
        field: 'params.organizationId',
        detail: 'params.organizationId is required',
      });
    return organization;
  }

  #remember(organizationId: string, statement: Parameters<typeof remember>[1]): Promise<void> {
    const next = this.#remembering.then(async () => {
      const known = await this.#memory.get(organizationId);
      const now = remember(known, statement);
      if (now !== known) await this.#memory.set(organizationId, now);
    });
    this.#remembering = next.catch(() => undefined);
    return next;
  }
}

/** The web origin of a page, and `none` elsewhere: servers, workers without one, extensions with schemes of their own. */
function originHere(): string {
  const origin = (globalThis as { location?: { origin?: unknown } }).location?.origin;
  return typeof origin === 'string' && /^https?:\/\//.test(origin) ? origin : 'none';
}

/** base64url without padding, as every parameter of the native surface takes bytes. */
export const encodeBytes: (bytes: Uint8Array) => string = base64urlEncode;
