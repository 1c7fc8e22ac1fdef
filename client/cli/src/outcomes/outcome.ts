import type { StatedOutcome } from '@keystead/protocol/methods/stateOutcomes';

/** What final history says of one transaction; null while it says nothing, or nothing that can be relied on. */
export type FoundOutcome = Omit<StatedOutcome, 'position'> | null;

/** A node said what cannot be: nothing is stated on its word. */
export class NodeLies extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'NodeLies';
  }
}

/** Text of a quantity or id in a node's answer. Throws NodeLies. */
export function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new NodeLies(`${what} is no text`);
  return value;
}

export function objectOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new NodeLies(`${what} is no object`);
  return value as Record<string, unknown>;
}

export function listOf(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new NodeLies(`${what} is no list`);
  return value as unknown[];
}
