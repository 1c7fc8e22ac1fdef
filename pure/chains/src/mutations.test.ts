import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { equalBytes } from '@keystead/crypto/bytes';
import { buildCases, effectsJson, fileText, readCases, VECTORS } from '../testing/effects-cases.ts';
import { hardInputs } from '../testing/hard-inputs.ts';
import type { ChainError } from './error.ts';
import { chainFor } from './registry.ts';
import { StepBudget } from './step-budget.ts';
import { randomFrom, roundTrip, samplesOf, STEP_LIMIT, tryMutations } from '../testing/mutations.ts';

const MUTATIONS = 100_000;

describe('mutated and padded encodings', () => {
  for (const chain of ['solana', 'ethereum', 'bitcoin', 'sui'] as const) {
    it(`of ${chain} are refused with ChainError or encode again to the same bytes, within the step budget`, (t) => {
      const seed = Number(process.env.KEYSTEAD_MUTATION_SEED ?? 0) || Date.now() & 0x7fff_ffff;
      t.diagnostic(`seed ${seed}`);
      const { accepted, refused, byCode, mostSteps } = tryMutations(chain, MUTATIONS, seed);
      const figures = JSON.stringify({ seed, accepted, refused, byCode, mostSteps });
      t.diagnostic(figures);
      assert.equal(accepted + refused, MUTATIONS);
      assert.ok(mostSteps > 0 && mostSteps <= STEP_LIMIT, figures);
      // Both branches are reached, or nothing is shown.
      assert.ok(accepted > MUTATIONS / 200 && refused > MUTATIONS / 2, figures);
      assert.ok(Object.keys(byCode).length >= 3, figures);
    });

    it(`of ${chain} would be caught by this test if a decoder were lenient`, () => {
      const [sample] = samplesOf(chain);
      const padded = Uint8Array.from([...sample!.bytes, 0]);
      let again: Uint8Array | null = null;
      try {
        again = roundTrip(chain, padded);
      } catch {
        // The strict decoder refuses it; a lenient one would give the bytes without the padding.
      }
      assert.equal(again, null);
      assert.ok(!equalBytes(roundTrip(chain, sample!.bytes), padded));
    });
  }

  it('are the same ones for the same seed', () => {
    assert.deepEqual(tryMutations('sui', 200, 7), tryMutations('sui', 200, 7));
    const random = randomFrom(7);
    assert.deepEqual([random(1000), random(1000), random(1000)].length, 3);
  });
});

describe('the dearest inputs that are known', () => {
  for (const { name, chain, account, bytes, context } of hardInputs()) {
    it(`${chain}: ${name}: is read within the step budget, or refused because of it`, () => {
      const steps = new StepBudget(STEP_LIMIT);
      try {
        chainFor(account.addressFormat).parseTransaction(bytes, account, { ...context, steps });
        assert.ok(steps.used <= STEP_LIMIT, String(steps.used));
      } catch (error) {
        assert.equal((error as ChainError).code, 'transaction-too-complex');
      }
      // Large or of dear parts: an input that costs little shows nothing.
      assert.ok(steps.used > 2_000, String(steps.used));
      const tight = new StepBudget(1_000);
      assert.throws(
        () => chainFor(account.addressFormat).parseTransaction(bytes, account, { ...context, steps: tight }),
        { code: 'transaction-too-complex' },
      );
    });
  }
});

describe('vectors/keystead/effects.json', () => {
  for (const each of readCases()) {
    it(`has the effects of ${each.name}`, () => assert.deepEqual(effectsJson(each), each.effects));
  }

  it('is what the libraries of the chains build today', async () => {
    assert.equal(
      readFileSync(VECTORS, 'utf8'),
      fileText(await buildCases()),
      'run node pure/chains/testing/effects-cases.ts --write',
    );
  });
});
