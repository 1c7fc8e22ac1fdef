import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { zeroHash } from '@keystead/protocol/entry';
import type { GatewayOptions } from '../gateway.ts';
import { bodyOf, json, type RunningGateway, runGateway } from './running-gateway.ts';

export const rpc = '/v1/wallets/kms/rpc';
export const post = (body: string, more = '') =>
  `POST ${rpc} HTTP/1.1\r\nhost: x\r\n${more}content-length: ${body.length}\r\n\r\n${body}`;

export interface Full extends RunningGateway {
  /** Bodies that left for the enclaves. */
  readonly left: string[];
  /** Answers what has left, and from then on everything at once. */
  finish(): void;
}

/** A gateway with room for one caller, and that one waits. */
export async function fullGateway(
  context: TestContext,
  options: Partial<GatewayOptions> = {},
): Promise<Full> {
  const running = await runGateway(context, { limits: { callers: 1 }, ...options });
  const { policy } = running;
  const left: string[] = [];
  let refs: number[] = [];
  let finished = false;
  const answer = () => {
    const body = json('done');
    policy.send({
      type: 'answers',
      answers: refs.map((ref) => ({
        refs: [ref],
        answer: { identity: zeroHash, status: 200, body, signature: new Uint8Array(0) },
      })),
    });
    refs = [];
  };
  policy.react = (message) => {
    if (message.type !== 'requests') return;
    for (const item of message.items) {
      left.push(bodyOf(item));
      refs.push(item.ref);
    }
    if (finished) answer();
  };
  const first = running.post(rpc, 'first');
  await policy.next('requests');
  context.after(async () => void (await first).body?.cancel());
  const finish = () => {
    finished = true;
    answer();
  };
  context.after(finish);
  return { ...running, left, finish };
}

/** A connection on which requests are sent one by one; `answers` are whole heads and bodies. */
export function connection(context: TestContext, port: number) {
  let read = '';
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  context.after(() => socket.destroy());
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    read += chunk.toString('latin1');
  });
  return {
    send: (bytes: string) => socket.write(bytes),
    /** The next answer; rejects when the connection ends before it. */
    async answer(): Promise<string> {
      for (;;) {
        const end = read.indexOf('\r\n\r\n') + 4;
        const length = Number(/\r\ncontent-length: ([0-9]+)/i.exec(read)?.[1] ?? 0);
        if (end >= 4 && read.length >= end + length) {
          const answer = read.slice(0, end + length);
          read = read.slice(end + length);
          return answer;
        }
        if (socket.destroyed) throw new Error(`ended after ${read}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    get silent(): boolean {
      return read === '' && !socket.destroyed;
    },
  };
}
