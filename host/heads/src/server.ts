import { existsSync, lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Report } from '@keystead/host-program/report';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { FromHeads, type HeadsRecord, headsRefusal, ToHeads } from '@keystead/protocol/heads';
import type { HeadsLog } from './heads-log.ts';
import { KeeperError } from './keeper-error.ts';

/** How long a new stream waits for the one before to be seen as closed, in milliseconds. */
const handoverPatience = 1000;
/** How long a stop waits for answers to leave, in milliseconds. */
const stopPatience = 5000;
/** Records of one `loaded` message together, in bytes; one record may be larger. */
const chunkBytes = 4 * 1024 * 1024;
const recordFieldBytes = 12;
const chunkRecords = 65536;

export interface KeeperServer {
  /** Takes no more messages, answers those under way and closes. */
  stop(): Promise<void>;
}

/**
 * Serves `log` on the unix socket `path`, one stream at a time. `fatal` is called once with the first error
 * after which the log must not be used. Throws KeeperError `heads-socket`.
 */
export async function serveKeeper(
  log: HeadsLog,
  path: string,
  report: Report,
  fatal: (error: unknown) => void,
): Promise<KeeperServer> {
  await removeStaleSocket(path);
  const sockets = new Set<Socket>();
  let serving: { closed: Promise<void>; stop(): void } | undefined;
  let stopping = false;

  const accept = async (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    // A certifier that was killed may be back before its old stream is seen to end.
    if (serving !== undefined) await Promise.race([serving.closed, delay(handoverPatience)]);
    if (stopping || socket.destroyed) return void socket.destroy();
    if (serving !== undefined) {
      await send(socket, {
        type: 'refused',
        code: headsRefusal.busy,
        detail: 'another certifier is connected',
      });
      return void socket.destroySoon();
    }
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const stream = new CertifierStream(log, socket);
    serving = { closed, stop: () => stream.stop() };
    try {
      await stream.serve();
    } catch (error) {
      fatal(error);
    } finally {
      log.abandonSnapshot();
      socket.destroySoon();
      await closed;
      serving = undefined;
    }
  };

  const server = createServer({ allowHalfOpen: true }, (socket) => void accept(socket));
  await listen(server, path, report);
  return {
    stop: async () => {
      stopping = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      serving?.stop();
      const patience = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, stopPatience);
      await closed;
      clearTimeout(patience);
    },
  };
}

/** One certifier's stream: messages are answered one after the other, in order. */
class CertifierStream {
  readonly #log: HeadsLog;
  readonly #socket: Socket;
  #answering = false;
  #stopped = false;

  constructor(log: HeadsLog, socket: Socket) {
    this.#log = log;
    this.#socket = socket;
  }

  /** Resolves when the stream is over, for whatever reason of its own; rejects when the log is. */
  async serve(): Promise<void> {
    const reader = new FrameReader();
    const chunks = this.#socket[Symbol.asyncIterator]();
    while (!this.#stopped) {
      const chunk = await chunks.next().catch(() => ({ done: true as const, value: undefined }));
      if (chunk.done) return;
      this.#answering = true;
      for (const payload of payloadsOf(reader, chunk.value) ?? [undefined]) {
        const message = payload === undefined ? undefined : decode(payload);
        if (message === undefined) {
          await send(this.#socket, refusal(headsRefusal.malformed, 'not a message of spec/heads.md'));
          return;
        }
        await this.#answer(message);
      }
      this.#answering = false;
    }
  }

  /** Ends the stream after the answers to what has been read. */
  stop(): void {
    this.#stopped = true;
    if (!this.#answering) this.#socket.destroySoon();
  }

  async #answer(message: ToHeads): Promise<void> {
    try {
      switch (message.type) {
        case 'append':
          this.#log.append(message.sequence, message.record);
          return await send(this.#socket, { type: 'appended', sequence: message.sequence });
        case 'snapshot':
          if (this.#log.addSnapshotPart(message.sequence, message.bytes, message.last))
            await send(this.#socket, { type: 'snapshotted', sequence: message.sequence });
          return;
        case 'load':
          return await this.#load();
      }
    } catch (error) {
      if (!(error instanceof KeeperError) || error.code !== 'heads-sequence') throw error;
      await send(this.#socket, refusal(headsRefusal.sequence, error.message));
    }
  }

  async #load(): Promise<void> {
    const { snapshotSequence } = this.#log;
    const loaded = (part: { snapshot?: Uint8Array; records?: HeadsRecord[]; last?: boolean }) =>
      send(this.#socket, {
        type: 'loaded',
        snapshot: part.snapshot,
        snapshotSequence,
        records: part.records ?? [],
        last: part.last ?? false,
      });
    for (const snapshot of this.#log.snapshotParts()) await loaded({ snapshot });
    let records: HeadsRecord[] = [];
    let length = 0;
    for (const record of this.#log.records()) {
      const added = record.record.length + recordFieldBytes;
      if (records.length > 0 && (length + added > chunkBytes || records.length === chunkRecords)) {
        await loaded({ records });
        records = [];
        length = 0;
      }
      records.push(record);
      length += added;
      if (this.#socket.destroyed) return;
    }
    await loaded({ records, last: true });
  }
}

/** Undefined when the stream is no sequence of frames. */
function payloadsOf(reader: FrameReader, chunk: Uint8Array): Uint8Array[] | undefined {
  try {
    return reader.push(chunk);
  } catch {
    return undefined;
  }
}

function decode(payload: Uint8Array): ToHeads | undefined {
  try {
    // What it holds is written before anything else is read.
    const message = ToHeads.decodeShared(payload);
    const empty = message.type === 'append' && message.record.length === 0;
    return empty ? undefined : message;
  } catch {
    return undefined;
  }
}

function refusal(code: string, detail: string): FromHeads {
  return { type: 'refused', code, detail };
}

/** Resolves when the stream can take more, or is gone: an answer that nobody can get is not an error. */
async function send(socket: Socket, message: FromHeads): Promise<void> {
  if (socket.destroyed || !socket.writable) return;
  if (socket.write(frame(FromHeads.encode(message)))) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.once('drain', done);
    socket.once('close', done);
  });
}

/** Removes what a killed keeper left at `path`, and nothing that lives. */
async function removeStaleSocket(path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) throw new KeeperError('heads-socket', `${path} exists and is no socket`);
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (answered) throw new KeeperError('heads-socket', `another program answers at ${path}`);
  rmSync(path);
}

function listen(server: Server, path: string, report: Report): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new KeeperError('heads-socket', `cannot listen on ${path}: ${error.code}`, { cause: error })),
    );
    server.listen(path, () => {
      server.removeAllListeners('error');
      server.on('error', (error) => report('warn', 'accept', { detail: error.message }));
      resolve();
    });
  });
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds).unref());
}
