import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import { answerRolePolicy } from '@keystead/protocol/answer';
import { canonicalDigestOf, signStatements, statementVersion } from '@keystead/protocol/answer-signature';
import { errorBytes } from '@keystead/protocol/error-bytes';
import { KmsError, toKmsError } from '@keystead/protocol/errors';
import type { FromPolicy } from '@keystead/protocol/frames';
import { receiptLifetimeMilliseconds } from '@keystead/protocol/receipt';
import type { HeldAnswer } from './batch.ts';
import { inMessages } from './messages.ts';
import type { Organization } from './organization.ts';

type Answer = Extract<FromPolicy, { type: 'answers' }>['answers'][number];

/** An answer that is ready to leave. Its body is canonical JSON. */
export type StatedAnswer = Omit<HeldAnswer, 'organization' | 'narrows'> & {
  readonly organization: Uint8Array;
};

/** An answer that states the present state of an organization, waiting until its tail is certified. */
export interface ReadAnswer {
  readonly refs: readonly number[];
  readonly identity: Uint8Array;
  readonly organization: Organization;
  /** All organizations whose state it shows. */
  readonly shown: ReadonlySet<Organization>;
  readonly status: number;
  readonly body: Uint8Array;
  /** The end of the tail that it was read from. */
  readonly position: number;
  readonly hash: Uint8Array;
  /** Batch after whose receipt everything that it shows is history. */
  readonly afterBatch: number;
}

const answersPerMessage = 1024;

/** What the engine answers by itself, until the end of the turn in which it may leave. */
export class Answers {
  readonly #context: EnclaveContext;
  readonly #toState: StatedAnswer[] = [];
  readonly #unstated: Answer[] = [];
  #reads: ReadAnswer[] = [];
  /** Answers of narrowing changes by batch, until the signer has noted their floors. */
  readonly #fenced = new Map<number, { readonly answers: readonly StatedAnswer[]; readonly until: number }>();
  lockedRefusals = 0;

  constructor(context: EnclaveContext) {
    this.#context = context;
  }

  state(answer: StatedAnswer): void {
    this.#toState.push(answer);
  }

  read(answer: ReadAnswer): void {
    this.#reads.push(answer);
  }

  /** Answers an error that no entry stands for; the host could have invented it, so it is not stated. */
  refuse(refs: readonly number[], identity: Uint8Array, thrown: unknown): void {
    if (refs.length === 0) return;
    const error = toKmsError(thrown);
    if (error.code === 'organization-locked') this.lockedRefusals += 1;
    if (error.code === 'internal')
      this.#context.log('internal-error', {
        name: thrown instanceof Error ? thrown.name : 'unknown',
        at: placeOf(thrown),
      });
    this.#unstated.push({
      refs: [...refs],
      answer: {
        identity,
        status: error.status,
        body: errorBytes(error),
        signature: new Uint8Array(0),
      },
    });
  }

  /** Holds answers of a batch back until `releaseFence`, or until no signer takes its receipt any more. */
  fence(batch: number, answers: readonly StatedAnswer[], now: number): void {
    if (answers.length > 0) this.#fenced.set(batch, { answers, until: now + receiptLifetimeMilliseconds });
  }

  /** The signer signs nothing below the floors of that batch any more: who took something back may know it. */
  releaseFence(batch: number): void {
    this.#toState.push(...(this.#fenced.get(batch)?.answers ?? []));
    this.#fenced.delete(batch);
  }

  /** No signer takes a receipt after its lifetime: what no signer noted needs no note then. */
  releaseOldFences(now: number): void {
    for (const [batch, { until }] of this.#fenced) if (now > until) this.releaseFence(batch);
  }

  /** Releases the reads whose batch is not out any more, and refuses those whose tail was given up. */
  releaseReads(
    isOut: (batch: number) => boolean,
    isCurrent: (organization: Organization) => boolean,
    now: number,
  ): void {
    if (this.#reads.length === 0) return;
    const reads = this.#reads;
    this.#reads = reads.filter(({ afterBatch }) => isOut(afterBatch));
    for (const read of reads) {
      if (isOut(read.afterBatch)) continue;
      const { refs, identity, organization, status, body, position, hash } = read;
      if (![...read.shown].every(isCurrent)) this.refuse(refs, identity, new KmsError('unavailable', {}));
      else
        this.state({
          refs,
          identity,
          organization: organization.id,
          status,
          body,
          position,
          hash,
          time: now,
        });
    }
  }

  refuseReads(error: KmsError): void {
    for (const { refs, identity } of this.#reads) this.refuse(refs, identity, error);
    this.#reads = [];
  }

  /** Sends everything of the turn, under one signature over all statements. */
  flush(send: (message: FromPolicy) => void): void {
    if (this.#unstated.length === 0 && this.#toState.length === 0) return;
    const answers = this.#unstated.splice(0);
    const stated = this.#toState.splice(0);
    const signatures = signStatements(
      this.#context.signSeed,
      stated.map((answer) => ({
        version: statementVersion,
        role: answerRolePolicy,
        deployment: this.#context.deploymentId,
        identity: answer.identity,
        status: answer.status,
        resultDigest: canonicalDigestOf(answer.body),
        organization: answer.organization,
        position: answer.position,
        head: answer.hash,
        time: answer.time,
      })),
    );
    for (const [index, { refs, identity, status, body }] of stated.entries())
      answers.push({
        refs: [...refs],
        answer: { identity, status, body, signature: signatures[index]! },
      });
    const sizeOf = ({ answer }: Answer) => answer.body.length + answer.signature.length + 8192;
    for (const part of inMessages(answers, sizeOf, answersPerMessage))
      send({ type: 'answers', answers: part });
  }
}

/** File and line of an unforeseen exception: enough to find it, and never its message. */
function placeOf(thrown: unknown): string {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
  return (
    stack
      .split('\n')
      .find((line) => line.includes(':'))
      ?.trim()
      .slice(0, 200) ?? ''
  );
}
