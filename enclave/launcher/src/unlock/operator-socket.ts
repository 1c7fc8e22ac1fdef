import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { FromLauncher, ToLauncher } from '@keystead/protocol/operator';

const maximumConnections = 4;

/** Names one connection. */
export type OperatorSession = object;

type Answer = (request: ToLauncher, session: OperatorSession) => Promise<FromLauncher>;

/** The unix socket at which operators unlock (spec/unlock.md §5). It lies in a folder of this user's alone. */
export class OperatorSocket {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(answer: Answer, left: (session: OperatorSession) => void) {
    this.#server = createServer((connection) => {
      if (this.#connections.size >= maximumConnections) return connection.destroy();
      this.#connections.add(connection);
      const session: OperatorSession = {};
      connection.on('close', () => {
        this.#connections.delete(connection);
        left(session);
      });
      connection.on('error', () => {});
      serve(connection, session, answer);
    });
  }

  /** What a killed launcher left at the path is removed. `left` is called when a connection has closed. */
  static async listen(
    path: string,
    answer: Answer,
    left: (session: OperatorSession) => void,
  ): Promise<OperatorSocket> {
    const socket = new OperatorSocket(answer, left);
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      socket.#server.once('error', reject);
      socket.#server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
    socket.#server.unref();
    return socket;
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#connections) connection.destroy();
  }
}

function serve(connection: Socket, session: OperatorSession, answer: Answer): void {
  const reader = new FrameReader();
  let last: Promise<void> = Promise.resolve();
  const handle = async (payload: Uint8Array) => {
    let request: ToLauncher;
    try {
      request = ToLauncher.decode(payload);
    } finally {
      payload.fill(0);
    }
    const encoded = frame(FromLauncher.encode(await answer(request, session)));
    connection.write(encoded, () => encoded.fill(0));
  };
  connection.on('data', (chunk: Uint8Array) => {
    try {
      // The reader keeps what it is given until its turn comes, and the chunk is wiped now.
      for (const payload of reader.push(new Uint8Array(chunk)))
        last = last.then(() => handle(payload)).catch(() => void connection.destroy());
    } catch {
      connection.destroy();
    } finally {
      chunk.fill(0);
    }
  });
}
