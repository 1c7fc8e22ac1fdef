/**
 * The floor check: may this file import that one?
 *
 * Workspaces and project references do not keep zones apart (npm hoists every sibling), so this script reads
 * every source file and compares its imports with floors.json and with the package's own manifest. It is a check
 * on our own code, not a sandbox; what holds at run time is the process boundary of the enclaves.
 *
 * `node tests/floors.ts` prints one line per violation and ends with code 1 when there is one.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, posix, relative, resolve, sep } from 'node:path';
import { readImports } from './source-tokens.ts';

export type Zone = {
  folder: string;
  imports: string[];
  packages: string[];
  builtins: string[];
  files?: Record<string, string[]>;
};

export type Floors = {
  zones: Zone[];
  sealed: string[];
  sealedWords: string[];
  names: { anywhere: string[]; whole: string[] };
  programs: string[];
};

export type Rule =
  | 'builtin'
  | 'computed-import'
  | 'export-star'
  | 'leaves-package'
  | 'name'
  | 'node-types'
  | 'package'
  | 'sealed-word'
  | 'test-import'
  | 'undeclared'
  | 'unknown-zone'
  | 'zone';

export type Violation = { rule: Rule; file: string; line: number; message: string };

type Manifest = {
  name: string;
  workspaces?: string[];
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  imports?: Record<string, unknown>;
};

export type Workspace = { folder: string; manifest: Manifest };

const SOURCE = /\.(ts|mts|cts|tsx|js|mjs|cjs|jsx)$/;
const IGNORED = new Set(['node_modules', 'dist', 'coverage', 'generated']);

/** Tests, and what only tests use: `*.test.ts`, and the folder `testing` of a package. */
const isTest = (file: string) => /\.test\.[a-z]+$/.test(file) || /^[^/]+(\/[^/]+)?\/testing\//.test(file);

/** True when `path` (slashes, relative to the root) is `pattern`, or inside it, where `*` is one name. */
export function matches(pattern: string, path: string): boolean {
  if (pattern === '*') return true;
  const wanted = pattern.split('/');
  const names = path.split('/');
  return (
    names.length >= wanted.length && wanted.every((name, index) => name === '*' || name === names[index])
  );
}

export function readFloors(root: string): Floors {
  return JSON.parse(readFileSync(join(root, 'floors.json'), 'utf8')) as Floors;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** The workspaces of the repository, in the order of their folders. */
export function readWorkspaces(root: string): Workspace[] {
  const patterns = readManifest(root).workspaces ?? [];
  return patterns
    .flatMap((pattern) => globSync(`${pattern}/package.json`, { cwd: root }))
    .map((path) => dirname(path).split(sep).join('/'))
    .sort()
    .map((folder) => ({ folder, manifest: readManifest(join(root, folder)) }));
}

function sourceFiles(root: string, folder: string): string[] {
  const files: string[] = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!IGNORED.has(entry.name) && !entry.name.startsWith('.')) files.push(...sourceFiles(root, path));
    } else if (SOURCE.test(entry.name)) files.push(path);
  }
  return files.sort();
}

/** The package part of a specifier: `@scope/name` or `name`. */
export function packageOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
}

export function zoneOf(floors: Floors, folder: string): Zone | undefined {
  return floors.zones.find((zone) => matches(zone.folder, folder));
}

/** The built-ins that a file may import: those of its zone and those listed for the file. */
export function allowedBuiltins(zone: Zone, file: string): string[] {
  const byFile = Object.entries(zone.files ?? {}).filter(([pattern]) => matches(pattern, file));
  return [...zone.builtins, ...byFile.flatMap(([, builtins]) => builtins)];
}

/** Every import, name and export of the repository that floors.json forbids. */
export function checkSources(root: string): Violation[] {
  const floors = readFloors(root);
  const workspaces = readWorkspaces(root);
  const byName = new Map(workspaces.map((workspace) => [workspace.manifest.name, workspace]));
  const oracles = new Set(
    [readManifest(root), ...workspaces.map((workspace) => workspace.manifest)].flatMap((manifest) =>
      Object.keys({
        ...manifest.devDependencies,
        ...manifest.optionalDependencies,
        ...manifest.dependencies,
      }),
    ),
  );
  const violations: Violation[] = [];

  for (const { folder, manifest } of workspaces) {
    const zone = zoneOf(floors, folder);
    if (zone === undefined) {
      const message = `${folder} stands in no zone of floors.json`;
      violations.push({ rule: 'unknown-zone', file: `${folder}/package.json`, line: 1, message });
      continue;
    }
    const sealed = floors.sealed.some((pattern) => matches(pattern, folder));
    const declared = new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }));

    for (const file of sourceFiles(root, folder)) {
      // What measures is no part of what runs, like what tests.
      const test = isTest(file) || folder === 'tests' || folder === 'bench';
      const report = (rule: Rule, line: number, message: string) =>
        violations.push({ rule, file, line, message });
      checkNames(floors, folder, file, report);
      const found = readImports(readFileSync(join(root, file), 'utf8'));

      for (const line of found.stars) report('export-star', line, '`export *` hides what a file exports');
      if (sealed && !test) {
        for (const line of found.computed) report('computed-import', line, 'an import must name its module');
        for (const word of floors.sealedWords) {
          const line = found.words.get(word);
          if (line !== undefined) report('sealed-word', line, `${word} may not be used in ${folder}`);
        }
      }
      for (const { specifier, line } of found.specifiers) {
        if (specifier.startsWith('.')) {
          const target = posix.join(posix.dirname(file), specifier);
          if (!target.startsWith(`${folder}/`)) {
            report('leaves-package', line, `${specifier} leaves ${folder}; import the package by its name`);
          } else if (isTest(target) && !test) report('test-import', line, `${specifier} is a test`);
        } else if (specifier.startsWith('#')) {
          if (!Object.hasOwn(manifest.imports ?? {}, specifier)) {
            report('undeclared', line, `${specifier} is not among the imports of ${folder}/package.json`);
          }
        } else if (isBuiltin(specifier)) {
          if (!specifier.startsWith('node:')) report('builtin', line, `write node:${specifier}`);
          const allowed = allowedBuiltins(zone, file);
          if (!test && !allowed.includes('*') && !allowed.includes(specifier)) {
            report('builtin', line, `${specifier} is not on the list of ${zone.folder}`);
          }
        } else {
          const name = packageOf(specifier);
          const target = byName.get(name);
          if (name !== manifest.name && !declared.has(name) && !(test && oracles.has(name))) {
            report('undeclared', line, `${name} is not declared in ${folder}/package.json`);
          }
          if (target !== undefined) {
            const allowed = zone.imports.some((pattern) => matches(pattern, target.folder));
            if (target.folder !== folder && !allowed) {
              report('zone', line, `${folder} may not import ${target.folder}`);
            }
          } else if (!test && !zone.packages.includes('*') && !zone.packages.includes(name)) {
            report('package', line, `${name} is not on the list of ${zone.folder}`);
          }
        }
      }
    }
  }
  return violations;
}

function checkNames(
  floors: Floors,
  folder: string,
  file: string,
  report: (rule: Rule, line: number, message: string) => void,
): void {
  for (const part of relative(folder, file).split(sep)) {
    const name = basename(part).split('.')[0]!.toLowerCase();
    const banned =
      floors.names.whole.includes(name) ||
      name.split('-').some((word) => floors.names.anywhere.includes(word)) ||
      floors.names.anywhere.some((word) => new RegExp(`[a-z]${capital(word)}$`).test(part.split('.')[0]!));
    if (banned) report('name', 1, `${part} says nothing; name it after what it holds`);
  }
}

const capital = (word: string) => word[0]!.toUpperCase() + word.slice(1);

/**
 * The pure zone compiles without Node's types. One dependency that refers to them would bring them all back
 * silently, so the list of files that the compiler read is checked.
 */
export function checkPureTypes(root: string, compiler: string): Violation[] {
  let listing: string;
  try {
    listing = execFileSync(compiler, ['--noEmit', '--listFiles', '-p', 'tsconfig.pure.json'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 << 20,
    });
  } catch (error) {
    // Type errors are reported by the type check; the list is printed all the same.
    listing = String((error as { stdout?: string }).stdout ?? '');
  }
  const files = listing.split('\n').filter((line) => /\.[cm]?tsx?$/.test(line));
  const at = { file: 'tsconfig.pure.json', line: 1 };
  if (files.length === 0) return [{ rule: 'node-types', ...at, message: 'the compiler listed no file' }];
  const leaked = files.filter((line) => line.includes('/@types/node/'));
  if (leaked.length === 0) return [];
  return [
    { rule: 'node-types', ...at, message: `${leaked.length} files of @types/node reach the pure zone` },
  ];
}

/** One line for a person: `file:line rule: message`. */
export const describeViolation = (violation: Violation) =>
  `${violation.file}:${violation.line} ${violation.rule}: ${violation.message}`;

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '..');
  const compiler = join(root, 'node_modules/.bin/tsc');
  if (!existsSync(compiler)) {
    process.stderr.write('error: the TypeScript compiler is missing\nhint: run npm ci first\n');
    process.exit(1);
  }
  const violations = [...checkSources(root), ...checkPureTypes(root, compiler)];
  for (const violation of violations) process.stdout.write(`${describeViolation(violation)}\n`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
