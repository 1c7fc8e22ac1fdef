import { concatBytes, equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import * as ed25519 from '@keystead/crypto/ed25519';
import { leafHash, nodeHash, provenTree } from '@keystead/crypto/merkle-tree';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import type { JsonValue } from '@keystead/crypto/strict-json';
import {
  AnswerSignature,
  AnswerSignatureOfEncoded,
  answerRolePolicy,
  answerRoleSigner,
  Statement,
} from './answer.ts';
import { type DeploymentKeys, deploymentIdOf } from './deployment.ts';
import { domainPrefix } from './domain.ts';
import { KmsError } from './errors.ts';

/** spec/answer.md: statements are the leaves of one RFC 6962 tree per tick; the root is signed once. */

export const statementVersion = 1;

/** What is signed: the domain, a zero byte and the 32-byte root. */
function signedRoot(root: Uint8Array): Uint8Array {
  return concatBytes(domainPrefix('keystead/answer/v1'), root);
}

/**
 * SHA-256 of the RFC 8785 form of `result` (status 200), or of the error body without its member `requestId`, which
 * the host adds after the statement is made.
 */
export function resultDigestOf(status: number, body: JsonValue): Uint8Array {
  return sha256(utf8Encode(canonicalize(status === 200 ? body : withoutRequestId(body))));
}

/** `resultDigestOf` of a body that is in its RFC 8785 form already and has no `requestId`: as enclaves write answers. */
export function canonicalDigestOf(canonicalBody: Uint8Array): Uint8Array {
  return sha256(canonicalBody);
}

function withoutRequestId(body: JsonValue): JsonValue {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const { requestId: _, ...stated } = body;
  return stated;
}

/** One encoded AnswerSignature per statement, in order, under one Ed25519 signature of `signSeed`. */
export function signStatements(signSeed: SecretBytes, statements: readonly Statement[]): Uint8Array[] {
  if (statements.length === 0) return [];
  const encoded = statements.map((statement) => Statement.encode(statement));
  const { root, proofs } = provenTree(encoded.map(leafHash));
  const signature = ed25519.keyOf(signSeed).sign(signedRoot(root));
  const size = statements.length;
  return encoded.map((statement, index) =>
    AnswerSignatureOfEncoded.encode({
      statement,
      index,
      size,
      path: proofs[index]!,
      signature,
      inclusion: undefined,
    }),
  );
}

export interface AnswerToVerify {
  /** Encoded AnswerSignature: the envelope's `signature` after base64url. */
  readonly signature: Uint8Array;
  readonly deploymentKeys: DeploymentKeys;
  /** Those of now, which `followRoleKeys` gave for `deploymentKeys`; left out where they were never replaced. */
  readonly currentKeys?: DeploymentKeys;
  /** 32 bytes, the pinned root of trust: the keys must hash to it. */
  readonly deploymentId: Uint8Array;
  /** Identity of the request that was sent (spec/stamp.md §5). */
  readonly identity: Uint8Array;
  /** HTTP status of the answer. */
  readonly status: number;
  /** The parsed `result` of the envelope, or the parsed error body. */
  readonly body: JsonValue;
}

/**
 * The statement of an enclave of the pinned deployment about exactly this answer to exactly this request.
 * Which role may state which answer, and that position and time do not go back, is for the caller to check.
 * Throws KmsError `answer-unverified`.
 */
export function verifyAnswer(answer: AnswerToVerify): Statement {
  const refuse = (detail: string, cause?: unknown) => new KmsError('answer-unverified', { detail, cause });
  if (!equalBytes(deploymentIdOf(answer.deploymentKeys), answer.deploymentId))
    throw refuse('The keys are not those of the pinned deployment.');
  let decoded: AnswerSignature;
  try {
    decoded = AnswerSignature.decode(answer.signature);
  } catch (cause) {
    throw refuse('The answer signature cannot be read.', cause);
  }
  const { statement } = decoded;
  if (statement.version !== statementVersion) throw refuse('The statement has an unknown version.');
  if (!equalBytes(statement.deployment, answer.deploymentId))
    throw refuse('The statement is of another deployment.');
  if (!equalBytes(statement.identity, answer.identity))
    throw refuse('The statement answers another request.');
  if (statement.status !== answer.status) throw refuse('The statement is of another status.');
  let digest: Uint8Array;
  try {
    digest = resultDigestOf(answer.status, answer.body);
  } catch (cause) {
    throw refuse('The answer has no canonical form.', cause);
  }
  if (!equalBytes(statement.resultDigest, digest)) throw refuse('The statement is of another body.');
  const { currentKeys = answer.deploymentKeys } = answer;
  const key =
    statement.role === answerRolePolicy
      ? currentKeys.policy.sign
      : statement.role === answerRoleSigner
        ? currentKeys.signer.sign
        : undefined;
  if (key === undefined) throw refuse('No role of a deployment states answers under that number.');
  const root = provenRoot(decoded);
  if (root === undefined) throw refuse('The statement is not in the signed tree.');
  if (!ed25519.verify(key, signedRoot(root), decoded.signature))
    throw refuse('The signature is not of an enclave of the pinned deployment.');
  return statement;
}

/** The root that the path leads to (RFC 9162 §2.1.3.2), or undefined when index, size and path do not fit. */
function provenRoot({ statement, index, size, path }: AnswerSignature): Uint8Array | undefined {
  if (index >= size) return undefined;
  let node = index;
  let last = size - 1;
  let hash = leafHash(Statement.encode(statement));
  for (const sibling of path) {
    if (last === 0) return undefined;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else hash = nodeHash(hash, sibling);
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : undefined;
}
