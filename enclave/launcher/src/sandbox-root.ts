import { closeSync, existsSync, openSync, readFileSync, readSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface BoundFile {
  readonly source: string;
  readonly target: string;
}

/** Where the Node binary stands in the root of an enclave. */
export const nodeInSandbox = '/bin/node';

/**
 * The files of an enclave's root: the Node binary, the libraries that it has loaded, and their loader. What this
 * process has mapped is what another process of the same binary needs.
 */
export function sandboxFiles(node: string = process.execPath): readonly BoundFile[] {
  const files = new Map<string, string>([[nodeInSandbox, realpathSync(node)]]);
  for (const path of mappedLibraries())
    for (const name of namesOf(path)) files.set(join(dirname(path), name), path);
  const loader = loaderOf(node);
  if (loader !== undefined) files.set(loader, realpathSync(loader));
  return [...files].map(([target, source]) => ({ source, target }));
}

function mappedLibraries(): readonly string[] {
  const paths = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .map((line) => /^\S+ ..x. \S+ \S+ \S+ +(\/.*)$/.exec(line)?.[1])
    .filter((path) => path !== undefined && /\.so(\.[0-9.]+)?$/.test(path));
  return [...new Set(paths as string[])];
}

/** The names of a library file that lead to it: `x.so.6.0.30`, and `x.so.6`, for which programs ask. */
function namesOf(path: string): readonly string[] {
  const directory = dirname(path);
  const names = [path.slice(directory.length + 1)];
  for (let name = names[0]; /\.[0-9]+$/.test(name); ) {
    name = name.replace(/\.[0-9]+$/, '');
    const link = join(directory, name);
    if (existsSync(link) && realpathSync(link) === path) names.push(name);
  }
  return names;
}

/** The program interpreter of a 64-bit ELF file, little-endian (PT_INTERP); undefined for a static one. */
function loaderOf(node: string): string | undefined {
  const descriptor = openSync(node, 'r');
  try {
    const header = Buffer.alloc(4096);
    readSync(descriptor, header, 0, header.length, 0);
    const programHeaders = Number(header.readBigUInt64LE(32));
    const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
    for (let index = 0; index < count; index++) {
      const at = programHeaders + index * size;
      if (at + size > header.length || header.readUInt32LE(at) !== 3) continue;
      const text = Buffer.alloc(Number(header.readBigUInt64LE(at + 32)));
      readSync(descriptor, text, 0, text.length, Number(header.readBigUInt64LE(at + 8)));
      return text.toString('utf8').replace(/\0.*$/s, '');
    }
    return undefined;
  } finally {
    closeSync(descriptor);
  }
}
