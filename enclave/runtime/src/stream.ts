import { Socket } from 'node:net';
import { assertFits, FrameReader, frames } from '@keystead/protocol/framing';

/**
 * Frames both ways over a descriptor that the process was started with (decision 0007). Opening it needs no
 * permission: nothing is connected to, nothing is listened on.
 */
export class FrameStream {
  readonly #socket: Socket;
  #collected: Uint8Array[] = [];

  constructor(descriptor: number) {
    this.#socket = new Socket({ fd: descriptor, readable: true, writable: true });
    this.#socket.pause();
  }

  /**
   * Begins to read. `received` gets the payloads of one chunk at a time; `closed` is called once, when the other
   * end closes, the stream fails or what it carries is no sequence of frames.
   */
  start(received: (payloads: readonly Uint8Array[]) => void, closed: (reason: string) => void): void {
    const reader = new FrameReader();
    let open = true;
    const close = (reason: string) => {
      if (!open) return;
      open = false;
      closed(reason);
    };
    this.#socket.on('data', (chunk: Uint8Array) => {
      if (!open) return;
      let payloads: readonly Uint8Array[];
      try {
        payloads = reader.push(chunk);
      } catch {
        return close('no frames');
      }
      received(payloads);
    });
    this.#socket.once('end', () => close('end'));
    this.#socket.once('error', () => close('error'));
    this.#socket.once('close', () => close('close'));
    this.#socket.resume();
  }

  /** Collects one payload, which must not change, for the next `flush`. Throws RangeError when it fits in no frame. */
  send(payload: Uint8Array): void {
    assertFits(payload);
    this.#collected.push(payload);
  }

  /** Writes what was collected, in one write. */
  flush(): void {
    if (this.#collected.length === 0) return;
    const collected = this.#collected;
    this.#collected = [];
    this.#socket.write(frames(collected));
  }

  /** Writes what was collected and calls `written` when the kernel has all of it, or never will. */
  end(written: () => void): void {
    this.flush();
    this.#socket.once('close', written);
    this.#socket.end(written);
  }
}
