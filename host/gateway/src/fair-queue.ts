import type { RawRequest } from '@keystead/protocol/frames';

/** One request that has not left for the enclaves. */
export interface QueuedRequest {
  readonly ref: number;
  readonly request: RawRequest;
  /** Of `performance.now()`. */
  readonly arrived: number;
}

/** The lines of one tenant that are not empty. */
interface Tenant {
  /** In the order of their turns. */
  readonly lines: Set<string>;
  size: number;
}

/**
 * Requests that wait for their turn, one line per sender. Tenants are served in rotation, one request each, and the
 * lines of a tenant in rotation too: who sends a thousand requests, under one key or under many, delays another tenant's
 * one by one request and not by a thousand.
 */
export class FairQueue {
  /** Lines that are not empty, and whose they are. */
  readonly #lines = new Map<string, { readonly tenant: string; readonly queued: QueuedRequest[] }>();
  /** In the order of their turns. */
  readonly #tenants = new Map<string, Tenant>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  lengthOf(line: string): number {
    return this.#lines.get(line)?.queued.length ?? 0;
  }

  /** Requests in all lines of a tenant. */
  sizeOf(tenant: string): number {
    return this.#tenants.get(tenant)?.size ?? 0;
  }

  /** When the first request in line arrived; undefined when none is. */
  oldestOf(line: string): number | undefined {
    return this.#lines.get(line)?.queued[0]?.arrived;
  }

  add(line: string, request: QueuedRequest, tenant: string = line): void {
    const known = this.#lines.get(line);
    // A line stays with its tenant as long as it is not empty.
    const owner = known?.tenant ?? tenant;
    let of = this.#tenants.get(owner);
    if (of === undefined) {
      of = { lines: new Set(), size: 0 };
      this.#tenants.set(owner, of);
    }
    if (known === undefined) {
      this.#lines.set(line, { tenant: owner, queued: [request] });
      of.lines.add(line);
    } else known.queued.push(request);
    of.size += 1;
    this.#size += 1;
  }

  /** At most `most` requests, each line's in their order. */
  take(most: number): QueuedRequest[] {
    const taken: QueuedRequest[] = [];
    while (taken.length < most) {
      const next = this.#tenants.entries().next().value;
      if (next === undefined) break;
      const [tenant, of] = next;
      const line = of.lines.values().next().value!;
      const { queued } = this.#lines.get(line)!;
      taken.push(queued.shift()!);
      of.size -= 1;
      // The next turn of both comes after everybody else's.
      of.lines.delete(line);
      if (queued.length > 0) of.lines.add(line);
      else this.#lines.delete(line);
      this.#tenants.delete(tenant);
      if (of.lines.size > 0) this.#tenants.set(tenant, of);
    }
    this.#size -= taken.length;
    return taken;
  }

  /** Takes the newest request out of the longest line of the tenant with the most, when that has more than `tenant`. */
  dropFor(tenant: string): QueuedRequest | undefined {
    let most: Tenant | undefined;
    for (const of of this.#tenants.values()) if (most === undefined || of.size > most.size) most = of;
    if (most === undefined || most.size <= this.sizeOf(tenant) + 1) return undefined;
    const [first, ...others] = most.lines;
    let longest = first!;
    for (const line of others) if (this.lengthOf(line) > this.lengthOf(longest)) longest = line;
    const { queued } = this.#lines.get(longest)!;
    const dropped = queued.pop();
    if (queued.length === 0) {
      this.#lines.delete(longest);
      most.lines.delete(longest);
    }
    most.size -= 1;
    this.#size -= 1;
    return dropped;
  }

  clear(): void {
    this.#lines.clear();
    this.#tenants.clear();
    this.#size = 0;
  }
}
