import { equalBytes } from './bytes.ts';

interface Link<V> {
  readonly hash: Uint8Array;
  value: V;
  next: Link<V> | undefined;
}

/**
 * A map by hashes of 32 bytes, or by others that nobody can choose the first four bytes of at will. To look a text up in a Map
 * makes the engine intern it, which costs as much as two hashes when every text is met once.
 */
export class HashMap<V> {
  readonly #links = new Map<number, Link<V>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(hash: Uint8Array): V | undefined {
    return this.#link(hash)?.value;
  }

  /** `hash` is kept, not copied. */
  set(hash: Uint8Array, value: V): void {
    const known = this.#link(hash);
    if (known !== undefined) {
      known.value = value;
      return;
    }
    const head = headOf(hash);
    this.#links.set(head, { hash, value, next: this.#links.get(head) });
    this.#size += 1;
  }

  delete(hash: Uint8Array): boolean {
    const head = headOf(hash);
    let before: Link<V> | undefined;
    for (let link = this.#links.get(head); link !== undefined; before = link, link = link.next) {
      if (!equalBytes(link.hash, hash)) continue;
      if (before !== undefined) before.next = link.next;
      else if (link.next !== undefined) this.#links.set(head, link.next);
      else this.#links.delete(head);
      this.#size -= 1;
      return true;
    }
    return false;
  }

  clear(): void {
    this.#links.clear();
    this.#size = 0;
  }

  #link(hash: Uint8Array): Link<V> | undefined {
    let link = this.#links.get(headOf(hash));
    while (link !== undefined && !equalBytes(link.hash, hash)) link = link.next;
    return link;
  }
}

const headOf = (hash: Uint8Array): number => (hash[0]! << 24) | (hash[1]! << 16) | (hash[2]! << 8) | hash[3]!;
