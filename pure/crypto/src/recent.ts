interface Member<N, V> {
  readonly name: N;
  value: V;
  older: Member<N, V> | undefined;
  newer: Member<N, V> | undefined;
}

/** What finds members by their names: a Map, or a HashMap. */
interface Members<N, V> {
  readonly size: number;
  get(name: N): Member<N, V> | undefined;
  set(name: N, member: Member<N, V>): unknown;
  delete(name: N): unknown;
}

/**
 * A map of bounded size whose least recently used member leaves first. For what can be computed again. Its order is a chain of
 * its own: a Map whose first members are deleted all the time walks over what they leave behind.
 */
export class Recent<V, N = string> {
  readonly #members: Members<N, V>;
  readonly #limit: number;
  #oldest: Member<N, V> | undefined;
  #newest: Member<N, V> | undefined;

  constructor(limit: number, members: Members<N, V> = new Map()) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError('limit must be a positive integer');
    this.#members = members;
    this.#limit = limit;
  }

  get size(): number {
    return this.#members.size;
  }

  /** The name and value that leave next. */
  get oldest(): { readonly name: N; readonly value: V } | undefined {
    return this.#oldest;
  }

  /** The value of a name, which is the most recently used one from now on. */
  get(name: N): V | undefined {
    const member = this.#members.get(name);
    if (member === undefined) return undefined;
    if (member !== this.#newest) {
      this.#unchain(member);
      this.#chain(member);
    }
    return member.value;
  }

  /** The value of a name, whose place in the order stays. */
  peek(name: N): V | undefined {
    return this.#members.get(name)?.value;
  }

  set(name: N, value: V): void {
    const known = this.#members.get(name);
    if (known !== undefined) {
      known.value = value;
      this.#unchain(known);
      this.#chain(known);
      return;
    }
    const member: Member<N, V> = { name, value, older: undefined, newer: undefined };
    this.#members.set(name, member);
    this.#chain(member);
    if (this.#members.size > this.#limit) this.delete(this.#oldest!.name);
  }

  delete(name: N): void {
    const member = this.#members.get(name);
    if (member === undefined) return;
    this.#members.delete(name);
    this.#unchain(member);
  }

  #chain(member: Member<N, V>): void {
    member.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = member;
    else this.#newest.newer = member;
    this.#newest = member;
  }

  #unchain(member: Member<N, V>): void {
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
