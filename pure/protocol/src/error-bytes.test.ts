import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maximumAnswerBytes } from './answer.ts';
import { errorBytes } from './error-bytes.ts';
import { KmsError } from './errors.ts';

const read = (error: KmsError) => JSON.parse(Buffer.from(errorBytes(error)).toString());

test('an error is written with its words, and by its code alone when they have no form or are too long', () => {
  assert.equal(read(new KmsError('policy-denied', { detail: 'by rule a' })).detail, 'by rule a');
  const title = read(new KmsError('policy-denied')).detail;
  for (const detail of ['half of a character: \ud83d', 'x'.repeat(maximumAnswerBytes)]) {
    const body = read(new KmsError('policy-denied', { detail, field: 'params' }));
    assert.deepEqual([body.code, body.detail, body.field], ['policy-denied', title, undefined]);
  }
});
