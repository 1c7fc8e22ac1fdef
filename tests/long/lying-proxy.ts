/** A server between page and gateway that answers what it likes: what every host can do. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { close, listen } from './chromium.ts';

type Answer = { status: number; body: Record<string, unknown> };

/** Changes the gateway's answer to a request; what it returns goes to the page. */
export type Lie = (path: string, answer: Answer, method: string | undefined) => Answer;

export const honest: Lie = (_path, answer) => answer;

export class LyingProxy {
  readonly #gateway: string;
  readonly #server: Server;
  lie: Lie = honest;
  /** How many answers left as another than the gateway's. */
  lies = 0;
  api = '';

  constructor(gateway: string) {
    this.#gateway = gateway;
    this.#server = createServer((request, response) => {
      void this.#answer(request, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<void> {
    this.api = `http://127.0.0.1:${await listen(this.#server)}`;
  }

  stop(): Promise<void> {
    return close(this.#server);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const sent = Buffer.concat(chunks);
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
    const answer = await fetch(`${this.#gateway}${request.url}`, {
      method: request.method!,
      headers: headers as Record<string, string>,
      ...(sent.length === 0 ? {} : { body: sent }),
    });
    const text = await answer.text();
    for (const [name, value] of answer.headers)
      if (/^(access-control-|content-type$|x-request-id$|vary$)/.test(name)) response.setHeader(name, value);
    if (request.method === 'OPTIONS' || text === '') {
      response.writeHead(answer.status).end(text);
      return;
    }
    const method =
      sent.length === 0 ? undefined : (JSON.parse(sent.toString()) as { method?: string }).method;
    const answered = (): Answer => ({ status: answer.status, body: JSON.parse(text) as Answer['body'] });
    const told = this.lie(request.url!, answered(), method);
    const isLie = !isDeepStrictEqual(told, answered());
    if (isLie) this.lies += 1;
    response.writeHead(told.status).end(isLie ? JSON.stringify(told.body) : text);
  }
}
