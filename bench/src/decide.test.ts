import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engines, transactions } from './decide-policies.ts';

test('decide, Cedar and a CEL library decide alike on 1,000 transactions under one policy', () => {
  const { prepare, inWords, keystead, cedar, cel } = engines();
  const seen = { allow: 0, deny: 0, byRule: 0 };
  for (const [index, transaction] of transactions(1000).entries()) {
    const prepared = prepare(transaction);
    const { outcome, rule } = inWords(prepared);
    const allowed = outcome === 'allow';
    assert.deepEqual(
      [keystead(prepared), cedar(prepared), cel(prepared)],
      [allowed, allowed, allowed],
      `${index}`,
    );
    seen[outcome] += 1;
    if (/rule-..0$/.test(rule)) seen.byRule += 1;
  }
  // Where nothing is allowed or denied, agreeing would be easy.
  assert.ok(seen.allow > 200 && seen.deny > 200 && seen.byRule > 10, JSON.stringify(seen));
});
