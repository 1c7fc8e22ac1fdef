import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { STEP_LIMIT, tryMutations } from '@keystead/chains/testing/mutations';

/** Ten times what `npm test` tries, with other seeds. */
const MUTATIONS = 1_000_000;

describe('a million mutated and padded encodings', () => {
  for (const chain of ['solana', 'ethereum', 'bitcoin', 'sui'] as const) {
    it(`of ${chain} are refused with ChainError or encode again to the same bytes, within the step budget`, (t) => {
      const seed = Number(process.env.KEYSTEAD_MUTATION_SEED ?? 0) || Date.now() & 0x7fff_ffff;
      const outcome = tryMutations(chain, MUTATIONS, seed);
      const figures = JSON.stringify({ seed, ...outcome });
      t.diagnostic(figures);
      assert.equal(outcome.accepted + outcome.refused, MUTATIONS);
      assert.ok(outcome.mostSteps <= STEP_LIMIT, figures);
      assert.ok(outcome.accepted > MUTATIONS / 200 && outcome.refused > MUTATIONS / 2, figures);
    });
  }
});
