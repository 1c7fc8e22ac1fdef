import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { Endpoint } from '../broadcast/endpoints.ts';

export interface NodeQuestion {
  readonly path: string;
  readonly method: string | undefined;
  readonly params: unknown[];
  readonly body: string;
}

export interface NodeAnswer {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body: string;
}

/** A chain node on loopback that answers as the test says. */
export async function fakeNode(
  context: TestContext,
  answer: (question: NodeQuestion) => NodeAnswer | undefined,
  api: Endpoint['api'] = 'json-rpc',
): Promise<{ endpoint: Endpoint; asked: NodeQuestion[] }> {
  const asked: NodeQuestion[] = [];
  const read = async (request: IncomingMessage) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  };
  const server = createServer(async (request, response) => {
    const body = await read(request);
    const { method, params = [] } = api === 'json-rpc' ? JSON.parse(body) : {};
    const question = { path: request.url ?? '', method, params, body };
    asked.push(question);
    const given = answer(question);
    // Without an answer the connection stays open and silent.
    if (given !== undefined) response.writeHead(given.status ?? 200, given.headers).end(given.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { endpoint: { url: new URL(`http://127.0.0.1:${port}/key`), private: true, api }, asked };
}

export const result = (value: unknown): NodeAnswer => ({
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, result: value }),
});
export const refusal = (message: string, code = -32000): NodeAnswer => ({
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code, message } }),
});
