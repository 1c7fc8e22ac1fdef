/** A node that answers as another does, but for what it lies about. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** What it says in the place of the true result; what it returns as it came is the truth. */
export type Lie = (call: RpcCall, truth: unknown) => unknown;

export interface LyingNode {
  readonly url: string;
  /** Of JSON-RPC calls since the start. */
  readonly asked: string[];
  lie: Lie;
  stop(): Promise<void>;
}

export async function startLyingNode(honest: string, lie: Lie = (_, truth) => truth): Promise<LyingNode> {
  const node = { asked: [] as string[], lie };
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const call = JSON.parse(body) as RpcCall;
    node.asked.push(call.method);
    const answer = await fetch(honest, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const told = (await answer.json()) as { result?: unknown };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify('result' in told ? { ...told, result: node.lie(call, told.result) } : told));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return Object.assign(node, {
    url: `http://127.0.0.1:${port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise<void>((done) => server.close(() => done()));
    },
  });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
