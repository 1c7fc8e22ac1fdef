import { hexEncode } from '@keystead/crypto/hex';
import type { RowQuery } from '@keystead/protocol/frames';

/**
 * Rows come from an untrusted store, later than they are asked for. A decision that lacks one stops with `NeedRows`,
 * is put aside, and starts again from the beginning when the rows are there: decisions stay plain functions.
 */
export class NeedRows extends Error {
  readonly query: RowQuery;
  constructor(query: RowQuery) {
    super(`row needed: ${query.kind}`);
    this.name = 'NeedRows';
    this.query = query;
  }
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
