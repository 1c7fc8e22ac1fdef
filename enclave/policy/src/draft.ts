import { bytesName } from '@keystead/crypto/recent';
import type { LedgerRow } from '@keystead/policy/usage-ledger';
import type { AuthorityLeaf } from '@keystead/protocol/authority';
import { AuthorityLeaf as AuthorityLeafCodec } from '@keystead/protocol/authority';
import type { AuthorityWriteOf } from '@keystead/protocol/authority-change/change';
import type { AuthorityWrite, CellWrite } from '@keystead/protocol/entry';
import { type CellTypes, cellName, decodeCell, encodeCell } from './cells.ts';
import type { Counter } from './counters.ts';
import type { Organization } from './organization.ts';
import { rowOf } from './plain-row.ts';
import { withAllNodes } from './rows.ts';

/** What one decision would change in one organization. Nothing is changed until the entry is appended. */
export class Draft {
  readonly organization: Organization;
  readonly #cells = new Map<string, Uint8Array | undefined>();
  readonly #authority = new Map<string, AuthorityWriteOf>();
  readonly #reads = new Set<Uint8Array>();

  constructor(organization: Organization) {
    this.organization = organization;
  }

  cell<K extends keyof CellTypes>(kind: K, id = ''): CellTypes[K] | undefined {
    if (this.#cells.size === 0) return this.organization.cell(kind, id);
    const name = cellName(kind, id);
    if (!this.#cells.has(name)) return this.organization.cell(kind, id);
    const bytes = this.#cells.get(name);
    return bytes === undefined ? undefined : decodeCell(kind, bytes);
  }

  write<K extends keyof CellTypes>(kind: K, id: string, value: CellTypes[K] | undefined): void {
    this.#cells.set(cellName(kind, id), value === undefined ? undefined : encodeCell(kind, value));
  }

  /** A counter with the credits that the decision wrote; what it reserves is added by its entry. Throws NeedRows. */
  counter(name: string): Counter {
    const counter = this.organization.counter(name);
    if (this.#cells.size === 0) return counter;
    const bytes = this.#cells.get(cellName('usage-credits', name));
    return bytes === undefined
      ? counter
      : { ...counter, credits: decodeCell('usage-credits', bytes).map(rowOf) };
  }

  /** Rows of a full segment of a counter. Throws NeedRows. */
  segment(name: string, counter: Counter, level: number, index: number): readonly LedgerRow[] | undefined {
    return this.organization.segment(name, counter, level, index);
  }

  /** Leaf as it stands before the decision; remembered, so that the certifier can be shown the same. */
  leaf = (key: Uint8Array): AuthorityLeaf | undefined => {
    this.#reads.add(key);
    return this.organization.leaf(key);
  };

  /** Leaf as it stands after the decision, to be shown: no rule rests on it, so it is no part of the proof. */
  leafAfter(key: Uint8Array): AuthorityLeaf | undefined {
    const written = this.#authority.get(bytesName(key));
    return written === undefined ? this.organization.leaf(key) : written.leaf;
  }

  writeAuthority(writes: readonly AuthorityWriteOf[]): void {
    for (const write of writes) this.#authority.set(bytesName(write.key), write);
  }

  get changesAuthority(): boolean {
    return this.#authority.size > 0;
  }

  cellWrites(): CellWrite[] {
    if (this.#cells.size === 0) return [];
    return [...this.#cells].map(([key, value]) => ({ key, value }));
  }

  authorityWrites(): AuthorityWrite[] {
    if (this.#authority.size === 0) return [];
    return [...this.#authority.values()].map(({ key, leaf }) => ({
      key,
      value: leaf === undefined ? undefined : AuthorityLeafCodec.encode(leaf),
    }));
  }

  /**
   * The authority root after the decision, the nodes to store, the hashes of those that they replace, and the nodes that
   * prove it to somebody who knows only the root before. Throws NeedRows.
   */
  authorityAfter(): {
    readonly root: Uint8Array;
    readonly nodes: readonly { readonly hash: Uint8Array; readonly bytes: Uint8Array }[];
    readonly replaced: readonly Uint8Array[];
    readonly witness: readonly Uint8Array[];
  } {
    const map = this.organization.authorityMap();
    withAllNodes([
      ...[...this.#reads].map((key) => () => map.get(key)),
      ...this.authorityWrites().map(({ key, value }) => () => {
        if (value === undefined) map.delete(key);
        else map.set(key, value);
      }),
    ]);
    const root = map.root();
    return {
      root,
      nodes: map.newNodes(),
      replaced: map.replaced(),
      witness: map.witness().map((node) => node.bytes),
    };
  }
}
