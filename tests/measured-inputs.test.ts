import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { bundleEnclave, ENCLAVE_PROGRAMS } from '@keystead/stack/bundle';
import { checkMeasuredInputs, difference, foreign } from './measured-inputs.ts';
import { withTree } from './seeded-tree.ts';

const ROOT = resolve(import.meta.dirname, '..');

const manifest = (name: string) => JSON.stringify({ name: `@keystead/${name}` });

/** A repository with one program of two files. */
const PROGRAM: Record<string, string> = {
  'floors.json': readFileSync(join(ROOT, 'floors.json'), 'utf8'),
  'package.json': JSON.stringify({ workspaces: ['pure/*', 'enclave/*'], type: 'module' }),
  'pure/crypto/package.json': manifest('crypto'),
  'enclave/runtime/package.json': manifest('enclave-runtime'),
  'enclave/policy/package.json': manifest('enclave-policy'),
  'enclave/signer/package.json': manifest('enclave-signer'),
  'enclave/signer/src/main.ts': "import { one } from './one.ts';\nconsole.log(one);\n",
  'enclave/signer/src/one.ts': 'export const one: number = 1;\n',
};

test('one source gives the same bytes in two folders', async () => {
  const bundle = (root: string) => bundleEnclave('signer', root);
  const first = await withTree(PROGRAM, bundle);
  const second = await withTree(PROGRAM, bundle);
  const other = await withTree({ ...PROGRAM, 'enclave/signer/src/one.ts': 'export const one = 2;' }, bundle);
  assert.deepEqual(first, second);
  assert.match(first.sha384, /^[0-9a-f]{96}$/);
  assert.deepEqual(first.inputs, ['enclave/signer/src/main.ts', 'enclave/signer/src/one.ts']);
  assert.notEqual(first.sha384, other.sha384);
});

test('a new file in a program differs from the committed list until the list is written anew', async () => {
  await withTree(PROGRAM, async (root) => {
    assert.deepEqual(await checkMeasuredInputs(root, true), []);
    assert.deepEqual(await checkMeasuredInputs(root), []);
    writeFileSync(join(root, 'enclave/signer/src/two.ts'), 'export const two = 2;\n');
    writeFileSync(
      join(root, 'enclave/signer/src/main.ts'),
      "import { two } from './two.ts';\nconsole.log(two);\n",
    );
    assert.deepEqual(await checkMeasuredInputs(root), [
      'enclave/signer/measured-inputs.txt: + enclave/signer/src/two.ts',
      'enclave/signer/measured-inputs.txt: - enclave/signer/src/one.ts',
    ]);
  });
});

test('a list without a program is reported', async () => {
  const files = { ...PROGRAM, 'enclave/policy/measured-inputs.txt': 'enclave/policy/src/main.ts\n' };
  await withTree(files, async (root) => {
    const lines = await checkMeasuredInputs(root, true);
    assert.deepEqual(lines, ['enclave/policy: a list of measured inputs, but no src/main.ts']);
  });
});

test('code of another enclave, of a host or of an unlisted package does not enter a program', () => {
  const inputs = [
    'enclave/runtime/src/boot.ts',
    'enclave/signer/src/main.ts',
    'pure/crypto/src/sha256.ts',
    'node_modules/@noble/hashes/sha2.js',
    'enclave/policy/src/main.ts',
    'host/storage/src/store.ts',
    'node_modules/left-pad/index.js',
    'enclave/signer/src/main.test.ts',
  ];
  const allowed = [
    { module: 'node:crypto', importer: 'enclave/signer/src/main.ts' },
    { module: 'node:net', importer: 'enclave/runtime/src/boot.ts' },
    { module: 'node:crypto', importer: 'pure/crypto/src/backend/node.ts' },
  ];
  const refused = [
    { module: 'node:net', importer: 'enclave/signer/src/main.ts' },
    { module: 'node:child_process', importer: 'enclave/runtime/src/boot.ts' },
    { module: 'node:crypto', importer: 'pure/crypto/src/sha256.ts' },
    { module: 'node:fs', importer: 'node_modules/@noble/hashes/sha2.js' },
    { module: 'crypto', importer: 'enclave/signer/src/main.ts' },
  ];
  assert.deepEqual(foreign(ROOT, 'signer', { inputs, externals: [...allowed, ...refused] }), [
    ...inputs.slice(4),
    ...refused.map(({ module, importer }) => `${module} in ${importer}`),
  ]);
});

test('a built-in that a program may not use is found in its bundle', async () => {
  const source = "import { connect } from 'node:net';\nconnect(1);\n";
  await withTree({ ...PROGRAM, 'enclave/signer/src/main.ts': source }, async (root) => {
    assert.deepEqual(foreign(root, 'signer', await bundleEnclave('signer', root)), [
      'node:net in enclave/signer/src/main.ts',
    ]);
  });
});

test('a difference names what came and what went', () => {
  assert.deepEqual(difference(['a', 'b'], ['b', 'c']), ['+ c', '- a']);
});

test('every program of an enclave freezes the intrinsics before anything else is loaded', () => {
  const programs = ENCLAVE_PROGRAMS.filter((name) => name !== 'launcher');
  assert.ok(programs.length > 4);
  for (const name of programs) {
    const main = readFileSync(join(ROOT, `enclave/${name}/src/main.ts`), 'utf8');
    const [first] = main.split('\n').filter((line) => line.startsWith('import '));
    assert.equal(first, "import '@keystead/enclave-runtime/frozen-intrinsics';", name);
  }
});
