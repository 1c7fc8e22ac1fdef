import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { attackTests, PAGE, REASONS, ROWS, tableText, withTable } from './table.ts';

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

  it('changes when a test is renamed or taken away', () => {
    const [first, ...rest] = attackTests();
    const whole = tableText(attackTests());
    assert.notEqual(tableText([{ ...first!, title: 'another' }, ...rest]), whole);
    assert.notEqual(tableText(rest), whole);
  });
});
