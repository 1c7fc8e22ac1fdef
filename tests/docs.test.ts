import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { parsePolicy } from '@keystead/policy/language/parse-text';
import { readWorkspaces } from './floors.ts';

const ROOT = resolve(import.meta.dirname, '..');
const PAGES = globSync(
  ['*.md', 'docs/**/*.md', 'vectors/README.md', 'spec/*.md', '{pure,enclave,host,client}/*/README.md'],
  {
    cwd: ROOT,
    exclude: ['docs/generated/**'],
  },
).sort();

/** Paths of the repository that a page names in backticks. */
function namedPaths(text: string): string[] {
  const inline = text.replace(/^```.*?^```/gms, '').matchAll(/`([^`\n]+)`/g);
  const zone = /^(pure|enclave|host|client|stack|spec|vectors|examples|tests|bench|docs|\.ci)\/[\w./-]*$/;
  return [...inline].map((match) => match[1]!).filter((path) => zone.test(path));
}

/** Relative targets of the links of a page, without their fragment. */
function linkTargets(text: string): string[] {
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1]!)
    .filter((target) => !/^[a-z]+:/.test(target) && !target.startsWith('#'))
    .map((target) => target.split('#')[0]!);
}

describe('documents', () => {
  for (const page of PAGES) {
    test(`${page} names only files that exist`, () => {
      const text = readFileSync(join(ROOT, page), 'utf8');
      const missing = [
        ...namedPaths(text).filter((path) => !existsSync(join(ROOT, path))),
        ...linkTargets(text).filter((target) => !existsSync(join(ROOT, dirname(page), target))),
      ];
      assert.deepEqual(missing, []);
    });
  }

  test('the reader of pages finds links and paths', () => {
    const text =
      'See [a](../x.md#y), [b](https://example.org) and `pure/crypto/src/hex.ts`, `pure/*`, `npm ci`.';
    assert.deepEqual(linkTargets(text), ['../x.md']);
    assert.deepEqual(namedPaths(text), ['pure/crypto/src/hex.ts']);
  });

  test('the tour names files of every zone that a request crosses', () => {
    const paths = namedPaths(readFileSync(join(ROOT, 'docs/remote-signing.md'), 'utf8'));
    for (const zone of ['client/', 'host/', 'enclave/', 'pure/']) {
      assert.ok(
        paths.some((path) => path.startsWith(zone)),
        zone,
      );
    }
  });

  test('every package says what may change in it and what must never', () => {
    for (const { folder } of readWorkspaces(ROOT)) {
      const text = readFileSync(join(ROOT, folder, 'README.md'), 'utf8');
      assert.match(text, /What may change: .*What must never: /s, folder);
    }
  });

  test('every vector file of a public suite names its source and licence', () => {
    const listed = readFileSync(join(ROOT, 'vectors/README.md'), 'utf8');
    const files = readdirSync(join(ROOT, 'vectors'), { withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.json'))
      .map((entry) => entry.name);
    assert.deepEqual(
      files.filter((name) => !listed.includes(`| \`${name}\` |`)),
      [],
    );
  });

  test('policies that are shown are policies of the language', () => {
    const shown = PAGES.flatMap((page) =>
      [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^```\n(policy 1;\n.*?)^```/gms)].map(
        (match) => match[1]!,
      ),
    );
    assert.ok(shown.length >= 2);
    for (const text of shown) assert.ok(parsePolicy(text).rules.length > 0);
    assert.throws(() => parsePolicy(shown[0]!.replace('"suppliers"', '"our suppliers"')));
  });

  // A number can be taken before its record lands, or never come to one.
  test('decision records have a number of their own, the one that they say, and a date', () => {
    const records = readdirSync(join(ROOT, 'docs/decisions'));
    const numbers = records.map((record) => record.slice(0, 4));
    assert.equal(new Set(numbers).size, records.length, 'two records have one number');
    records.forEach((record, index) => {
      const number = numbers[index]!;
      assert.match(record, /^\d{4}-[a-z0-9-]+\.md$/);
      const text = readFileSync(join(ROOT, 'docs/decisions', record), 'utf8');
      assert.match(
        text,
        new RegExp(`^# ${number}\\. .+\\n\\nStatus: [a-z ]+\\. Date: \\d{4}-\\d\\d-\\d\\d\\.\\n`),
      );
    });
  });
});
