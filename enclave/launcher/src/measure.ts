import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { type MeasuredProgram, measurementPreimage } from '@keystead/protocol/measurement';
import type { BundleConfig } from './config.ts';
import { LaunchError } from './launch-error.ts';

export interface MeasuredBundle {
  /** The bytes that were measured, which are the bytes that run: the file is not read again. */
  readonly code: Uint8Array;
  /** SHA-384 of `code`. */
  readonly digest: Uint8Array;
}

/** Reads and measures one bundle. Throws LaunchError when it is not the expected one. */
export function measureBundle(role: string, bundle: BundleConfig): MeasuredBundle {
  const code = readFileSync(bundle.path);
  const digest = sha384(code);
  const measured = Buffer.from(digest).toString('hex');
  if (measured !== bundle.sha384)
    throw new LaunchError(
      `the bundle of ${role} measures ${measured}, expected ${bundle.sha384}`,
      'the file was changed after it was bundled; start again',
    );
  return { code, digest };
}

/** The measurement of a running program: SHA-384 over its manifest (spec/isolation.md §4). */
export function measurementOf(program: MeasuredProgram): Uint8Array {
  return sha384(measurementPreimage(program));
}

export function sha384(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha384').update(data).digest());
}

/** The Node binary that runs the enclaves, read once; it is too large to be read at every start. */
export interface MeasuredNode {
  readonly path: string;
  readonly digest: Uint8Array;
  /** Throws LaunchError when the file was changed or replaced since it was read. */
  assertUnchanged(): void;
  /** Whether a file is this one, as by `/proc/<pid>/exe`. */
  isAt(path: string): boolean;
}

export function measureNode(path: string = process.execPath): MeasuredNode {
  const identify = (at: string) => {
    const { dev, ino, size, mtimeNs } = statSync(at, { bigint: true });
    return [dev, ino, size, mtimeNs].join(' ');
  };
  const identity = identify(path);
  const digest = sha384OfFile(path);
  const isAt = (at: string) => identify(at) === identity;
  return {
    path,
    digest,
    isAt,
    assertUnchanged: () => {
      if (!isAt(path))
        throw new LaunchError(`the Node binary ${path} was replaced while it ran`, 'start Keystead again');
    },
  };
}

/** By one buffer: what a stream reads such a large file into would stay in memory for good. */
function sha384OfFile(path: string): Uint8Array {
  const hash = createHash('sha384');
  const buffer = new Uint8Array(1 << 20);
  const descriptor = openSync(path, 'r');
  try {
    for (let length = -1; length !== 0; ) {
      length = readSync(descriptor, buffer);
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    closeSync(descriptor);
  }
  return new Uint8Array(hash.digest());
}
