import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { PAGE, rowsOf, withTables } from './understands.ts';

describe('docs/understands.md', () => {
  const page = readFileSync(PAGE, 'utf8');

  it('says what the decoders say today', () => {
    assert.equal(page, withTables(page), 'run node tests/understands.ts --write');
  });

  it('would not be the same if a verdict changed', () => {
    const changed = page.replace('| decoded |', '| refused: `transaction-unsafe` |');
    assert.notEqual(changed, page);
    assert.equal(withTables(changed), page);
  });

  it('has constructs of each kind for every chain, and each construct once', () => {
    for (const chain of ['solana', 'ethereum', 'bitcoin', 'sui'] as const) {
      const rows = rowsOf(chain);
      for (const start of ['decoded', 'needs a rule: ', 'refused: ']) {
        assert.ok(
          rows.some(({ verdict }) => verdict.startsWith(start)),
          `${chain} ${start}`,
        );
      }
      assert.equal(new Set(rows.map(({ construct }) => construct)).size, rows.length, chain);
    }
  });
});
