/**
 * Loaded with `--import` before a test: one defence of the product is off, in this process and in the enclaves of the
 * stacks that it starts. KEYSTEAD_TEST_WEAKENED names files, functions or methods of it, and what they do instead of their
 * work, as a list of `Weakening`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Plugin, transformSync } from 'esbuild';
import { bundleEnclave } from '@keystead/stack/bundle';

/** One function that does something else than its work. */
export interface Weakening {
  /** Below the root of the repository. */
  readonly file: string;
  /** A function, or a method as its class spells it. */
  readonly name: string;
  /** The function in which it stands, where its name alone does not say which. */
  readonly within?: string;
  /** JavaScript that runs before everything that the function does, usually a `return`. */
  readonly body: string;
}

const ROOT = join(import.meta.dirname, '..');

/** The file as JavaScript, changed. Throws Error when a named function is not there exactly once. */
export function weakenedSource(file: string, weakenings: readonly Weakening[]): string {
  const source = readFileSync(join(ROOT, file), 'utf8');
  let { code } = transformSync(source, { loader: 'ts', target: 'esnext' });
  for (const { name, within, body } of weakenings) {
    const from = within === undefined ? 0 : onlyBodyOf(code, within, 0);
    const start = onlyBodyOf(code, name, from, within !== undefined);
    code = `${code.slice(0, start)}\n${body}\n${code.slice(start)}`;
  }
  return code;
}

/** Where the body of the function begins. */
function onlyBodyOf(code: string, name: string, from: number, first = false): number {
  const pattern = new RegExp(`^ *(?:export )?(?:async )?(?:function )?${name}\\(`, 'gm');
  const bodies = [...code.slice(from).matchAll(pattern)].flatMap(({ 0: text, index }) => {
    const end = endOfParameters(code, from + index + text.length);
    // A call stands there too, and has no body.
    return /^\s*\{/.test(code.slice(end)) ? [code.indexOf('{', end) + 1] : [];
  });
  if (bodies.length !== 1 && !(first && bodies.length > 0))
    throw new Error(`there are ${bodies.length} functions ${name}`);
  return bodies[0]!;
}

/** Where the list of parameters ends that begins before `from`. */
function endOfParameters(code: string, from: number): number {
  let depth = 1;
  let at = from;
  for (; depth > 0 && at < code.length; at += 1) {
    if (code[at] === '(') depth += 1;
    if (code[at] === ')') depth -= 1;
  }
  return at;
}

const { KEYSTEAD_TEST_WEAKENED } = process.env;
const weakenings = JSON.parse(KEYSTEAD_TEST_WEAKENED ?? '[]') as Weakening[];
const targets = new Map(weakenings.map(({ file }) => [join(ROOT, file), file]));
const weakenedTarget = (file: string) =>
  weakenedSource(
    file,
    weakenings.filter((weakening) => weakening.file === file),
  );

if (targets.size > 0)
  registerHooks({
    load: (url, context, next) => {
      const file = url.startsWith('file:') ? targets.get(fileURLToPath(url)) : undefined;
      if (file === undefined) return next(url, context);
      return { format: 'module', source: weakenedTarget(file), shortCircuit: true };
    },
  });

const plugin: Plugin = {
  name: 'weakened',
  setup(build) {
    build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const file = targets.get(path);
      return file === undefined ? undefined : { contents: weakenedTarget(file), loader: 'js' };
    });
  },
};

/** Bundles of the enclaves without the defence, in a directory; undefined when all defences are on. */
export async function weakenedBundles(directory: string) {
  if (targets.size === 0) return undefined;
  mkdirSync(directory, { recursive: true });
  const bundleOf = async (name: 'policy' | 'signer' | 'certifier') => {
    const { code, sha384 } = await bundleEnclave(name, ROOT, [plugin]);
    const path = join(directory, `${name}.mjs`);
    writeFileSync(path, code);
    return { path, sha384 };
  };
  const [policy, signer, certifier] = await Promise.all([
    bundleOf('policy'),
    bundleOf('signer'),
    bundleOf('certifier'),
  ]);
  return { policy, signer, certifier };
}
