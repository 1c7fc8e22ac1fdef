import { equalBytes } from './bytes.ts';
import { bytesName } from './recent.ts';

interface Link<V> {
  readonly hash: Uint8Array;
  value: V;
  next: Link<V> | undefined;
}

/** Links of one head. Whoever wants hashes that begin alike finds them with some patience: what is above lies in a Map by text. */
const mostLinked = 8;

/**
 * A map by hashes of 32 bytes. To look a text up in a Map makes the engine intern it, which costs as much as two hashes when
 * every text is met once: here the first four bytes find a hash, and its text only where many hashes begin alike.
 */
export class HashMap<V> {
  readonly #links = new Map<number, Link<V>>();
  /** Those that found all links of their head taken. */
  readonly #crowded = new Map<string, V>();
  #linked = 0;

  get size(): number {
    return this.#linked + this.#crowded.size;
  }

  get(hash: Uint8Array): V | undefined {
    const link = this.#link(hash);
    if (link !== undefined) return link.value;
    return this.#crowded.size === 0 ? undefined : this.#crowded.get(bytesName(hash));
  }

  /** `hash` is kept, not copied. */
  set(hash: Uint8Array, value: V): void {
    const head = headOf(hash);
    const first = this.#links.get(head);
    let length = 0;
    for (let link = first; link !== undefined; link = link.next, length += 1)
      if (equalBytes(link.hash, hash)) {
        link.value = value;
        return;
      }
    if (length >= mostLinked || (this.#crowded.size > 0 && this.#crowded.has(bytesName(hash)))) {
      this.#crowded.set(bytesName(hash), value);
      return;
    }
    this.#links.set(head, { hash, value, next: first });
    this.#linked += 1;
  }

  delete(hash: Uint8Array): boolean {
    const head = headOf(hash);
    let before: Link<V> | undefined;
    for (let link = this.#links.get(head); link !== undefined; before = link, link = link.next) {
      if (!equalBytes(link.hash, hash)) continue;
      if (before !== undefined) before.next = link.next;
      else if (link.next !== undefined) this.#links.set(head, link.next);
      else this.#links.delete(head);
      this.#linked -= 1;
      return true;
    }
    return this.#crowded.size > 0 && this.#crowded.delete(bytesName(hash));
  }

  clear(): void {
    this.#links.clear();
    this.#crowded.clear();
    this.#linked = 0;
  }

  #link(hash: Uint8Array): Link<V> | undefined {
    let link = this.#links.get(headOf(hash));
    while (link !== undefined && !equalBytes(link.hash, hash)) link = link.next;
    return link;
  }
}

const headOf = (hash: Uint8Array): number => (hash[0]! << 24) | (hash[1]! << 16) | (hash[2]! << 8) | hash[3]!;
