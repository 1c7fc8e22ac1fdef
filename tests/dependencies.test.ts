import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { readWorkspaces } from './floors.ts';

const ROOT = resolve(import.meta.dirname, '..');

type Manifest = {
  name: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
};
type Locked = {
  version?: string;
  resolved?: string;
  integrity?: string;
  link?: boolean;
  hasInstallScript?: boolean;
};

const json = <T>(path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8')) as T;
const root = { folder: '.', manifest: json<Manifest>('package.json') };
const workspaces: { folder: string; manifest: Manifest }[] = [root, ...readWorkspaces(ROOT)];
const ours = new Set(workspaces.map(({ manifest }) => manifest.name));
const page = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8');
const lockText = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
const lock = (JSON.parse(lockText) as { packages: Record<string, Locked> }).packages;

/** Rows of the table under a heading of the page: package and the other two cells. */
function rows(heading: string): Map<string, [string, string]> {
  const section = page.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const cells = [...section.matchAll(/^\| `([^`]+)` \| (.+?) \| (.+?) \|$/gm)];
  return new Map(cells.map((match) => [match[1]!, [match[2]!, match[3]!]]));
}

describe('dependencies', () => {
  test('every runtime dependency has a line that says who uses it and why', () => {
    const documented = new Map([...rows('Runtime'), ...rows('Optional, tests only')]);
    const used = new Set<string>();
    for (const { folder, manifest } of workspaces) {
      for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
        if (ours.has(name)) continue;
        used.add(name);
        const row = documented.get(name);
        assert.ok(row, `${name} of ${folder} has no line in docs/dependencies.md`);
        const user = folder === '.' ? 'root' : `\`${folder}\``;
        assert.ok(row[0].includes(user), `the line of ${name} does not name ${folder}`);
        assert.ok(row[1].length > 10, `the line of ${name} gives no reason`);
      }
    }
    const gone = [...documented.keys()].filter((name) => !used.has(name));
    assert.deepEqual(gone, [], 'lines without a dependency');
  });

  test('every version is exact', () => {
    for (const { folder, manifest } of workspaces) {
      const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
      for (const [name, version] of Object.entries(all)) {
        assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, `${name} of ${folder}`);
      }
    }
  });

  test('H15 running an install script of a dependency: every one in the lockfile is listed as not run', () => {
    const listed = rows('Install scripts');
    const scripted = Object.entries(lock)
      .filter(([, locked]) => locked.hasInstallScript)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
    assert.deepEqual([...listed.keys()].sort(), [...new Set(scripted)].sort());
    for (const [name, [, script]] of listed) assert.match(script, /^not run[;,]/, name);
    assert.match(readFileSync(join(ROOT, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m);
  });

  test('H15 exchanging a package: every locked one has an integrity hash and no address of a registry', () => {
    for (const [path, locked] of Object.entries(lock)) {
      if (!path.includes('node_modules/')) continue;
      if (locked.link) {
        assert.doesNotMatch(locked.resolved ?? '', /:/, path);
        continue;
      }
      assert.match(locked.integrity ?? '', /^sha512-/, path);
      assert.equal(locked.resolved, undefined, path);
    }
    assert.doesNotMatch(lockText, /"resolved": "[a-z+]+:/);
  });

  test('H15 letting the lockfile drift: it states the same dependencies as the manifests', () => {
    for (const { folder, manifest } of workspaces) {
      const locked = lock[folder === '.' ? '' : folder] as Manifest | undefined;
      assert.ok(locked, folder);
      for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'] as const) {
        assert.deepEqual({ ...locked[kind] }, { ...manifest[kind] }, `${kind} of ${folder}`);
      }
    }
  });
});
