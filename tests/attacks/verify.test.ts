/** What runs compared with what the source gives (`keystead verify`): ids G9 and P19. */
import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, describe, test } from 'node:test';
import { bundleEnclave, ENCLAVE_PROGRAMS } from '@keystead/stack/bundle';
import { startStack } from '@keystead/stack/start-stack';
import { keystead } from '../unlock/operator-commands.ts';
import { readWorkspaces } from '../floors.ts';
import { listOf } from '../measured-inputs.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const running = withStack();
const directory = mkdtempSync(join(tmpdir(), 'keystead-source-'));
after(() => rmSync(directory, { recursive: true, force: true }));

/** The packages of npm that go into any program. */
function measuredPackages(): Set<string> {
  const lists = ENCLAVE_PROGRAMS.map((name) => readFileSync(join(ROOT, listOf(name)), 'utf8'));
  const found = lists.join('\n').matchAll(/^node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm);
  return new Set([...found].map(([, name]) => name!));
}

/** The enclaves' sources and packages in another folder, as a clone and `npm ci` would put them there. */
function sourceIn(name: string): string {
  const source = join(directory, name);
  const copied = ['pure', 'enclave', 'stack', 'package.json'];
  for (const path of copied) cpSync(join(ROOT, path), join(source, path), { recursive: true });
  for (const name of measuredPackages())
    cpSync(join(ROOT, 'node_modules', name), join(source, 'node_modules', name), { recursive: true });
  for (const tool of ['esbuild', '@esbuild'])
    symlinkSync(realpathSync(join(ROOT, 'node_modules', tool)), join(source, 'node_modules', tool));
  mkdirSync(join(source, 'node_modules/@keystead'));
  for (const { folder, manifest } of readWorkspaces(ROOT))
    if (/^(pure|enclave)\//.test(folder))
      symlinkSync(join(source, folder), join(source, 'node_modules', manifest.name));
  return source;
}

interface Verified {
  readonly ok: boolean;
  readonly attested: boolean;
  readonly findings: readonly { program: string; ok: boolean; found: string }[];
}

async function verified(...words: string[]): Promise<Verified> {
  const { out, err } = await keystead(running.home, ['verify', '--json', ...words]);
  assert.notEqual(out, '', err);
  return JSON.parse(out) as Verified;
}

const bad = ({ findings }: Verified) => findings.filter(({ ok }) => !ok);

describe('keystead verify', { concurrency: false }, () => {
  test('G9 two clean builds in different folders are the same bytes, which are those that run', async () => {
    const source = sourceIn('clean');
    for (const name of ENCLAVE_PROGRAMS) {
      const [here, there] = await Promise.all([bundleEnclave(name), bundleEnclave(name, source)]);
      assert.equal(here.sha384, there.sha384, name);
      assert.deepEqual(there.inputs, here.inputs);
      // Realms and the keeper of backups are started only where they are asked for.
      if (name === 'realm' || name === 'backup') continue;
      const runs = readFileSync(join(running.home, `run/${name}.mjs`));
      assert.equal(createHash('sha384').update(runs).digest('hex'), here.sha384);
    }
    const { deploymentId } = running.stack;
    const outcome = await verified('--deployment', deploymentId);
    assert.deepEqual(bad(outcome), []);
    assert.deepEqual([outcome.ok, outcome.attested, outcome.findings.length], [true, false, 4]);
  });

  test('P19 a source that differs in one file is told by that file, for every program that it is in', async () => {
    const source = join(directory, 'clean');
    const file = 'enclave/signer/src/sign.ts';
    const shared = 'pure/crypto/src/hkdf.ts';
    appendFileSync(join(source, file), 'export const added = 1;\nglobalThis.name ??= String(added);\n');
    const outcome = await verified('--source', source);
    assert.deepEqual(
      bad(outcome).map(({ program, found }) => [program, found]),
      [['signer', `another bundle runs: ${file}`]],
    );
    appendFileSync(join(source, shared), 'globalThis.name ??= "x";\n');
    const both = bad(await verified('--source', source));
    assert.deepEqual(
      both.map(({ program }) => program),
      ['policy', 'signer', 'certifier', 'launcher'],
    );
    for (const { found } of both) assert.ok(found.includes(shared), found);
  });

  test('P19 a bundle that was changed after it was built is told, whatever the host states of it', async () => {
    const bundles = {} as Record<'policy' | 'signer' | 'certifier', { path: string; sha384: string }>;
    for (const role of ['policy', 'signer', 'certifier'] as const) {
      const path = join(directory, `${role}.mjs`);
      const code = readFileSync(join(running.home, `run/${role}.mjs`), 'utf8');
      writeFileSync(path, role === 'signer' ? `${code}\n// changed\n` : code);
      bundles[role] = { path, sha384: createHash('sha384').update(readFileSync(path)).digest('hex') };
    }
    const { home } = running;
    const heads = join(dirname(home), 'heads');
    await running.stack.stop();
    const log = openSync(join(directory, 'log'), 'a');
    const stack = await startStack({ home, heads, stderr: log, substitutes: { bundles } });
    try {
      const outcome = await verified();
      assert.deepEqual(
        bad(outcome).map(({ program, found }) => [program, found]),
        [['signer', 'another bundle runs: every file is the same, so it was changed after it was built']],
      );
      // Lying about the bundle, or about all of the program, does not help: the certificate is of what was measured.
      const path = join(home, 'isolation.json');
      const honest = readFileSync(path, 'utf8');
      const good = (await bundleEnclave('signer')).sha384;
      writeFileSync(path, honest.replaceAll(bundles.signer.sha384, good));
      assert.match(
        bad(await verified())[0]!.found,
        /not certified \(the certificate is refused: measurement\)/,
      );
      const file = join(home, 'certificates.json');
      const certificates = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
      writeFileSync(file, JSON.stringify({ ...certificates, signer: certificates.policy }));
      assert.match(bad(await verified())[0]!.found, /not certified \(the certificate is refused: role\)/);
    } finally {
      await stack.stop();
      closeSync(log);
    }
  });
});
