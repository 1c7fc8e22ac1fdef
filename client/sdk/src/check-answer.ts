import { base64urlDecode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';
import { answerRolePolicy, answerRoleSigner, type Statement } from '@keystead/protocol/answer';
import { verifyAnswer } from '@keystead/protocol/answer-signature';
import { zeroHash } from '@keystead/protocol/entry';
import type { MethodKind } from '@keystead/protocol/method-table';
import type { PinnedKeys } from './deployment-document.ts';
import { errorOfBody, KmsError } from './errors.ts';
import type { Remembered } from './memory.ts';
import type { RawAnswer } from './transmit.ts';

export interface CheckedAnswer {
  readonly result: JsonValue;
  readonly statement: Statement;
  /** The encoded AnswerSignature that the statement stands in: others can verify it. */
  readonly signature: Uint8Array;
  /** What the network said of a broadcast: the host's word, stated by no enclave. */
  readonly submission: JsonValue | undefined;
}

export interface AnswerExpectation {
  readonly keys: PinnedKeys;
  readonly root: Uint8Array;
  readonly identity: Uint8Array;
  readonly kind: MethodKind;
  /** 16 bytes: whose chain the statement must name. */
  readonly organization: Uint8Array;
  /** What the client knew when it stamped. */
  readonly seen: Remembered | undefined;
  /** Milliseconds, of the client's own clock. */
  readonly now: number;
}

const clockTolerance = 5 * 60 * 1000;

/**
 * The result that an enclave of the pinned deployment states, or the error that was answered. Throws KmsError:
 * `answer-unverified`, `answer-rolled-back`, and the AnsweredError of an error answer.
 */
export function checkAnswer(answer: RawAnswer, expected: AnswerExpectation): CheckedAnswer {
  const envelope = readEnvelope(answer);
  const success = answer.status === 200;
  const { signature, ...rest } = envelope;
  const signed = typeof signature === 'string' && signature.length > 0;
  if (!success && !signed) throw errorOfBody(answer.status, rest, false);
  if (!signed) throw unverified('The answer carries no statement of an enclave.');
  if (success && !Object.hasOwn(envelope, 'result')) throw unverified('The answer has no result.');
  const body = success ? envelope.result! : rest;
  const encoded = decodeSignature(signature);
  const statement = verifyAnswer({
    signature: encoded,
    deploymentKeys: expected.keys.founding,
    currentKeys: expected.keys.current.keys,
    deploymentId: expected.root,
    identity: expected.identity,
    status: answer.status,
    body,
  });
  checkRole(statement, expected.kind, success);
  checkHistory(statement, expected, success);
  if (!success) throw errorOfBody(answer.status, rest, true);
  return { result: body, statement, signature: encoded, submission: envelope.rpc_submission_result };
}

function readEnvelope(answer: RawAnswer): { [name: string]: JsonValue } {
  let value: JsonValue | undefined;
  try {
    value = parseStrictJson(answer.body, { maxBytes: answer.body.length, maxDepth: 64 });
  } catch (cause) {
    if (answer.status !== 200) throw errorOfBody(answer.status, undefined, false);
    throw unverified('The answer is not strict JSON.', cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  if (answer.status !== 200) throw errorOfBody(answer.status, undefined, false);
  throw unverified('The answer is no JSON object.');
}

function decodeSignature(signature: string): Uint8Array {
  try {
    return base64urlDecode(signature);
  } catch (cause) {
    throw unverified('The answer signature is not base64url.', cause);
  }
}

/** Addresses, keys and signatures are the signer's to state; everything else the policy engine's (spec/answer.md). */
function checkRole({ role }: Statement, kind: MethodKind, success: boolean): void {
  const bySigner = kind === 'make' || kind === 'use';
  const fits = bySigner
    ? role === answerRoleSigner || (!success && role === answerRolePolicy)
    : role === answerRolePolicy;
  if (!fits) throw unverified('The statement comes from a role that may not state this answer.');
}

function checkHistory(statement: Statement, expected: AnswerExpectation, success: boolean): void {
  if (Math.abs(statement.time - expected.now) > clockTolerance)
    throw unverified('The statement is more than 5 minutes away from the clock of this machine.');
  // Before the entry is shown to be history, the signer refuses without naming a position.
  if (!success && statement.position === 0 && equalBytes(statement.head, zeroHash)) return;
  if (!equalBytes(statement.organization, expected.organization))
    throw unverified('The statement is about another organization.');
  const { seen } = expected;
  if (seen === undefined) return;
  const older = statement.position < seen.position;
  const otherPast = statement.position === seen.position && !equalBytes(statement.head, seen.hash);
  const earlier = expected.kind === 'read' && statement.time < seen.time;
  if (older || otherPast || earlier)
    throw new KmsError('answer-rolled-back', {
      detail: older
        ? `The answer stands at position ${statement.position}; this client has seen position ${seen.position}.`
        : otherPast
          ? `The answer has another history at position ${seen.position} than this client has seen.`
          : 'The answer is older than one that this client has seen.',
    });
}

/** What to remember after an answer: never less than before. Throws KmsError `answer-rolled-back` on a fork. */
export function remember(known: Remembered | undefined, statement: Statement): Remembered {
  const { position, head, time } = statement;
  if (known === undefined || position > known.position)
    return { position, hash: head, time: Math.max(time, known?.time ?? 0) };
  if (position === known.position && !equalBytes(head, known.hash))
    throw new KmsError('answer-rolled-back', {
      detail: `Two answers have different histories at position ${position}.`,
    });
  return time > known.time ? { ...known, time } : known;
}

export function unverified(detail: string, cause?: unknown): KmsError {
  return new KmsError('answer-unverified', { detail, cause });
}
