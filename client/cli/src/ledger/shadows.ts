import { Entry, entryKind, outcomeAllow } from '@keystead/protocol/entry';

/** A row is the entry's bytes and a MAC of 32 bytes (spec/state.md). */
const macBytes = 32;

/** A request that passed, and that a policy which is tried would have decided otherwise. */
export interface Shadowed {
  readonly position: number;
  /** ISO 8601. */
  readonly time: string;
  readonly method: string;
  /** What the shadow says: a denial with its reason, approvals, or a delay. */
  readonly line: string;
}

/** What a shadow said of the key uses of a chain, by the traces of its entries (spec/policy.md §4.2), since it is tried. */
export function shadowsIn(
  rows: Iterable<{ readonly bytes: Uint8Array }>,
  name: string,
): { readonly passed: number; readonly others: readonly Shadowed[] } {
  let passed = 0;
  const others: Shadowed[] = [];
  let isTried = false;
  for (const { bytes } of rows) {
    const entry = Entry.decode(bytes.subarray(0, bytes.length - macBytes));
    for (const { key, value } of entry.cells)
      if (key === `policy/${name}`)
        isTried =
          value !== undefined &&
          (JSON.parse(Buffer.from(value).toString()) as { mode?: string }).mode === 'shadow';
    const isUse =
      entry.kind === entryKind.decision &&
      entry.decision.outcome === outcomeAllow &&
      entry.keyUse !== undefined;
    if (!isTried || !isUse) continue;
    passed += 1;
    const lines = entry.decision.trace.filter(
      (line) =>
        (line.startsWith(`shadow ${name}/`) || line.startsWith(`shadow ${name}:`)) &&
        !line.endsWith(': pass'),
    );
    for (const line of lines)
      others.push({
        position: entry.position,
        time: new Date(entry.time).toISOString(),
        method: entry.method,
        line,
      });
  }
  return { passed, others };
}
