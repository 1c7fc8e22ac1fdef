import { Agent, request } from 'node:http';
import { cpuOf } from './process-cpu.ts';

/** One request, stamped before the clock starts. */
export interface Prepared {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface Measured {
  readonly connections: number;
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  /** Microseconds of CPU per answered request, summed over the server's processes. */
  readonly cpuMicroseconds: number;
  readonly cpuByProcess: Readonly<Record<string, number>>;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** Sends `requests` over `connections` kept-alive connections, each sending its next when the last is answered. */
export async function measure(options: {
  readonly port: number;
  readonly connections: number;
  readonly requests: readonly Prepared[];
  readonly pids: ReadonlyMap<string, number>;
}): Promise<Measured> {
  const { port, connections, requests, pids } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const latencies: number[] = [];
  let failed = 0;
  let next = 0;
  const cpuBefore = new Map([...pids].map(([name, pid]) => [name, cpuOf([pid])]));
  const started = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      for (;;) {
        const index = next++;
        if (index >= requests.length) return;
        const sent = performance.now();
        const status = await send(agent, port, requests[index]);
        if (status === 200) latencies.push(performance.now() - sent);
        else failed += 1;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  agent.destroy();
  const cpuByProcess: Record<string, number> = {};
  let cpu = 0;
  for (const [name, pid] of pids) {
    const used = cpuOf([pid]) - (cpuBefore.get(name) ?? 0);
    cpu += used;
    cpuByProcess[name] = used / requests.length;
  }
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return {
    connections,
    requests: requests.length,
    failed,
    perSecond: requests.length / seconds,
    cpuMicroseconds: cpu / requests.length,
    cpuByProcess,
    p50: at(0.5),
    p99: at(0.99),
  };
}

function send(agent: Agent, port: number, prepared: Prepared): Promise<number> {
  return new Promise((resolve) => {
    const outgoing = request(
      {
        agent,
        host: '127.0.0.1',
        port,
        path: prepared.path,
        method: 'POST',
        headers: { ...prepared.headers, 'content-length': prepared.body.length },
      },
      (incoming) => {
        incoming.resume();
        incoming.on('end', () => resolve(incoming.statusCode ?? 0));
      },
    );
    outgoing.on('error', () => resolve(0));
    outgoing.end(prepared.body);
  });
}
