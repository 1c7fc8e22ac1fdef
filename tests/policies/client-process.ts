/** One client as a process of its own: sends what its parent hands it over a few connections, and tells every answer. */
import { closeConnections, connectOver, type Headers, post } from '../raw-client.ts';

/** From the parent: requests whose bytes are settled, and a word to begin. */
export type ToClient =
  | {
      readonly type: 'requests';
      readonly url: string;
      readonly connections: number;
      /** Bodies in base64. */
      readonly requests: readonly { readonly body: string; readonly headers: Headers }[];
    }
  | { readonly type: 'begin' };

export type FromClient =
  | { readonly type: 'ready' }
  /** Null when the connection broke. */
  | {
      readonly type: 'answer';
      readonly index: number;
      readonly answer: { readonly status: number; readonly body: Record<string, unknown> | undefined } | null;
    }
  | { readonly type: 'done' };

const tell = (message: FromClient) => process.send!(message);
let held: Extract<ToClient, { type: 'requests' }> | undefined;

process.on('message', (message: ToClient) => {
  if (message.type === 'requests') {
    held = message;
    connectOver(message.connections);
    tell({ type: 'ready' });
    return;
  }
  const { url, requests } = held!;
  // All at once: what finds no connection free waits for one.
  const sent = requests.map(async ({ body, headers }, index) => {
    const answer = await post(url, Buffer.from(body, 'base64'), headers).catch(() => null);
    tell({ type: 'answer', index, answer: answer && { status: answer.status, body: answer.body } });
  });
  void Promise.all(sent).then(() => {
    closeConnections();
    tell({ type: 'done' });
  });
});
process.on('disconnect', () => process.exit());
