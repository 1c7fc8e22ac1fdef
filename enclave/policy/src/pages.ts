import type { Recent } from '@keystead/crypto/recent';
import { decodePage, encodePage, type Page, pageOf, writtenPage } from '@keystead/protocol/state-cells';

const emptyPage: Page = new Map();

/** Cells that lie together in one cell of the map (spec/state.md §3.1), as they stand at the newest checkpoint. */
export class Pages {
  readonly #prefix: string;
  readonly #kept: Recent<Page>;
  /** Pages as the newest `leavesOf` wrote them. */
  #written = new Map<string, Page>();
  readonly #leaf: (name: string) => Uint8Array | undefined;

  /** `leaf` reads a cell of the map at the checkpoint; it may throw NeedRows. */
  constructor(prefix: string, kept: Recent<Page>, leaf: (name: string) => Uint8Array | undefined) {
    this.#prefix = prefix;
    this.#kept = kept;
    this.#leaf = leaf;
  }

  /** Value of a cell at the checkpoint, whether it lies in a page or not. Throws NeedRows. */
  value(name: string): Uint8Array | undefined {
    const found = pageOf(name);
    if (found === undefined) return this.#leaf(name);
    const page = this.#page(found.page);
    if (!page.has(found.slot)) return undefined;
    return page.get(found.slot) ?? this.#leaf(name);
  }

  #page(name: string): Page {
    const kept = this.#kept.get(this.#prefix + name);
    if (kept !== undefined) return kept;
    const bytes = this.#leaf(name);
    const page = bytes === undefined ? emptyPage : decodePage(bytes);
    this.#kept.set(this.#prefix + name, page);
    return page;
  }

  /** What the map gets of cells that were written: those in pages become writes of their pages. Throws NeedRows. */
  *leavesOf(
    written: ReadonlyMap<string, Uint8Array | undefined>,
  ): Iterable<() => readonly (readonly [name: string, value: Uint8Array | undefined])[]> {
    const slots = new Map<string, Map<number, Uint8Array>>();
    for (const [name, value] of written) {
      const found = pageOf(name);
      if (found === undefined) yield () => [[name, value]];
      else if (value !== undefined)
        slots.set(found.page, (slots.get(found.page) ?? new Map()).set(found.slot, value));
    }
    const pages = new Map<string, Page>();
    this.#written = pages;
    for (const [name, values] of slots)
      yield () => {
        const { page, own } = writtenPage(this.#page(name), values);
        pages.set(name, page);
        return [
          [name, encodePage(page)],
          ...[...own].map(([slot, value]) => [`${name}/${slot}`, value] as const),
        ];
      };
  }

  /** A checkpoint: the cells that were written since the one before are at it from now on; `isComputed` when the newest `leavesOf` led to it. */
  settle(written: Iterable<string>, isComputed: boolean): void {
    for (const name of written) {
      const found = pageOf(name);
      if (found !== undefined) this.#kept.delete(this.#prefix + found.page);
    }
    if (isComputed) for (const [name, page] of this.#written) this.#kept.set(this.#prefix + name, page);
    this.#written = new Map();
  }
}
