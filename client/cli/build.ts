/**
 * `node client/cli/build.ts [folder]`: the package that is published. Node strips no types under node_modules, so the
 * program is one built JavaScript file; everything it needs stands in it. Default folder: client/cli/dist.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Run as a program, as the stack declares it: no source of this zone imports a package. */
const bundler = join(import.meta.dirname, '../../node_modules/esbuild/bin/esbuild');
const folder = resolve(process.argv[2] ?? join(import.meta.dirname, 'dist'));
const manifest = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')) as {
  name: string;
  version: string;
  description: string;
  license: string;
};

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
execFileSync(
  process.execPath,
  [
    bundler,
    join(import.meta.dirname, 'src/main.ts'),
    '--bundle',
    '--format=esm',
    '--platform=node',
    '--target=node24',
    '--conditions=node',
    '--main-fields=module,main',
    '--charset=utf8',
    '--log-level=warning',
    `--outfile=${join(folder, 'keystead.js')}`,
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
chmodSync(join(folder, 'keystead.js'), 0o755);
const { name, version, description, license } = manifest;
const published = {
  name,
  version,
  description,
  license,
  type: 'module',
  engines: { node: '>=24' },
  bin: { keystead: 'keystead.js' },
  files: ['keystead.js', 'README.md', 'LICENSE'],
};
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published, undefined, 2)}\n`);
copyFileSync(join(import.meta.dirname, 'README.md'), join(folder, 'README.md'));
copyFileSync(join(import.meta.dirname, '../../LICENSE'), join(folder, 'LICENSE'));
