import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { FrameReader, frame } from '@keystead/protocol/framing';
import { FromLauncher, ToLauncher } from '@keystead/protocol/operator';
import { CommandError } from './command-error.ts';

/** How long the launcher may take for one answer, in milliseconds. */
const patience = 60_000;

/** A connection to the launcher of a home on this machine (spec/unlock.md §5). */
export class OperatorConnection {
  readonly #socket: Socket;
  #received: (message: FromLauncher) => void = () => {};
  #failed: (error: Error) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on('data', (chunk: Uint8Array) => {
      try {
        for (const payload of reader.push(chunk)) {
          this.#received(FromLauncher.decode(payload));
          payload.fill(0);
        }
      } catch {
        this.#failed(new CommandError('the launcher does not speak the protocol', 'is it of this version?'));
      }
    });
    socket.on('error', () => {});
    socket.on('close', () =>
      this.#failed(new CommandError('the launcher has closed the connection', 'see its log, and try again')),
    );
  }

  /** Throws CommandError when nothing listens. */
  static async open(home: string): Promise<OperatorConnection> {
    const file = join(home, 'run/operator');
    let path: string;
    try {
      path = readFileSync(file, 'utf8').trim();
    } catch (error) {
      throw new CommandError(
        `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
        'name the home of a started Keystead with KEYSTEAD_HOME, as the user that started it',
      );
    }
    const socket = await new Promise<Socket>((resolve, reject) => {
      const connecting = connect(path, () => resolve(connecting));
      connecting.once('error', (error: NodeJS.ErrnoException) =>
        reject(
          new CommandError(
            `nobody waits for operators at ${path} (${error.code ?? 'unknown'})`,
            'a deployment that a development file unlocks has no operators; else start it first',
          ),
        ),
      );
    });
    return new OperatorConnection(socket);
  }

  /** One request and its answer; wipes what it sent. Throws CommandError with the launcher's words when it refuses. */
  async ask<T extends FromLauncher['type']>(
    request: ToLauncher,
    ...types: readonly T[]
  ): Promise<Extract<FromLauncher, { type: T }>> {
    const encoded = frame(ToLauncher.encode(request));
    const answer = await new Promise<FromLauncher>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new CommandError('the launcher does not answer', 'see its log')),
        patience,
      );
      this.#received = (message) => {
        clearTimeout(timer);
        resolve(message);
      };
      this.#failed = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      this.#socket.write(encoded, () => encoded.fill(0));
    });
    if (answer.type === 'refused') throw new CommandError(`${answer.detail} (${answer.code})`, answer.hint);
    if (!(types as readonly string[]).includes(answer.type))
      throw new CommandError('the launcher answers something else', 'is it of this version?');
    return answer as Extract<FromLauncher, { type: T }>;
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Runs `work` with a connection that is closed after it. */
export async function asOperator<T>(
  home: string,
  work: (connection: OperatorConnection) => Promise<T>,
): Promise<T> {
  const connection = await OperatorConnection.open(home);
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}
