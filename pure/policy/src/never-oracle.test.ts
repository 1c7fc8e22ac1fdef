import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreementOn } from '../testing/smt-oracle.ts';

/** Questions; the long suite asks 1,000, `POLICY_QUESTIONS=10000` more. */
const questions = Number(process.env.POLICY_QUESTIONS ?? 250);

test(`checkNever and z3 agree on ${questions} policies and conditions`, async (context) => {
  const { proven, counterexamples } = await agreementOn(1, questions);
  context.diagnostic(`${proven} proven, ${counterexamples} counterexamples`);
  // A generator that only ever gives one answer would show nothing.
  assert.ok(proven >= questions / 10 && counterexamples >= questions / 10);
});
