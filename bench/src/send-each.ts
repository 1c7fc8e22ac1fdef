import { setTimeout as wait } from 'node:timers/promises';
import { HttpConnection, type Reply } from './http-connection.ts';

const connections = 64;

/** How often a request that was told to come again comes again, a second apart: the machine may be busy. */
const mostRetries = 20;

/** Sends `count` requests over 64 connections, each stamped when its turn comes, and gives their results in order. */
export async function sendEach<Result>(
  port: number,
  count: number,
  prepare: (index: number) => Buffer,
  take: (result: Record<string, unknown>, index: number) => Result,
): Promise<Result[]> {
  const results: Result[] = new Array(count);
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(connections, count) }, async () => {
      const connection = new HttpConnection(port);
      while (next < count) {
        const index = next++;
        const { status, body } = await answered(connection, prepare(index));
        if (status !== 200) throw new Error(`request ${index}: ${status} ${body.toString()}`);
        results[index] = take((JSON.parse(body.toString()) as { result: never }).result, index);
      }
      connection.close();
    }),
  );
  return results;
}

async function answered(connection: HttpConnection, bytes: Buffer): Promise<Reply> {
  for (let retries = 0; ; retries += 1) {
    const reply = await connection.send(bytes);
    if (!reply.retryAfter || retries === mostRetries) return reply;
    await wait(1000);
  }
}
