import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { FrameReader, frame } from '@keystead/protocol/framing';
import {
  FromCertifier,
  FromPolicy,
  FromSigner,
  ToCertifier,
  ToPolicy,
  ToSigner,
} from '@keystead/protocol/frames';
import { Hello } from '@keystead/protocol/hello';

const incoming = { policy: ToPolicy, signer: ToSigner, certifier: ToCertifier };
const outgoing = { policy: FromPolicy, signer: FromSigner, certifier: FromCertifier };

interface Received {
  policy: ToPolicy;
  signer: ToSigner;
  certifier: ToCertifier;
}
interface Sent {
  policy: FromPolicy;
  signer: FromSigner;
  certifier: FromCertifier;
}
export type PeerRole = keyof Received;

/** One end of a real stream to the gateway that speaks the real codecs and does what the test says. */
export class EnclavePeer<R extends PeerRole> {
  /** Every message but pings, in order of arrival. */
  readonly messages: Received[R][] = [];
  /** Called for every message but pings. */
  react: (message: Received[R]) => void = () => {};
  answersPings = true;
  /** Id of the last ping. */
  ping = 0;
  readonly socket: Socket;
  readonly #role: R;
  readonly #waiting: { type: string; resolve: (message: never) => void }[] = [];
  readonly #unseen: Received[R][] = [];

  private constructor(role: R, socket: Socket) {
    this.#role = role;
    this.socket = socket;
    const reader = new FrameReader();
    socket.on('error', () => {});
    socket.on('data', (chunk: Uint8Array) => {
      for (const payload of reader.push(chunk)) this.#receive(incoming[role].decode(payload) as Received[R]);
    });
  }

  static async connect<R extends PeerRole>(role: R, path: string): Promise<EnclavePeer<R>> {
    const socket = connect(path);
    await once(socket, 'connect');
    const peer = new EnclavePeer(role, socket);
    socket.write(frame(Hello.encode({ role, measurement: new Uint8Array(48), pid: 7 })));
    return peer;
  }

  send(message: Sent[R]): void {
    this.socket.write(
      frame((outgoing[this.#role] as { encode(message: Sent[R]): Uint8Array }).encode(message)),
    );
  }

  /** Several messages in one write. */
  sendTogether(messages: readonly Sent[R][]): void {
    const codec = outgoing[this.#role] as { encode(message: Sent[R]): Uint8Array };
    this.socket.write(Buffer.concat(messages.map((message) => frame(codec.encode(message)))));
  }

  /** The next message of a type that no call has had yet. */
  next<T extends Received[R]['type']>(type: T): Promise<Extract<Received[R], { type: T }>> {
    const index = this.#unseen.findIndex((message) => message.type === type);
    if (index >= 0) {
      const [message] = this.#unseen.splice(index, 1);
      return Promise.resolve(message as Extract<Received[R], { type: T }>);
    }
    return new Promise((resolve) => this.#waiting.push({ type, resolve }));
  }

  close(): void {
    this.socket.destroy();
  }

  #receive(message: Received[R]): void {
    if (message.type === 'ping') {
      this.ping = message.id;
      const metrics = Buffer.from(JSON.stringify({ 'peer.pings': message.id }));
      if (this.answersPings) this.send({ type: 'pong', id: message.id, metrics } as unknown as Sent[R]);
      return;
    }
    this.messages.push(message);
    const index = this.#waiting.findIndex(({ type }) => type === message.type);
    if (index >= 0) this.#waiting.splice(index, 1)[0]!.resolve(message as never);
    else this.#unseen.push(message);
    this.react(message);
  }
}
