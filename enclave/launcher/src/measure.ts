import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Role } from '@keystead/protocol/deployment';
import type { BundleConfig } from './config.ts';
import { LaunchError } from './launch-error.ts';

export interface MeasuredBundle {
  /** The bytes that were measured, which are the bytes that run: the file is not read again. */
  readonly code: Uint8Array;
  /** SHA-384 of `code`. */
  readonly measurement: Uint8Array;
}

/** Reads and measures one bundle. Throws LaunchError when it is not the expected one. */
export function measureBundle(role: Role, bundle: BundleConfig): MeasuredBundle {
  const code = readFileSync(bundle.path);
  const digest = createHash('sha384').update(code).digest();
  if (digest.toString('hex') !== bundle.sha384)
    throw new LaunchError(
      `the bundle of ${role} measures ${digest.toString('hex')}, expected ${bundle.sha384}`,
      'the file was changed after it was bundled; start again',
    );
  return { code, measurement: new Uint8Array(digest) };
}
