import { HttpConnection } from './http-connection.ts';
import { cpuOf, type Processes } from './process-usage.ts';

/** Requests as bytes, stamped before the clock starts. */
export type Prepared = readonly Uint8Array[];

/** One slice of load. */
export interface Measured {
  readonly connections: number;
  readonly requests: number;
  /** Answers with another status than 200. */
  readonly failed: number;
  readonly perSecond: number;
  /** Microseconds of CPU per request, summed over the processes. */
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
  readonly requests: Prepared;
  readonly processes: Processes;
}): Promise<Measured> {
  const { port, connections, requests, processes } = options;
  const latencies: number[] = [];
  let failed = 0;
  let next = 0;
  const open = Array.from({ length: connections }, () => new HttpConnection(port));
  const before = cpuOf(processes);
  const started = performance.now();
  await Promise.all(
    open.map(async (connection) => {
      while (next < requests.length) {
        const bytes = requests[next++];
        const sent = performance.now();
        const { status } = await connection.send(bytes);
        if (status === 200) latencies.push(performance.now() - sent);
        else failed += 1;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const after = cpuOf(processes);
  for (const connection of open) connection.close();
  const cpuByProcess = Object.fromEntries(
    [...after].map(([name, used]) => [name, (used - (before.get(name) ?? 0)) / requests.length]),
  );
  latencies.sort((a, b) => a - b);
  return {
    connections,
    requests: requests.length,
    failed,
    perSecond: requests.length / seconds,
    cpuMicroseconds: Object.values(cpuByProcess).reduce((sum, used) => sum + used, 0),
    cpuByProcess,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
}

/** Of an ascending list; 0 when it is empty. */
export function quantile(ascending: readonly number[], share: number): number {
  return ascending[Math.min(ascending.length - 1, Math.floor(ascending.length * share))] ?? 0;
}

export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/** The medians of every figure of several slices: a neighbour's noise in one of them does not show. */
export function medians(slices: readonly Measured[]): Measured {
  const of = (figure: (slice: Measured) => number) => median(slices.map(figure));
  const names = Object.keys(slices[0].cpuByProcess);
  return {
    connections: slices[0].connections,
    requests: slices.reduce((sum, { requests }) => sum + requests, 0),
    failed: slices.reduce((sum, { failed }) => sum + failed, 0),
    perSecond: of(({ perSecond }) => perSecond),
    cpuMicroseconds: of(({ cpuMicroseconds }) => cpuMicroseconds),
    cpuByProcess: Object.fromEntries(names.map((name) => [name, of((slice) => slice.cpuByProcess[name])])),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
  };
}
