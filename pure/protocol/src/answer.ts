import { fixed, list, option, type Static, struct, text, u8, u16, u53, bytes } from '@keystead/crypto/pack';

/** spec/answer.md. What an enclave states about the body of one answer. */

export const answerRolePolicy = 1;
export const answerRoleSigner = 2;

export const Statement = struct({
  version: u8,
  role: u8,
  deployment: fixed(32),
  /** Identity of the request that is answered. */
  identity: fixed(32),
  status: u16,
  /** SHA-256 of the RFC 8785 form of `result`, or of the error body without requestId. */
  resultDigest: fixed(32),
  organization: fixed(16),
  position: u53,
  /** Hash of the organization's entry at `position`. */
  head: fixed(32),
  time: u53,
});
export type Statement = Static<typeof Statement>;

const provenBy = {
  index: u53,
  size: u53,
  path: list(fixed(32), 32),
  signature: fixed(64),
  /** Inclusion of the entry in the log: leaf index, opening, proof, checkpoint note; attached by the host. */
  inclusion: option(
    struct({
      index: u53,
      leaf: fixed(65),
      opening: fixed(16),
      proof: list(fixed(32), 63),
      checkpoint: text(4096),
    }),
  ),
};

/** The envelope's `signature` field: base64url of this. One Ed25519 signature per tick, over a tree of statements. */
export const AnswerSignature = struct({ statement: Statement, ...provenBy });

/** The same bytes from a statement that is encoded already: none of its fields has a length of its own. */
export const AnswerSignatureOfEncoded = struct({ statement: fixed(Statement.minimum), ...provenBy });
export type AnswerSignature = Static<typeof AnswerSignature>;

/** Of an answer's body. */
export const maximumAnswerBytes = 2_097_152;

/** One finished answer inside a frame: to which waiting request, with which status and body. */
export const FinishedAnswer = struct({
  identity: fixed(32),
  status: u16,
  /** Canonical JSON of `result` (status 200) or of the error body. */
  body: bytes(maximumAnswerBytes),
  /** Encoded AnswerSignature; empty when nothing can be stated (the request was not authenticated). */
  signature: bytes(16384),
});
export type FinishedAnswer = Static<typeof FinishedAnswer>;
