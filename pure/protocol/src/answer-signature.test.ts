import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import type { JsonValue } from '@keystead/crypto/strict-json';
import * as x25519 from '@keystead/crypto/x25519';
import { AnswerSignature, answerRolePolicy, answerRoleSigner, type Statement } from './answer.ts';
import {
  type AnswerToVerify,
  resultDigestOf,
  signStatements as signEncoded,
  statementVersion,
  verifyAnswer,
} from './answer-signature.ts';
import { deploymentIdOf } from './deployment.ts';
import { KmsError } from './errors.ts';

const secretOf = (name: string) => new SecretBytes(sha256(utf8Encode(name)));
const roleKeys = (name: string) => ({
  sign: ed25519.publicKey(secretOf(name).expose()),
  agree: x25519.publicKey(secretOf(name).expose()),
});
const deploymentKeys = {
  policy: roleKeys('policy'),
  signer: roleKeys('signer'),
  certifier: roleKeys('certifier'),
};
const deploymentId = deploymentIdOf(deploymentKeys);
const identityOf = (index: number) => sha256(Uint8Array.of(index));

function statement(index: number, body: JsonValue, changes: Partial<Statement> = {}): Statement {
  const status = changes.status ?? 200;
  return {
    version: statementVersion,
    role: answerRoleSigner,
    deployment: deploymentId,
    identity: identityOf(index),
    status,
    resultDigest: resultDigestOf(status, body),
    organization: new Uint8Array(16).fill(1),
    position: 7,
    head: new Uint8Array(32).fill(2),
    time: 1000,
    ...changes,
  };
}

const signStatements = (...given: Parameters<typeof signEncoded>): AnswerSignature[] =>
  signEncoded(...given).map((encoded) => AnswerSignature.decode(encoded));

function toVerify(signature: AnswerSignature, index: number, body: JsonValue, status = 200): AnswerToVerify {
  const encoded = AnswerSignature.encode(signature);
  return { signature: encoded, deploymentKeys, deploymentId, identity: identityOf(index), status, body };
}

const unverified = (detail: RegExp) => (error: unknown) =>
  error instanceof KmsError && error.code === 'answer-unverified' && detail.test(error.detail);

describe('a statement', () => {
  const body = { walletId: 'w', tags: ['a'] };
  const [signature] = signStatements(secretOf('signer'), [statement(0, body)]) as [AnswerSignature];
  const valid = toVerify(signature, 0, body);

  test('is returned when it is of this answer to this request', () => {
    assert.deepEqual(verifyAnswer(valid), statement(0, body));
  });

  test('does not depend on the order of members, nor on the request id of an error', () => {
    assert.equal(verifyAnswer({ ...valid, body: { tags: ['a'], walletId: 'w' } }).position, 7);
    const refusal = { code: 'policy-denied' };
    const [denied] = signStatements(secretOf('signer'), [statement(1, refusal, { status: 403 })]) as [
      AnswerSignature,
    ];
    assert.equal(verifyAnswer(toVerify(denied, 1, { ...refusal, requestId: 'r' }, 403)).status, 403);
  });

  test('is refused for another body, request, status or deployment', () => {
    assert.throws(
      () => verifyAnswer({ ...valid, body: { ...body, walletId: 'x' } }),
      unverified(/another body/),
    );
    assert.throws(
      () => verifyAnswer({ ...valid, body: { ...body, requestId: 'r' } }),
      unverified(/another body/),
    );
    assert.throws(() => verifyAnswer({ ...valid, identity: identityOf(9) }), unverified(/another request/));
    assert.throws(() => verifyAnswer({ ...valid, status: 201 }), unverified(/another status/));
    const others = { ...deploymentKeys, signer: roleKeys('other') };
    assert.throws(() => verifyAnswer({ ...valid, deploymentKeys: others }), unverified(/pinned deployment/));
    const renamed = { ...valid, deploymentKeys: others, deploymentId: deploymentIdOf(others) };
    assert.throws(() => verifyAnswer(renamed), unverified(/another deployment/));
  });

  test('is refused when a key of another role signed it', () => {
    for (const signer of ['policy', 'certifier', 'stranger']) {
      const [forged] = signStatements(secretOf(signer), [statement(0, body)]) as [AnswerSignature];
      assert.throws(() => verifyAnswer(toVerify(forged, 0, body)), unverified(/not of an enclave/));
    }
    const policy = statement(0, body, { role: answerRolePolicy });
    const [ofPolicy] = signStatements(secretOf('policy'), [policy]) as [AnswerSignature];
    assert.equal(verifyAnswer(toVerify(ofPolicy, 0, body)).role, answerRolePolicy);
    const [unknown] = signStatements(secretOf('signer'), [statement(0, body, { role: 3 })]) as [
      AnswerSignature,
    ];
    assert.throws(() => verifyAnswer(toVerify(unknown, 0, body)), unverified(/No role/));
  });

  test('is refused when it was altered after it was signed', () => {
    const altered = { ...signature, statement: { ...signature.statement, position: 8 } };
    assert.throws(() => verifyAnswer(toVerify(altered, 0, body)), unverified(/not of an enclave/));
    assert.throws(
      () => verifyAnswer({ ...valid, signature: valid.signature.subarray(1) }),
      unverified(/cannot be read/),
    );
    assert.throws(
      () => verifyAnswer({ ...valid, signature: new Uint8Array(0) }),
      unverified(/cannot be read/),
    );
  });
});

test('one signature states every answer of a tick, whatever their number', () => {
  for (const count of [1, 2, 3, 5, 8, 13]) {
    const statements = Array.from({ length: count }, (_, index) => statement(index, { index }));
    const signatures = signStatements(secretOf('signer'), statements);
    assert.equal(new Set(signatures.map((signature) => String(signature.signature))).size, 1);
    for (const [index, signature] of signatures.entries())
      assert.deepEqual(verifyAnswer(toVerify(signature, index, { index })), statements[index]);
  }
  assert.deepEqual(signStatements(secretOf('signer'), []), []);
});

test('the path of another answer of the same tick does not serve', () => {
  const signatures = signStatements(
    secretOf('signer'),
    [0, 1, 2, 3, 4].map((index) => statement(index, { index })),
  );
  const [first, second] = signatures as [AnswerSignature, AnswerSignature];
  for (const change of [
    { path: second.path },
    { index: 1 },
    { index: 5 },
    { size: 4 },
    { size: 1 },
    { path: first.path.slice(1) },
    { path: [...first.path, new Uint8Array(32)] },
  ])
    assert.throws(
      () => verifyAnswer(toVerify({ ...first, ...change }, 0, { index: 0 })),
      unverified(/tree|enclave/),
    );
});
