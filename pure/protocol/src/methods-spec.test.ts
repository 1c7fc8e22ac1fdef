import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { errorCodes } from './errors.ts';
import { methodNames, methods } from './method-table.ts';

const spec = readFileSync(new URL('../../../spec/methods.md', import.meta.url), 'utf8');

describe('spec/methods.md', () => {
  it('describes every method with its kind and parameters', () => {
    for (const method of methodNames) {
      const { kind, summary, compatibility } = methods[method];
      const chapter = spec.split(`### ${method}\n`)[1]?.split('\n#')[0] ?? '';
      assert.ok(chapter.includes(`${summary} Kind: ${kind}.`), method);
      const { properties = {} } = compatibility.toJSONSchema() as { properties?: Record<string, unknown> };
      for (const parameter of Object.keys(properties))
        assert.ok(chapter.includes(parameter), `${method} ${parameter}`);
    }
  });

  it('lists every error code with its status and meaning', () => {
    for (const [code, { status, meaning }] of Object.entries(errorCodes)) {
      assert.ok(spec.includes(`| \`${code}\` | ${status} | ${meaning} |`), code);
    }
  });
});
