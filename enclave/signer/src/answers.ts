import { utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { HashMap } from '@keystead/crypto/hash-map';
import { RecentBytes } from '@keystead/crypto/recent-bytes';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { JsonValue } from '@keystead/crypto/strict-json';
import type { Clock, Random } from '@keystead/enclave-runtime/program';
import { answerRoleSigner, type FinishedAnswer, type Statement } from '@keystead/protocol/answer';
import { canonicalDigestOf, signStatements, statementVersion } from '@keystead/protocol/answer-signature';
import { zeroHash } from '@keystead/protocol/entry';
import { errorBytes } from '@keystead/protocol/error-bytes';
import type { KmsError } from '@keystead/protocol/errors';
import type { CommittedEntry } from './history.ts';

/** spec/signer.md §7. */
const rememberedMilliseconds = 6 * 60 * 1000;
const maximumRemembered = 10_000;
const maximumRememberedBytes = 64 * 1024 * 1024;
/** Only results are remembered. */
const rememberedStatus = 200;
/** Of the answers in one frame. */
const frameBytes = 4 * 1024 * 1024;
const frameAnswers = 1024;

interface Waiting {
  readonly identity: Uint8Array;
  readonly status: number;
  readonly body: Uint8Array;
  readonly statement: Statement;
  /** Undefined when the answer is not to be remembered. */
  readonly entryHash: Uint8Array | undefined;
}

/** The answers of one turn, stated together, and those of the last minutes. */
export class Answers {
  readonly #deployment: Uint8Array;
  readonly #signSeed: SecretBytes;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  // Of this turn, by entry hash: they have no signature yet.
  readonly #unstated = new HashMap<Waiting>();
  #finished: FinishedAnswer[] = [];
  /** Body and signature by entry hash, in the order of their statements. */
  readonly #remembered: RecentBytes;

  constructor(options: {
    readonly deploymentId: Uint8Array;
    readonly signSeed: SecretBytes;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#remembered = new RecentBytes({
      limit: maximumRemembered,
      mostBytes: maximumRememberedBytes,
      seed: options.random(32),
    });
    this.#deployment = options.deploymentId;
    this.#signSeed = options.signSeed;
    this.#clock = options.clock;
  }

  get remembered(): number {
    return this.#remembered.size;
  }

  /** Answers with what was answered to this entry before, if that is remembered; returns whether it is. */
  repeat({ entry, hash }: CommittedEntry): boolean {
    const unstated = this.#unstated.get(hash);
    if (unstated !== undefined) {
      this.#waiting.push({ ...unstated, entryHash: undefined });
      return true;
    }
    const known = this.#remembered.get(hash);
    if (known === undefined || known.at < this.#clock() - rememberedMilliseconds) return false;
    const { first: body, second: signature } = known;
    this.#finished.push({ identity: entry.identity, status: rememberedStatus, body, signature });
    return true;
  }

  result(committed: CommittedEntry, result: JsonValue): void {
    const { entry, hash } = committed;
    const body = utf8Encode(canonicalize(result));
    const waiting: Waiting = {
      identity: entry.identity,
      status: rememberedStatus,
      body,
      statement: this.#statement(entry.identity, rememberedStatus, body, committed),
      entryHash: hash,
    };
    this.#waiting.push(waiting);
    this.#unstated.set(hash, waiting);
  }

  /** `committed` is undefined while the entry is not shown to be history: the refusal then states no position. */
  refuse(identity: Uint8Array, error: KmsError, committed: CommittedEntry | undefined): void {
    const encoded = errorBytes(error);
    this.#waiting.push({
      identity,
      status: error.status,
      body: encoded,
      statement: this.#statement(identity, error.status, encoded, committed),
      entryHash: undefined,
    });
  }

  /** An answer to a request that nobody showed to be one: without a statement. */
  refuseUnstated(identity: Uint8Array, error: KmsError): void {
    this.#finished.push({
      identity,
      status: error.status,
      body: errorBytes(error),
      signature: new Uint8Array(0),
    });
  }

  /** Signs the statements of the turn; returns the answers in lists that fit a frame. */
  close(): FinishedAnswer[][] {
    const signatures = signStatements(
      this.#signSeed,
      this.#waiting.map(({ statement }) => statement),
    );
    const now = this.#clock();
    for (const [index, { identity, status, body, entryHash }] of this.#waiting.entries()) {
      const signature = signatures[index]!;
      this.#finished.push({ identity, status, body, signature });
      if (entryHash !== undefined) this.#remembered.set(entryHash, now, body, signature);
    }
    this.#remembered.dropBefore(now - rememberedMilliseconds);
    const lists = inFrames(this.#finished);
    this.#waiting = [];
    this.#unstated.clear();
    this.#finished = [];
    return lists;
  }

  #statement(
    identity: Uint8Array,
    status: number,
    body: Uint8Array,
    committed: CommittedEntry | undefined,
  ): Statement {
    const entry = committed?.entry;
    return {
      version: statementVersion,
      role: answerRoleSigner,
      deployment: this.#deployment,
      identity,
      status,
      resultDigest: canonicalDigestOf(body),
      organization: entry?.organization ?? new Uint8Array(16),
      position: entry?.position ?? 0,
      head: committed?.hash ?? zeroHash,
      time: entry?.time ?? this.#clock(),
    };
  }
}

const sizeOf = ({ body, signature }: FinishedAnswer): number => 64 + body.length + signature.length;

function inFrames(answers: readonly FinishedAnswer[]): FinishedAnswer[][] {
  const lists: FinishedAnswer[][] = [];
  let list: FinishedAnswer[] = [];
  let bytes = 0;
  for (const answer of answers) {
    if (list.length > 0 && (bytes + sizeOf(answer) > frameBytes || list.length === frameAnswers)) {
      lists.push(list);
      list = [];
      bytes = 0;
    }
    list.push(answer);
    bytes += sizeOf(answer);
  }
  if (list.length > 0) lists.push(list);
  return lists;
}
