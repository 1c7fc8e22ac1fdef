/**
 * One reproducible bundle per enclave program: the bytes that the launcher measures.
 *
 * The options stand here once. The stack bundles with them at start and tests/measured-inputs.ts compares the
 * list of files that went in with the committed one, so that a change that lets new code into an enclave shows
 * it in its diff.
 */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { build, buildSync, type BuildOptions, type Plugin } from 'esbuild';

/** The measured programs, each in `enclave/<name>/src/main.ts`. */
export const ENCLAVE_PROGRAMS = ['policy', 'signer', 'certifier', 'realm', 'backup', 'launcher'] as const;

export type EnclaveProgram = (typeof ENCLAVE_PROGRAMS)[number];

export type EnclaveBundle = {
  /** The program: one ES module, UTF-8. */
  code: Uint8Array;
  /** SHA-384 of `code`, lowercase hexadecimal: the measurement of the program. */
  sha384: string;
  /** Every file that went in, relative to the root of the repository, with slashes, sorted. */
  inputs: string[];
  /** Every import that stays outside: the module, a built-in of Node, and the input that imports it. */
  externals: { module: string; importer: string }[];
};

/** Real path, so that the output does not depend on a link on the way to the repository. */
const ROOT = realpathSync(join(import.meta.dirname, '../..'));

const options = {
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  conditions: ['node'],
  mainFields: ['module', 'main'],
  external: ['node:*'],
  // A program with one character beyond Latin-1 would take twice the memory.
  charset: 'ascii',
  legalComments: 'none',
  minifyIdentifiers: false,
  minifySyntax: false,
  treeShaking: true,
  sourcemap: false,
  metafile: true,
  logLevel: 'silent',
  // A tsconfig found on the way up could change the output; nothing of ours may depend on one.
  tsconfigRaw: { compilerOptions: { target: 'es2024', verbatimModuleSyntax: true } },
} as const satisfies BuildOptions;

/**
 * Bundles one enclave program. The same sources give the same bytes in whatever folder the repository lies. Tests of what
 * happens without a defence change sources by `plugins`; such a program has another measurement.
 *
 * @throws Error of esbuild when a module is missing or does not parse, or when an import does not resolve.
 */
export async function bundleEnclave(
  name: EnclaveProgram,
  root: string = ROOT,
  plugins: Plugin[] = [],
): Promise<EnclaveBundle> {
  const result = await build({
    ...options,
    absWorkingDir: root,
    plugins,
    entryPoints: [`enclave/${name}/src/main.ts`],
    outfile: `enclave-${name}.mjs`,
    // An enclave is one ES module: a package that would load more at run time finds nothing to do it with.
    define: { require: 'undefined' },
    minifyWhitespace: true,
  });
  const code = result.outputFiles[0]!.contents;
  const inputs = Object.keys(result.metafile.inputs).sort();
  return {
    code,
    sha384: createHash('sha384').update(code).digest('hex'),
    inputs,
    externals: inputs.flatMap((importer) =>
      result.metafile.inputs[importer]!.imports.filter((entry) => entry.external).map((entry) => ({
        module: entry.path,
        importer,
      })),
    ),
  };
}

/**
 * One program of the host zone, which ends together with the process that started it, as one ES module (decision 0024).
 * `entry` is an absolute path, or one relative to the repository. Rejects as `bundleEnclave` does.
 */
export async function bundleHost(entry: string): Promise<Uint8Array> {
  const result = await build({
    ...options,
    absWorkingDir: ROOT,
    entryPoints: [entry],
    inject: [join(import.meta.dirname, 'end-with-parent.ts')],
    // What a package in CommonJS asks for are Node's own modules; everything else is in the bundle.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('file:///');" },
    outfile: 'host.mjs',
  });
  return result.outputFiles[0]!.contents;
}

/** The supervisor itself, for `npm start`: it finds the sources, and esbuild, where they lie and not where the bundle does. */
export function bundleSupervisor(): Uint8Array {
  // At once, and its compiler has ended when this process becomes another program.
  const result = buildSync({
    ...options,
    absWorkingDir: ROOT,
    entryPoints: ['stack/src/supervisor.ts'],
    alias: { esbuild: import.meta.resolve('esbuild') },
    external: [...options.external, 'file:*'],
    define: {
      'import.meta.dirname': JSON.stringify(join(ROOT, 'stack/src')),
      'import.meta.filename': '""',
    },
    minifyWhitespace: true,
    outfile: 'supervisor.mjs',
  });
  return result.outputFiles[0]!.contents;
}
