import { concatBytes } from '@keystead/crypto/bytes';
import { fixed, list, option, type Static, struct, text } from '@keystead/crypto/pack';
import { domainPrefix } from './domain.ts';

/** Everything that decides what runs as an enclave of the `process` rung (spec/isolation.md §4). */
export const MeasuredProgram = struct({
  /** SHA-384 of the bundle. */
  bundle: fixed(48),
  /** SHA-384 of the Node binary that runs it. */
  node: fixed(48),
  /** Node's flags, in order. */
  flags: list(text(128), 32),
  /** SHA-384 of the seccomp filter as it is handed to the kernel; absent when none is installed. */
  seccomp: option(fixed(48)),
  /** Names of the isolation parts, in the order of spec/isolation.md §1. */
  isolation: list(text(16), 8),
});
export type MeasuredProgram = Static<typeof MeasuredProgram>;

/** The bytes whose SHA-384 is the measurement of a running program. */
export function measurementPreimage(program: MeasuredProgram): Uint8Array {
  return concatBytes(domainPrefix('keystead/measurement/v1'), MeasuredProgram.encode(program));
}
