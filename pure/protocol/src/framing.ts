/** spec/frames.md §1: a frame is a u32 big-endian length and that many payload bytes. */

export const maximumFrameBytes = 16 * 1024 * 1024;

/** Throws RangeError for a payload that is empty or too large for a frame. */
export function assertFits(payload: Uint8Array): void {
  if (payload.length === 0 || payload.length > maximumFrameBytes)
    throw new RangeError(`frame payload of ${payload.length} bytes`);
}

/** One frame around `payload`. Throws RangeError when it is empty or too large. */
export function frame(payload: Uint8Array): Uint8Array {
  return frames([payload]);
}

/** One frame around each of the payloads, one after the other. Throws as `frame` does. */
export function frames(payloads: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const payload of payloads) {
    assertFits(payload);
    length += 4 + payload.length;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const payload of payloads) {
    bytes[at] = payload.length >>> 24;
    bytes[at + 1] = payload.length >>> 16;
    bytes[at + 2] = payload.length >>> 8;
    bytes[at + 3] = payload.length;
    bytes.set(payload, at + 4);
    at += 4 + payload.length;
  }
  return bytes;
}

/**
 * Cuts a byte stream into payloads. A payload that came in one chunk is a view of it, so a chunk must not change once it
 * was pushed; another payload is a copy of its parts.
 * Throws RangeError on a length of zero or above the maximum, before any allocation of that size;
 * the stream is unusable afterwards and must be closed.
 */
export class FrameReader {
  #pending: Uint8Array[] = [];
  #pendingLength = 0;
  #broken = false;

  push(chunk: Uint8Array): Uint8Array[] {
    if (this.#broken) throw new RangeError('frame stream is broken');
    this.#pending.push(chunk);
    this.#pendingLength += chunk.length;
    const payloads: Uint8Array[] = [];
    while (this.#pendingLength >= 4) {
      const length = this.#peekLength();
      if (length === 0 || length > maximumFrameBytes) {
        this.#broken = true;
        throw new RangeError(`frame length ${length}`);
      }
      if (this.#pendingLength < 4 + length) break;
      this.#take(4);
      payloads.push(this.#take(length));
    }
    return payloads;
  }

  #peekLength(): number {
    const head = this.#pending[0];
    if (head.length >= 4) return ((head[0] << 24) | (head[1] << 16) | (head[2] << 8) | head[3]) >>> 0;
    const four = this.#take(4);
    this.#pending.unshift(four);
    this.#pendingLength += 4;
    return ((four[0] << 24) | (four[1] << 16) | (four[2] << 8) | four[3]) >>> 0;
  }

  #take(length: number): Uint8Array {
    const first = this.#pending[0]!;
    if (first.length >= length) {
      this.#drop(first, length);
      this.#pendingLength -= length;
      // Not subarray(): of a Buffer that would be a Buffer.
      return new Uint8Array(first.buffer, first.byteOffset, length);
    }
    const taken = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const head = this.#pending[0];
      const part = Math.min(head.length, length - filled);
      taken.set(head.subarray(0, part), filled);
      filled += part;
      this.#drop(head, part);
    }
    this.#pendingLength -= length;
    return taken;
  }

  #drop(head: Uint8Array, length: number): void {
    if (length === head.length) this.#pending.shift();
    else this.#pending[0] = head.subarray(length);
  }
}
