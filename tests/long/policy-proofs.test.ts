import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreementOn } from '@keystead/policy/testing/smt-oracle';

const questions = Number(process.env.POLICY_QUESTIONS ?? 1000);

test(`what policies can never allow: the search and z3 agree on ${questions} policies and conditions`, async (context) => {
  // Other questions than those that `npm test` asks.
  const { proven, counterexamples } = await agreementOn(1001, questions);
  context.diagnostic(`${proven} proven, ${counterexamples} counterexamples`);
  assert.ok(proven >= questions / 10 && counterexamples >= questions / 10);
});
