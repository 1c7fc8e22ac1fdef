import { join } from 'node:path';
import type { MeasuredProgram } from '@keystead/protocol/measurement';
import { replaceFile } from './durable-file.ts';
import { type IsolationPart, isolationParts } from './isolation-part.ts';

/** What was seen of one enclave when it started last. */
export interface EnclaveIsolation {
  readonly pid: number;
  readonly userId: number;
  readonly holds: readonly IsolationPart[];
  /** Of the probes of spec/isolation.md §5. */
  readonly refused: readonly string[];
  readonly allowed: readonly string[];
  /** Hexadecimal. */
  readonly measurement: string;
  readonly program: MeasuredProgram;
}

/** Where the launcher states what isolates the enclaves of a home. */
export const isolationFileOf = (home: string) => join(home, 'isolation.json');

/** Writes the file anew. `holds` names the parts that hold for every enclave. */
export function keepIsolationFile(
  home: string,
  asked: readonly IsolationPart[],
  tool: 'bubblewrap' | 'util-linux' | 'none',
  enclaves: ReadonlyMap<string, EnclaveIsolation>,
): void {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  const all = [...enclaves.values()];
  const stated = Object.fromEntries(
    [...enclaves].map(([role, { program, ...enclave }]) => [
      role,
      {
        ...enclave,
        program: {
          bundle: hex(program.bundle),
          node: hex(program.node),
          flags: program.flags,
          seccomp: program.seccomp === undefined ? null : hex(program.seccomp),
          isolation: program.isolation,
        },
      },
    ]),
  );
  const content = {
    asked,
    holds: isolationParts.filter((part) => all.every(({ holds }) => holds.includes(part))),
    tool,
    enclaves: stated,
  };
  replaceFile(isolationFileOf(home), `${JSON.stringify(content, undefined, 2)}\n`, 0o644);
}
