import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  attackTests,
  CHAIN_NAMES,
  filesOfChain,
  PAGE,
  REASONS,
  REASONS_BY_CHAIN,
  ROWS,
  ROWS_BY_CHAIN,
  tableText,
  withTable,
} from './table.ts';

describe('the generated table of attacks', () => {
  it('is the one that is committed', () => {
    const page = readFileSync(PAGE, 'utf8');
    assert.equal(page, withTable(page, tableText(attackTests())), 'run node tests/attacks/table.ts --write');
  });

  it('has a test or a reason for every row', () => {
    const covered = new Set(attackTests().map(({ id }) => id));
    assert.deepEqual(
      ROWS.filter((id) => !covered.has(id) && REASONS[id] === undefined),
      [],
    );
  });

  it('has for every row about transactions a test of each chain or a reason, and not both', () => {
    const tests = attackTests();
    for (const row of ROWS_BY_CHAIN)
      for (const chain of CHAIN_NAMES) {
        const isCovered = filesOfChain(tests, row, chain).length > 0;
        const hasReason = REASONS_BY_CHAIN[`${row} ${chain}`] !== undefined;
        assert.notEqual(isCovered, hasReason, `${row} ${chain}`);
      }
    // The control: without its tests a row is no longer covered.
    const without = tests.filter(({ id }) => id !== 'E1');
    assert.deepEqual(filesOfChain(without, 'E1', 'Sui'), []);
  });

  it('changes when a test is renamed or taken away', () => {
    const [first, ...rest] = attackTests();
    const whole = tableText(attackTests());
    assert.notEqual(tableText([{ ...first!, title: 'another' }, ...rest]), whole);
    assert.notEqual(tableText(rest), whole);
  });
});
