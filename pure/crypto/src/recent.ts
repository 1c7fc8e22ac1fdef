/** A map of bounded size whose least recently used member leaves first. For what can be computed again. */
export class Recent<V> {
  readonly #members = new Map<string, V>();
  readonly #limit: number;

  constructor(limit: number) {
    if (!Number.isInteger(limit) || limit < 1) throw new RangeError('limit must be a positive integer');
    this.#limit = limit;
  }

  get size(): number {
    return this.#members.size;
  }

  /** The value of a name, which is the most recently used one from now on. */
  get(name: string): V | undefined {
    const value = this.#members.get(name);
    if (value === undefined) return undefined;
    this.#members.delete(name);
    this.#members.set(name, value);
    return value;
  }

  set(name: string, value: V): void {
    this.#members.delete(name);
    this.#members.set(name, value);
    if (this.#members.size <= this.#limit) return;
    const oldest = this.#members.keys().next().value;
    if (oldest !== undefined) this.#members.delete(oldest);
  }

  delete(name: string): void {
    this.#members.delete(name);
  }
}

/** A text that stands for at most 4096 bytes, for the name of a member: one UTF-16 unit per byte. */
export function bytesName(bytes: Uint8Array): string {
  return String.fromCharCode.apply(null, bytes as unknown as number[]);
}
