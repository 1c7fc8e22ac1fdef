import { setTimeout as wait } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';
import { HttpConnection, type Reply } from './http-connection.ts';

/** A flood, as a thread of its own gets it: who measures another tenant meanwhile must not wait for it. */
export interface Flood {
  readonly port: number;
  /** Requests one after the other. */
  readonly bytes: Uint8Array;
  /** Where each of them ends. */
  readonly ends: readonly number[];
  readonly perSecond: number;
  readonly seconds: number;
  /** Above so many connections a request is not sent: it counts as not offered. */
  readonly connections: number;
}

export interface Flooded {
  readonly offered: number;
  /** Until the last answer. */
  readonly seconds: number;
  readonly answered: number;
  /** 429 or 503 with Retry-After. */
  readonly shed: number;
  /** Anything else: a wrong status, no Retry-After, a connection that broke. */
  readonly wrong: number;
  /** Milliseconds, ascending. */
  readonly latencies: readonly number[];
  readonly connections: number;
}

/** Sends requests at a steady rate, whatever becomes of those before. */
async function offer({ port, bytes, ends, perSecond, seconds, connections }: Flood): Promise<Flooded> {
  const free: HttpConnection[] = [];
  let open = 0;
  const latencies: number[] = [];
  let [offered, due, shed, wrong] = [0, 0, 0, 0];
  let underWay = 0;
  let emptied = () => {};
  const take = (reply: Reply, at: number) => {
    if (reply.status === 200) latencies.push(performance.now() - at);
    else if ((reply.status === 503 || reply.status === 429) && reply.retryAfter) shed += 1;
    else wrong += 1;
    underWay -= 1;
    if (underWay === 0) emptied();
  };
  const all: HttpConnection[] = [];
  const started = performance.now();
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - started) {
    const until = Math.min(ends.length, Math.floor((elapsed * perSecond) / 1000));
    for (; due < until; due += 1) {
      let connection = free.pop();
      if (connection === undefined) {
        if (open === connections) continue;
        open += 1;
        connection = new HttpConnection(port);
        all.push(connection);
      }
      const used = connection;
      const at = performance.now();
      offered += 1;
      underWay += 1;
      void used.send(bytes.subarray(due === 0 ? 0 : ends[due - 1], ends[due])).then((reply) => {
        free.push(used);
        take(reply, at);
      });
    }
    await wait(2);
  }
  if (underWay > 0) await new Promise<void>((resolve) => (emptied = resolve));
  const took = (performance.now() - started) / 1000;
  for (const connection of all) connection.close();
  latencies.sort((a, b) => a - b);
  return { offered, seconds: took, answered: latencies.length, shed, wrong, latencies, connections: open };
}

parentPort?.once('message', (flood: Flood) => {
  void offer(flood).then((flooded) => parentPort!.postMessage(flooded));
});
