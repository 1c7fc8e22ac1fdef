import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { policyVectors, schemaVector } from '../testing/vectors.ts';

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../../vectors/keystead/${name}.json`, import.meta.url), 'utf8'));

test('documents, decisions, windows, ledgers and prices are those of the vectors', () => {
  assert.deepEqual(policyVectors(), read('policy'));
});

test('the JSON Schema is the published one', () => {
  assert.deepEqual(schemaVector(), read('policy.schema'));
});
