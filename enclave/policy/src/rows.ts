import { hexEncode } from '@keystead/crypto/hex';
import { MissingNodeError } from '@keystead/crypto/merkle-map';
import type { RowQuery } from '@keystead/protocol/frames';

/**
 * Rows come from an untrusted store, later than they are asked for. A decision that lacks one stops with `NeedRows`,
 * is put aside, and starts again from the beginning when the rows are there: decisions stay plain functions.
 */
export class NeedRows extends Error {
  /** Each another one; the decision starts again when all are answered. */
  readonly queries: readonly RowQuery[];
  constructor(queries: readonly RowQuery[]) {
    super(`rows needed: ${queries.length}`);
    this.name = 'NeedRows';
    this.queries = queries;
  }
}

/**
 * Takes every step, in order: reads and writes of maps, which change nothing when they lack a node. Throws one NeedRows
 * with a node for each step that lacked one. Repeated when they are there, it gets one level of the maps further at
 * least, so that round trips do not grow with the number of steps.
 */
export function withAllNodes(steps: Iterable<() => void>): void {
  const missing = new Map<string, Uint8Array>();
  for (const step of steps)
    try {
      step();
    } catch (cause) {
      for (const hash of missingIn(cause)) missing.set(hexEncode(hash), hash);
    }
  if (missing.size > 0) throw new NeedRows([...missing.values()].map((hash) => ({ kind: 'node', hash })));
}

/** Hashes of the nodes for want of which a step stopped. Throws what stopped it for another reason. */
function missingIn(cause: unknown): Uint8Array[] {
  if (cause instanceof MissingNodeError) return [cause.hash];
  if (!(cause instanceof NeedRows)) throw cause;
  return cause.queries.map((query) => {
    if (query.kind !== 'node') throw cause;
    return query.hash;
  });
}

/** Verified nodes of authority and state maps, by hash. Content-addressed, so a node once verified stays true. */
export class NodeCache {
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  node(hash: Uint8Array): Uint8Array | undefined {
    return this.#nodes.get(hexEncode(hash));
  }

  put(hash: Uint8Array, bytes: Uint8Array): void {
    this.#nodes.set(hexEncode(hash), bytes);
    if (this.#nodes.size > this.#limit) {
      const oldest = this.#nodes.keys().next().value;
      if (oldest !== undefined) this.#nodes.delete(oldest);
    }
  }
}
