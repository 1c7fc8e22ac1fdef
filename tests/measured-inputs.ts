/**
 * The list of files measured into each enclave, compared with the committed one.
 *
 * `node tests/measured-inputs.ts` prints what differs and ends with code 1; `--write` writes
 * `enclave/<name>/measured-inputs.txt` anew, to be committed with the change that caused it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  bundleEnclave,
  ENCLAVE_PROGRAMS,
  type EnclaveBundle,
  type EnclaveProgram,
} from '@keystead/stack/bundle';
import { allowedBuiltins, matches, packageOf, readFloors, readWorkspaces, zoneOf } from './floors.ts';

/** Where the committed list of one program lies, relative to the root. */
export const listOf = (name: EnclaveProgram) => `enclave/${name}/measured-inputs.txt`;

/** What is new (+) and what is gone (-) between two sorted lists. */
export function difference(before: string[], after: string[]): string[] {
  const old = new Set(before);
  const now = new Set(after);
  return [
    ...after.filter((path) => !old.has(path)).map((path) => `+ ${path}`),
    ...before.filter((path) => !now.has(path)).map((path) => `- ${path}`),
  ];
}

/**
 * Inputs that floors.json does not let into a program, whatever path of imports brought them, and built-ins that
 * their importer may not use. A package uses those that the program's floor names beside its file.
 */
export function foreign(
  root: string,
  name: EnclaveProgram,
  { inputs, externals }: Pick<EnclaveBundle, 'inputs' | 'externals'>,
): string[] {
  const floors = readFloors(root);
  const folder = `enclave/${name}`;
  const zone = zoneOf(floors, folder)!;
  const reached = readWorkspaces(root)
    .map((workspace) => workspace.folder)
    .filter((other) => other === folder || zone.imports.some((pattern) => matches(pattern, other)));
  const packages = new Set(reached.flatMap((other) => zoneOf(floors, other)!.packages));
  const folderOf = (path: string) => reached.find((other) => path.startsWith(`${other}/src/`));
  return [
    ...inputs.filter((path) => {
      const inPackage = path.lastIndexOf('node_modules/');
      if (inPackage >= 0) return !packages.has(packageOf(path.slice(inPackage + 'node_modules/'.length)));
      return folderOf(path) === undefined || path.includes('.test.');
    }),
    ...externals
      .filter(({ module, importer }) => {
        const from = folderOf(importer);
        const allowed =
          from === undefined
            ? allowedBuiltins({ ...zone, builtins: [] }, importer)
            : allowedBuiltins(zoneOf(floors, from)!, importer);
        return !allowed.includes(module);
      })
      .map(({ module, importer }) => `${module} in ${importer}`),
  ];
}

/** Lines that say what is wrong with the measured inputs of the programs that exist; empty when all is well. */
export async function checkMeasuredInputs(root: string, write = false): Promise<string[]> {
  const lines: string[] = [];
  for (const name of ENCLAVE_PROGRAMS) {
    const list = join(root, listOf(name));
    if (!existsSync(join(root, `enclave/${name}/src/main.ts`))) {
      if (existsSync(list)) lines.push(`enclave/${name}: a list of measured inputs, but no src/main.ts`);
      continue;
    }
    const bundle = await bundleEnclave(name, root);
    const again = await bundleEnclave(name, root);
    if (again.sha384 !== bundle.sha384) lines.push(`enclave/${name}: two bundles of one source differ`);
    for (const path of foreign(root, name, bundle)) {
      lines.push(`enclave/${name}: floors.json does not let in ${path}`);
    }
    if (write) writeFileSync(list, `${bundle.inputs.join('\n')}\n`);
    const committed = existsSync(list) ? readFileSync(list, 'utf8').split('\n').filter(Boolean) : [];
    for (const line of difference(committed, bundle.inputs)) lines.push(`${listOf(name)}: ${line}`);
  }
  return lines;
}

if (import.meta.main) {
  const lines = await checkMeasuredInputs(
    resolve(import.meta.dirname, '..'),
    process.argv.includes('--write'),
  );
  for (const line of lines) process.stdout.write(`${line}\n`);
  if (lines.length > 0)
    process.stdout.write('hint: node tests/measured-inputs.ts --write, then read the diff\n');
  process.exitCode = lines.length === 0 ? 0 : 1;
}
