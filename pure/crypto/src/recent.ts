interface Member<V> {
  readonly name: string;
  value: V;
  older: Member<V> | undefined;
  newer: Member<V> | undefined;
}

/**
 * A map of bounded size whose least recently used member leaves first. For what can be computed again. Its order is a chain of
 * its own: a Map whose first members are deleted all the time walks over what they leave behind.
 */
export class Recent<V> {
  readonly #members = new Map<string, Member<V>>();
  readonly #limit: number;
  #oldest: Member<V> | undefined;
  #newest: Member<V> | undefined;

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError('limit must be a positive integer');
    this.#limit = limit;
  }

  get size(): number {
    return this.#members.size;
  }

  /** The name and value that leave next. */
  get oldest(): { readonly name: string; readonly value: V } | undefined {
    return this.#oldest;
  }

  /** The value of a name, which is the most recently used one from now on. */
  get(name: string): V | undefined {
    const member = this.#members.get(name);
    if (member === undefined) return undefined;
    if (member !== this.#newest) {
      this.#unchain(member);
      this.#chain(member);
    }
    return member.value;
  }

  /** The value of a name, whose place in the order stays. */
  peek(name: string): V | undefined {
    return this.#members.get(name)?.value;
  }

  set(name: string, value: V): void {
    const known = this.#members.get(name);
    if (known !== undefined) {
      known.value = value;
      this.#unchain(known);
      this.#chain(known);
      return;
    }
    const member: Member<V> = { name, value, older: undefined, newer: undefined };
    this.#members.set(name, member);
    this.#chain(member);
    if (this.#members.size > this.#limit) this.delete(this.#oldest!.name);
  }

  delete(name: string): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    this.#members.delete(name);
    this.#unchain(member);
  }

  #chain(member: Member<V>): void {
    member.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = member;
    else this.#newest.newer = member;
    this.#newest = member;
  }

  #unchain(member: Member<V>): void {
    const { older, newer } = member;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    member.older = undefined;
    member.newer = undefined;
  }
}

/** A text that stands for at most 4096 bytes, for the name of a member: one UTF-16 unit per byte. */
export function bytesName(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}
