/**
 * `node stack/src/bundle-digests.ts`: what this source gives when it is built, as one JSON object on standard output.
 * `keystead verify` runs it in a source that its user trusts and compares it with what a deployment states.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nodeFlags } from '@keystead/enclave-launcher/enclave-process';
import { measureNode, sha384 } from '@keystead/enclave-launcher/measure';
import { seccompFilter } from '@keystead/enclave-launcher/seccomp-filter';
import { stop as endBundler } from 'esbuild';
import { bundleEnclave, ENCLAVE_PROGRAMS, type EnclaveBundle, type EnclaveProgram } from './bundle.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** SHA-256 of every file that went into a bundle, hexadecimal, by its path in the repository. */
export function inputDigests(
  { inputs }: Pick<EnclaveBundle, 'inputs'>,
  root: string,
): Record<string, string> {
  const digest = (path: string) =>
    createHash('sha256')
      .update(readFileSync(join(root, path)))
      .digest('hex');
  return Object.fromEntries(inputs.map((path) => [path, digest(path)]));
}

export interface BundleDigests {
  /** SHA-384 of the Node binary that would run them, hexadecimal. */
  readonly node: string;
  readonly flags: readonly string[];
  /** SHA-384 of the system-call filter, hexadecimal. */
  readonly seccomp: string;
  readonly programs: Readonly<
    Record<EnclaveProgram, { readonly sha384: string; readonly inputs: Readonly<Record<string, string>> }>
  >;
}

async function bundleDigests(root: string): Promise<BundleDigests> {
  const programs = await Promise.all(
    ENCLAVE_PROGRAMS.map(async (name) => {
      const bundle = await bundleEnclave(name);
      return [name, { sha384: bundle.sha384, inputs: inputDigests(bundle, root) }] as const;
    }),
  );
  return {
    node: hex(measureNode().digest),
    flags: nodeFlags,
    seccomp: hex(sha384(seccompFilter())),
    programs: Object.fromEntries(programs) as BundleDigests['programs'],
  };
}

if (process.argv[1] === import.meta.filename) {
  const digests = await bundleDigests(join(import.meta.dirname, '../..'));
  await endBundler();
  process.stdout.write(`${JSON.stringify(digests)}\n`);
}
