/**
 * Builds the package for others into `dist/`: JavaScript with everything of `pure` inside, once for Node, once for browsers
 * and, what React Native can run, once for it; types that refer to nothing outside, and a package.json to publish. Node refuses to strip types under
 * node_modules, so the sources themselves cannot be published.
 *
 * `node client/sdk/build.ts`, then `npm pack ./client/sdk/dist`.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';

const folder = import.meta.dirname;
const root = join(folder, '../..');
const output = join(folder, 'dist');

/** Subpaths of the package: source, whether it needs Node, and whether React Native has a build of its own. */
const entries: Readonly<
  Record<string, { readonly source: string; readonly node?: boolean; readonly reactNative?: boolean }>
> = {
  client: { source: 'client.ts' },
  errors: { source: 'errors.ts' },
  memory: { source: 'memory.ts' },
  solana: { source: 'solana.ts' },
  viem: { source: 'viem.ts' },
  'wallet-transport': { source: 'wallet-transport.ts' },
  'native-calls': { source: 'native-calls.ts' },
  recovery: { source: 'recovery.ts', reactNative: true },
  // The worker that the former starts in browsers.
  'recovery-worker': { source: 'recovery-worker.ts' },
  seedless: { source: 'seedless.ts' },
  'seedless/device-store': { source: 'seedless/device-store.ts' },
  'seedless/browser-device-store': { source: 'seedless/browser-device-store.ts' },
  'step-up': { source: 'step-up.ts' },
  'stampers/stamper': { source: 'stampers/stamper.ts' },
  'stampers/key': { source: 'stampers/key.ts' },
  'stampers/webcrypto': { source: 'stampers/webcrypto.ts' },
  'stampers/passkey': { source: 'stampers/passkey.ts' },
  'stampers/possession': { source: 'stampers/possession.ts' },
  // What the stampers and the transport of secrets take and give.
  'secret-bytes': { source: '../../../pure/crypto/src/secret-bytes.ts' },
  mnemonic: { source: '../../../pure/crypto/src/bip39.ts' },
  'node/credentials': { source: 'node/credentials.ts', node: true },
};

/** What is inside the bundles besides our own sources. */
const bundled = [
  '@noble/ciphers',
  '@noble/curves',
  '@noble/hashes',
  '@scure/base',
  '@scure/bip39',
  'hash-wasm',
  'shamir-secret-sharing',
];

const run = (program: string, parameters: readonly string[]): void => {
  execFileSync(join(root, 'node_modules/.bin', program), parameters, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
};

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
bundle('node', () => true);
bundle('browser', (entry) => entry.node !== true);
bundle('react-native', (entry) => entry.reactNative === true);
declarations();
manifest();

/** Shared parts become chunks, so that an error class of one subpath is that of every other. */
function bundle(
  platform: 'node' | 'browser' | 'react-native',
  wanted: (entry: (typeof entries)[string]) => boolean,
): void {
  run('esbuild', [
    ...Object.entries(entries)
      .filter(([, entry]) => wanted(entry))
      .map(([name, { source }]) => `${name}=${posix.join('client/sdk/src', source)}`),
    '--bundle',
    '--splitting',
    '--format=esm',
    `--platform=${platform === 'react-native' ? 'browser' : platform}`,
    `--conditions=${platform}`,
    '--target=es2024',
    '--charset=utf8',
    '--legal-comments=none',
    '--log-level=warning',
    `--outdir=${join(output, platform)}`,
  ]);
}

/** Declarations of the SDK and of what it takes from `pure`, under `types/`, with relative imports only. */
function declarations(): void {
  const types = join(output, 'types');
  const project = join(output, 'tsconfig.json');
  const sources = Object.values(entries).map(({ source }) => join(folder, 'src', source));
  writeFileSync(
    project,
    JSON.stringify({
      extends: '../../../tsconfig.json',
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: root,
        outDir: types,
        // Through node_modules they would count as somebody else's, and get no declarations.
        paths: Object.fromEntries(
          ['crypto', 'chains', 'juicebox', 'protocol'].map((name) => [
            `@keystead/${name}/*`,
            [join(root, 'pure', name, 'src/*.ts')],
          ]),
        ),
      },
      files: sources,
      include: [],
      exclude: [],
    }),
  );
  run('tsc', ['-p', project]);
  rmSync(project);
  for (const file of filesBelow(types)) {
    const text = readFileSync(file, 'utf8');
    writeFileSync(
      file,
      text.replace(/(from |import\()(['"])([^'"]+)\2/g, (_, before, quote, specifier) => {
        return `${before}${quote}${withinTypes(types, file, specifier)}${quote}`;
      }),
    );
  }
}

/** A specifier of the sources as the declarations can resolve it. */
function withinTypes(types: string, file: string, specifier: string): string {
  if (specifier.startsWith('.')) return specifier.replace(/\.ts$/, '.js');
  const own = /^@keystead\/(crypto|chains|juicebox|protocol)\/(.+)$/.exec(specifier);
  if (own === null)
    throw new Error(`${relative(types, file)} refers to ${specifier}, which the package does not have`);
  const target = join(types, 'pure', own[1]!, 'src', `${own[2]}.js`);
  const path = relative(dirname(file), target).split(sep).join('/');
  return path.startsWith('.') ? path : `./${path}`;
}

function filesBelow(path: string): string[] {
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function manifest(): void {
  const source = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, string>;
  const exports = Object.fromEntries(
    Object.entries(entries).map(([name, { source: path, node, reactNative }]) => {
      const types = `./types/${posix.join('client/sdk/src', path).replace(/\.ts$/, '.d.ts')}`;
      return [
        `./${name}`,
        node === true
          ? { types, node: `./node/${name}.js` }
          : {
              types,
              ...(reactNative === true ? { 'react-native': `./react-native/${name}.js` } : {}),
              node: `./node/${name}.js`,
              default: `./browser/${name}.js`,
            },
      ];
    }),
  );
  const { name, version, description, license, type } = source;
  const published = {
    name,
    version,
    description,
    license,
    type,
    sideEffects: false,
    engines: { node: '>=24' },
    exports: { ...exports, './package.json': './package.json' },
  };
  writeFileSync(join(output, 'package.json'), `${JSON.stringify(published, undefined, 2)}\n`);
  copyFileSync(join(folder, 'README.md'), join(output, 'README.md'));
  copyFileSync(join(root, 'LICENSE'), join(output, 'LICENSE'));
  const notices = bundled.map((dependency) => {
    const text = readFileSync(join(root, 'node_modules', dependency, 'LICENSE'), 'utf8');
    return `## ${dependency}\n\n${text.trim()}\n`;
  });
  writeFileSync(join(output, 'NOTICES.md'), `# Software inside this package\n\n${notices.join('\n')}`);
}
