import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChainError } from '@keystead/chains/error';
import { type ErrorCode, errorBody, errorCodes, KmsError, toKmsError } from './errors.ts';

describe('errors', () => {
  it('gives every code a status of 4xx or 5xx, a title, a hint and a meaning', () => {
    for (const [code, known] of Object.entries(errorCodes)) {
      assert.match(code, /^[a-z]+(-[a-z]+)*$/);
      assert.ok(known.status >= 400 && known.status < 600, code);
      assert.ok(known.title.length > 0 && known.hint.endsWith('.') && known.meaning.endsWith('.'), code);
    }
  });

  it('answers with type equal to code, and a message that holds detail, hint and code', () => {
    const error = new KmsError('policy-denied', {
      detail: 'LEGACY_USER_ROLE says no',
      extra: { rule: 'LEGACY_USER_ROLE' },
    });
    const body = errorBody(error, 'r-1');
    assert.equal(error.status, 403);
    assert.equal(body.type, 'policy-denied');
    assert.equal(body.code, body.type);
    assert.equal(body.error, 'LEGACY_USER_ROLE says no');
    assert.equal(body.requestId, 'r-1');
    assert.equal(body.rule, 'LEGACY_USER_ROLE');
    assert.equal(
      body.message,
      `LEGACY_USER_ROLE says no. ${errorCodes['policy-denied'].hint} (policy-denied)`,
    );
    assert.equal('field' in body, false);
  });

  it('never lets extra members replace the constant ones', () => {
    const body = errorBody(
      new KmsError('internal', { extra: { code: 'x', requestId: 'y', type: 'z' } }),
      'r',
    );
    assert.deepEqual([body.code, body.requestId, body.type], ['internal', 'r', 'internal']);
  });

  it('keeps the code and field of a ChainError and hides everything else', () => {
    const chain = toKmsError(new ChainError('transaction-unsafe', 'setAuthority', 'instructions[1]'));
    assert.deepEqual(
      [chain.code, chain.field, chain.detail],
      ['transaction-unsafe', 'instructions[1]', 'setAuthority'],
    );
    const path = toKmsError(new ChainError('derivation-path-malformed', 'x'), 'params.a');
    assert.deepEqual([path.code, path.field], ['derivation-path-invalid', 'params.a']);
    for (const thrown of [
      new TypeError('seed is abc'),
      new ChainError('no-such-code', 'seed is abc'),
      'seed is abc',
      null,
    ]) {
      const hidden = toKmsError(thrown);
      assert.equal(hidden.code satisfies ErrorCode, 'internal');
      assert.doesNotMatch(JSON.stringify(errorBody(hidden, 'r')), /abc/);
    }
  });
});
