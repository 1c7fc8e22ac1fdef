import assert from 'node:assert/strict';
import { readFileSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { checkPureTypes, checkSources, describeViolation, matches, type Rule } from './floors.ts';
import { withTree } from './seeded-tree.ts';
import { readImports } from './source-tokens.ts';

const ROOT = resolve(import.meta.dirname, '..');

const manifest = (name: string, dependencies: string[] = []) =>
  JSON.stringify({
    name: `@keystead/${name}`,
    dependencies: Object.fromEntries(dependencies.map((dependency) => [dependency, '1.0.0'])),
  });

/** A repository with the real floors.json in which nothing is wrong. */
const SOUND: Record<string, string> = {
  'floors.json': readFileSync(join(ROOT, 'floors.json'), 'utf8'),
  'package.json': JSON.stringify({
    name: 'keystead',
    workspaces: ['pure/*', 'enclave/*', 'host/*', 'client/*'],
    devDependencies: { 'fast-check': '1.0.0' },
  }),
  'pure/crypto/package.json': manifest('crypto', ['@noble/hashes']),
  'pure/crypto/src/sha256.ts': "export { sha256 } from '@noble/hashes/sha2.js';\n",
  'pure/crypto/src/sha256.test.ts': "import 'node:test';\nimport 'fast-check';\nimport './sha256.ts';\n",
  'pure/crypto/testing/vectors.ts': "import 'node:fs';\n",
  'pure/crypto/src/backend/node.ts': "import { createHash } from 'node:crypto';\nexport { createHash };\n",
  'pure/protocol/package.json': manifest('protocol', ['@keystead/crypto']),
  'pure/protocol/src/entry.ts': "import { sha256 } from '@keystead/crypto/sha256';\nexport { sha256 };\n",
  'enclave/runtime/package.json': manifest('enclave-runtime', ['@keystead/protocol']),
  'enclave/runtime/src/boot.ts': "import { readSync } from 'node:fs';\nexport { readSync };\n",
  'enclave/policy/package.json': manifest('enclave-policy', ['@keystead/enclave-runtime']),
  'enclave/policy/src/main.ts': "import '@keystead/enclave-runtime/boot';\nimport 'node:crypto';\n",
  'enclave/signer/package.json': manifest('enclave-signer', ['@keystead/enclave-runtime']),
  'enclave/signer/src/main.ts': "// import '@keystead/enclave-policy/main' stands only in a comment\n",
  'host/gateway/package.json': manifest('host-gateway', ['@keystead/protocol']),
  'host/gateway/src/server.ts': "import '@keystead/protocol/entry';\nimport 'node:http';\n",
  'client/sdk/package.json': manifest('sdk', ['@keystead/protocol']),
  'client/sdk/src/client.ts': "import '@keystead/protocol/entry';\n",
};

const rulesIn = (root: string) => checkSources(root).map((violation) => violation.rule);

describe('floors', () => {
  test('the repository keeps its floors', () => {
    assert.deepEqual(checkSources(ROOT).map(describeViolation), []);
  });

  test('a sound tree has no violation', async () => {
    await withTree(SOUND, (root) => assert.deepEqual(checkSources(root).map(describeViolation), []));
  });

  const seeded: [string, Rule, Record<string, string>][] = [
    [
      'an enclave that imports another enclave',
      'zone',
      {
        'enclave/signer/package.json': manifest('enclave-signer', ['@keystead/enclave-policy']),
        'enclave/signer/src/main.ts': "import '@keystead/enclave-policy/main';\n",
      },
    ],
    [
      'a host that imports enclave source',
      'zone',
      {
        'host/gateway/package.json': manifest('host-gateway', ['@keystead/enclave-policy']),
        'host/gateway/src/server.ts': "const policy = await import('@keystead/enclave-policy/main');\n",
      },
    ],
    [
      'pure code that imports an enclave',
      'zone',
      {
        'pure/protocol/package.json': manifest('protocol', ['@keystead/enclave-runtime']),
        'pure/protocol/src/entry.ts': "export type { Boot } from '@keystead/enclave-runtime/boot';\n",
      },
    ],
    [
      'a client that imports a host',
      'zone',
      {
        'client/sdk/package.json': manifest('sdk', ['@keystead/host-gateway']),
        'client/sdk/src/client.ts': "import '@keystead/host-gateway/server';\n",
      },
    ],
    [
      'a test that crosses a floor',
      'zone',
      { 'enclave/signer/src/main.test.ts': "import '@keystead/enclave-policy/main';\n" },
    ],
    [
      'a sibling that the manifest does not declare',
      'undeclared',
      { 'enclave/signer/src/main.ts': "import '@keystead/crypto/sha256';\n" },
    ],
    [
      'a test oracle in source',
      'undeclared',
      { 'pure/crypto/src/sha256.ts': "import fc from 'fast-check';\nexport { fc };\n" },
    ],
    [
      'a declared package that the zone does not list',
      'package',
      {
        'enclave/signer/package.json': manifest('enclave-signer', ['left-pad']),
        'enclave/signer/src/main.ts': "import 'left-pad';\n",
      },
    ],
    [
      'a built-in of Node in pure code',
      'builtin',
      { 'pure/crypto/src/sha256.ts': "import { createHash } from 'node:crypto';\nexport { createHash };\n" },
    ],
    [
      'a file system in an enclave program',
      'builtin',
      { 'enclave/signer/src/main.ts': "export { readFileSync } from 'node:fs';\n" },
    ],
    [
      'a child process in the enclave runtime',
      'builtin',
      { 'enclave/runtime/src/boot.ts': "import 'node:child_process';\n" },
    ],
    [
      'a built-in without its prefix',
      'builtin',
      { 'host/gateway/src/server.ts': "import http from 'http';\nexport { http };\n" },
    ],
    [
      'a built-in fetched by name in an enclave',
      'sealed-word',
      { 'enclave/signer/src/main.ts': "const fs = process.getBuiltinModule('node:fs');\n" },
    ],
    [
      'a computed import in an enclave',
      'computed-import',
      { 'enclave/signer/src/main.ts': "const name = 'node:fs';\nawait import(name);\n" },
    ],
    [
      'a star export',
      'export-star',
      { 'pure/protocol/src/entry.ts': "export * from '@keystead/crypto/sha256';\n" },
    ],
    [
      'a relative path out of the package',
      'leaves-package',
      { 'pure/protocol/src/entry.ts': "import '../../crypto/src/sha256.ts';\n" },
    ],
    ['source that imports a test', 'test-import', { 'pure/crypto/src/sha256.ts': "import './a.test.ts';\n" }],
    [
      'source that imports what only tests use',
      'test-import',
      {
        'pure/crypto/src/sha256.ts': "import '../testing/vectors.ts';\n",
        'pure/crypto/testing/vectors.ts': "import 'node:fs';\n",
      },
    ],
    ['a file named utils', 'name', { 'pure/crypto/src/utils.ts': '' }],
    ['a file whose name ends in a helper', 'name', { 'client/sdk/src/stamp-helpers.ts': '' }],
    ['a manager in capitals', 'name', { 'client/sdk/src/walletManager.ts': '' }],
    ['a folder named common', 'name', { 'host/gateway/src/common/retry.ts': '' }],
    [
      'a private specifier that is not declared',
      'undeclared',
      { 'pure/crypto/src/aead.ts': "import '#x';\n" },
    ],
    [
      'a package that stands in no zone',
      'unknown-zone',
      { 'package.json': JSON.stringify({ workspaces: ['other'] }), 'other/package.json': manifest('other') },
    ],
  ];

  for (const [what, rule, change] of seeded) {
    test(`catches ${what}`, async () => {
      await withTree({ ...SOUND, ...change }, (root) => {
        const rules = rulesIn(root);
        assert.ok(rules.includes(rule), `expected ${rule}, found ${rules.join(', ') || 'nothing'}`);
      });
    });
  }

  test('catches types of Node that a reference brings into the pure zone', async () => {
    const compiler = join(ROOT, 'node_modules/.bin/tsc');
    const pure = {
      'tsconfig.json': readFileSync(join(ROOT, 'tsconfig.json'), 'utf8'),
      'tsconfig.pure.json': readFileSync(join(ROOT, 'tsconfig.pure.json'), 'utf8'),
      'pure/crypto/src/one.ts': 'export const one = 1;\n',
    };
    await withTree(pure, (root) => assert.deepEqual(checkPureTypes(root, compiler), []));
    await withTree(
      { ...pure, 'pure/crypto/src/two.ts': '/// <reference types="node" />\nexport const two = 2;\n' },
      (root) => {
        symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
        assert.deepEqual(
          checkPureTypes(root, compiler).map((violation) => violation.rule),
          ['node-types'],
        );
      },
    );
  });

  test('says so when the compiler lists nothing at all', async () => {
    await withTree({}, (root) => {
      const rules = checkPureTypes(root, join(ROOT, 'node_modules/.bin/tsc')).map(({ rule }) => rule);
      assert.deepEqual(rules, ['node-types']);
    });
  });

  test('reads imports past comments, templates and regular expressions', () => {
    const source = [
      '/* import "a"; */ // import "b"',
      "import { x } from 'c';",
      'export { y } from "d"; import type { z } from \'e\';',
      "const text = `import 'f' ${(await import('g')).h} import 'i'`;",
      'const quote = /[\'"/]/.test(text) ? "j" : text.length / 2;',
      "type K = typeof import('k'); import 'l';",
      "import.meta.resolve('m'); object.import('n');",
    ].join('\n');
    const found = readImports(source).specifiers.map(({ specifier, line }) => `${specifier}${line}`);
    assert.deepEqual(found, ['c2', 'd3', 'e3', 'g4', 'k6', 'l6', 'm7', 'n7']);
  });

  test('a pattern matches whole names only', () => {
    assert.ok(matches('pure/*', 'pure/crypto'));
    assert.ok(matches('client/sdk/src/node/*', 'client/sdk/src/node/key-file.ts'));
    assert.ok(!matches('pure/*', 'pure'));
    assert.ok(!matches('pure/crypto', 'pure/crypto-extra'));
  });
});
