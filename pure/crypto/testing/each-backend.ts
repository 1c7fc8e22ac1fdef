import { registerHooks } from 'node:module';

const SOURCE = new URL('../src/', import.meta.url).href;
const PORTABLE = '?backend=portable';

// A second copy of each module of this package, told apart by its query, gets the portable backend. The class of errors
// stays one, so that instanceof works across the copies.
registerHooks({
  resolve(specifier, context, next) {
    if (!context.parentURL?.endsWith(PORTABLE)) return next(specifier, context);
    if (specifier === '#backend')
      return { ...next('./backend/portable.ts', { ...context, parentURL: SOURCE }) };
    const resolved = next(specifier, context);
    if (!resolved.url.startsWith(SOURCE) || resolved.url.endsWith('/crypto-error.ts')) return resolved;
    return { ...resolved, url: resolved.url + PORTABLE };
  },
});

/**
 * The module `name` (a file of src without extension) once over each backend:
 * `await eachBackend<typeof import('./hkdf.ts')>('hkdf')`.
 */
export async function eachBackend<M>(name: string): Promise<readonly { backend: string; module: M }[]> {
  const url = `${SOURCE}${name}.ts`;
  return [
    { backend: 'node', module: (await import(url)) as M },
    { backend: 'portable', module: (await import(url + PORTABLE)) as M },
  ];
}
