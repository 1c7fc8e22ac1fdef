import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { METHODS, methodTests, TABLE, tableText } from './table.ts';

describe('the generated table of methods', () => {
  it('has a test for each of the 29 methods', () => {
    assert.equal(new Set(METHODS).size, 29);
    const tested = new Set(methodTests().map(({ method }) => method));
    assert.deepEqual(
      METHODS.filter((method) => !tested.has(method)),
      [],
    );
  });

  it('names methods only', () => {
    const known = new Set<string>(METHODS);
    assert.deepEqual(
      methodTests().filter(({ method }) => !known.has(method)),
      [],
    );
  });

  it('is the one that is committed', () => {
    assert.equal(
      readFileSync(TABLE, 'utf8'),
      tableText(methodTests()),
      'run node tests/methods/table.ts --write',
    );
  });

  it('changes when a test is renamed', () => {
    const [first, ...rest] = methodTests();
    assert.notEqual(tableText([{ ...first!, claim: 'another' }, ...rest]), tableText(methodTests()));
  });
});
