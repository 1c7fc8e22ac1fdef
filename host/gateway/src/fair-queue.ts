import type { RawRequest } from '@keystead/protocol/frames';

/** One request that has not left for the enclaves. */
export interface QueuedRequest {
  readonly ref: number;
  readonly request: RawRequest;
  /** Of `performance.now()`. */
  readonly arrived: number;
}

/**
 * Requests that wait for their turn, one line per sender. Lines are served in rotation, one request each, so that who
 * sends a thousand requests delays another's one by one request and not by a thousand.
 */
export class FairQueue {
  /** Lines that are not empty, in the order of their turns. */
  readonly #lines = new Map<string, QueuedRequest[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  lengthOf(sender: string): number {
    return this.#lines.get(sender)?.length ?? 0;
  }

  /** When the sender's first request in line arrived; undefined when none is. */
  oldestOf(sender: string): number | undefined {
    return this.#lines.get(sender)?.[0]?.arrived;
  }

  add(sender: string, queued: QueuedRequest): void {
    const line = this.#lines.get(sender);
    if (line === undefined) this.#lines.set(sender, [queued]);
    else line.push(queued);
    this.#size += 1;
  }

  /** At most `most` requests, each line's in their order. */
  take(most: number): QueuedRequest[] {
    const taken: QueuedRequest[] = [];
    while (taken.length < most) {
      const next = this.#lines.entries().next().value;
      if (next === undefined) break;
      const [sender, line] = next;
      taken.push(line.shift()!);
      // Its next turn comes after everybody else's.
      this.#lines.delete(sender);
      if (line.length > 0) this.#lines.set(sender, line);
    }
    this.#size -= taken.length;
    return taken;
  }

  /** Takes the newest request out of the longest line, when that is longer than the line of `sender`. */
  dropFor(sender: string): QueuedRequest | undefined {
    let longest: QueuedRequest[] = [];
    for (const line of this.#lines.values()) if (line.length > longest.length) longest = line;
    if (longest.length <= this.lengthOf(sender) + 1) return undefined;
    this.#size -= 1;
    return longest.pop();
  }

  clear(): void {
    this.#lines.clear();
    this.#size = 0;
  }
}
