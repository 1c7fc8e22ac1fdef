import type { ProbeResult } from '@keystead/enclave-runtime/control';
import { type IsolationPart, isolationParts } from './isolation-part.ts';
import { type ProcessFacts, promisedNamespaces } from './process-inspection.ts';

export interface Observation {
  readonly probes: readonly ProbeResult[];
  readonly facts: ProcessFacts;
  /** The user id that the enclave was told to take. */
  readonly userId: number | undefined;
  /** Other processes that have it. */
  readonly sharing: readonly number[];
}

/** What every enclave tries. One that does not report all of it promises nothing. */
const promisedProbes = ['connect', 'read-file', 'write-file', 'spawn', 'read-memory', 'debugger'];

/** Why a part does not hold in a running enclave; undefined when it holds (spec/isolation.md §5). */
export function failing(part: IsolationPart, seen: Observation): string | undefined {
  const { facts, userId } = seen;
  switch (part) {
    case 'uid': {
      if (userId === undefined) return 'no user id was given';
      const ids = [...facts.userIds, ...facts.groupIds];
      if (ids.length !== 8 || ids.some((id) => id !== userId)) return `it runs as user ${facts.userIds[0]}`;
      if (facts.groups.length > 0) return `it is in the group ${facts.groups[0]}`;
      if (facts.capabilities.length > 0) return `it has capabilities (${facts.capabilities.join(', ')})`;
      if (seen.sharing.length > 0) return `user ${userId} also runs process ${seen.sharing[0]}`;
      return undefined;
    }
    case 'namespaces': {
      const shared = promisedNamespaces.filter((kind) => !facts.ownNamespaces.includes(kind));
      return shared.length === 0 ? undefined : `it shares namespaces (${shared.join(', ')})`;
    }
    case 'readonly':
      if (facts.writableMounts.length > 0) return `it can write to ${facts.writableMounts[0]}`;
      return facts.mounts > 0 ? undefined : 'it has no root of its own';
    case 'seccomp':
      if (!facts.noNewPrivileges) return 'it can gain privileges';
      return facts.seccomp ? undefined : 'it has no filter';
    case 'permission': {
      const refused = seen.probes.filter((probe) => probe.refused).map((probe) => probe.name);
      const open = promisedProbes.filter((name) => !refused.includes(name));
      return open.length === 0 ? undefined : `it was not refused: ${open.join(', ')}`;
    }
  }
}

/** What holds whatever was asked for; without it an enclave is not started. */
export function failingAlways({ facts }: Observation): string | undefined {
  if (!facts.writesNoCore) return 'it may write a core dump';
  return facts.catchesDebugSignal ? 'SIGUSR1 opens its debugger' : undefined;
}

/** The parts that hold, asked for or not. */
export function holding(seen: Observation): readonly IsolationPart[] {
  return isolationParts.filter((part) => failing(part, seen) === undefined);
}
