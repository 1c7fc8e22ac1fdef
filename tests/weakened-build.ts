/**
 * Loaded with `--import` before a test: one defence of the product is off. KEYSTEAD_TEST_WEAKENED names files, functions or
 * methods of it, and what they do instead of their work, as a list of `Weakening`.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';

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
if (KEYSTEAD_TEST_WEAKENED !== undefined) {
  const weakenings = JSON.parse(KEYSTEAD_TEST_WEAKENED) as Weakening[];
  const targets = new Map(weakenings.map(({ file }) => [pathToFileURL(join(ROOT, file)).href, file]));
  registerHooks({
    load: (url, context, next) => {
      const file = targets.get(url);
      if (file === undefined) return next(url, context);
      const source = weakenedSource(
        file,
        weakenings.filter((weakening) => weakening.file === file),
      );
      return { format: 'module', source, shortCircuit: true };
    },
  });
}
