import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Flood, Flooded } from './flood.ts';
import { HttpConnection } from './http-connection.ts';
import { type Measured, measure, median, type Prepared, quantile } from './load.ts';
import { cpuOf } from './process-usage.ts';
import { BenchStamper, type BenchWallet, prepareWallet } from './product.ts';
import { separate } from './processors.ts';
import { solanaRequests } from './requests.ts';
import { startProduct } from './start-product.ts';
import { say, table } from './table.ts';

/** Times the load that the product can carry. */
const excess = 5;
const repeats = 3;
const loadSeconds = 5;
/** The most connections of the flood: fewer than the gateway takes, and more than it has a refusal for. */
const floodConnections = 3500;
/** The tenant that does nothing wrong. */
const otherConnections = 4;
const otherRequests = 500;
const warmUp = 4000;

interface Tenant {
  readonly stamper: BenchStamper;
  readonly wallet: BenchWallet;
}

interface Round {
  /** What the product carries at 64 connections. */
  readonly best: Measured;
  readonly flooded: Flooded;
  /** The other tenant before the flood, and in it. */
  readonly quiet: Measured;
  readonly during: Measured;
  /** Seconds. */
  readonly recovery: number;
  /** Microseconds of CPU that the gateway used beyond what its answers cost it in `best`, for each refusal. */
  readonly refusal: number;
}

/**
 * Five times the load that the product can carry, from one tenant: how much it still answers, what it says to the rest,
 * how soon it is itself again, and what another tenant notices of it.
 */
export async function overload(directory: string): Promise<unknown> {
  const stack = await startProduct(directory);
  try {
    const port = Number(new URL(stack.api).port);
    const { processes } = stack;
    const tenant = async (): Promise<Tenant> => {
      const stamper = new BenchStamper(stack.deploymentId);
      return { stamper, wallet: await prepareWallet(stack.api, stamper) };
    };
    const [flooder, other] = [await tenant(), await tenant()];
    const of = ({ stamper, wallet }: Tenant, count: number) => solanaRequests(stamper, wallet, count);
    const separated = separate(processes.values());
    await measure({ port, connections: 64, requests: of(flooder, warmUp), processes });
    const rounds: Round[] = [];
    for (let round = 0; round < repeats; round += 1) {
      const best = await measure({ port, connections: 64, requests: of(flooder, 2000), processes });
      const rate = best.perSecond * excess;
      const excessive = of(flooder, Math.ceil(rate * loadSeconds));
      const quietRequests = of(other, otherRequests);
      const floodedRequests = of(other, otherRequests);
      const quiet = await measure({
        port,
        connections: otherConnections,
        requests: quietRequests,
        processes,
      });
      const gatewayBefore = cpuOf(processes).get('gateway')!;
      const [flooded, during] = await Promise.all([
        flood(port, excessive, rate),
        // The flood has filled its line by then.
        new Promise((resolve) => setTimeout(resolve, 1000)).then(() =>
          measure({ port, connections: otherConnections, requests: floodedRequests, processes }),
        ),
      ]);
      const gateway = cpuOf(processes).get('gateway')! - gatewayBefore;
      const served = flooded.answered + during.requests;
      const refusal = (gateway - served * best.cpuByProcess.gateway) / flooded.shed;
      const recovery = await secondsUntilNormal(port, of(flooder, 64), quiet.p99);
      rounds.push({ best, flooded, quiet, during, recovery, refusal });
    }
    const middle = (figure: (round: Round) => number) => median(rounds.map(figure));
    const result = {
      bestPerSecond: middle(({ best }) => best.perSecond),
      offeredPerSecond: middle(({ flooded }) => flooded.offered / loadSeconds),
      offeredTimes: middle(({ flooded, best }) => flooded.offered / loadSeconds / best.perSecond),
      floodConnections: Math.max(...rounds.map(({ flooded }) => flooded.connections)),
      goodput: middle(
        ({ best, flooded, during }) =>
          (flooded.answered + during.requests - during.failed) / flooded.seconds / best.perSecond,
      ),
      requestMicroseconds: middle(({ best }) => best.cpuMicroseconds),
      refusalMicroseconds: middle(({ refusal }) => refusal),
      shed: rounds.reduce((sum, { flooded }) => sum + flooded.shed, 0),
      wrong: rounds.reduce((sum, { flooded, during }) => sum + flooded.wrong + during.failed, 0),
      p99OfAnswered: middle(({ flooded }) => quantile(flooded.latencies, 0.99)),
      recoverySeconds: Math.max(...rounds.map(({ recovery }) => recovery)),
      quietP99: middle(({ quiet }) => quiet.p99),
      floodedP99: middle(({ during }) => during.p99),
      otherRatio: middle(({ quiet, during }) => during.p99 / quiet.p99),
    };
    tell(separated, result);
    return { repeats, excess, loadSeconds, separated, ...result };
  } finally {
    await stack.stop();
  }
}

/** Floods from a thread of its own. */
async function flood(port: number, requests: Prepared, perSecond: number): Promise<Flooded> {
  let end = 0;
  const ends = requests.map(({ length }) => (end += length));
  const bytes = new Uint8Array(Buffer.concat(requests));
  const worker = new Worker(new URL('./flood.ts', import.meta.url));
  const connections = floodConnections;
  worker.postMessage({ port, bytes, ends, perSecond, seconds: loadSeconds, connections } satisfies Flood, [
    bytes.buffer,
  ]);
  const [flooded] = (await once(worker, 'message')) as [Flooded];
  await worker.terminate();
  return flooded;
}

/** Seconds from the end of the flood until ten requests in a row are answered as fast as before it. */
async function secondsUntilNormal(port: number, requests: Prepared, quietP99: number): Promise<number> {
  const connection = new HttpConnection(port);
  const started = performance.now();
  let inRow = 0;
  let normal = Number.POSITIVE_INFINITY;
  for (const bytes of requests) {
    const sent = performance.now();
    const { status } = await connection.send(bytes);
    inRow = status === 200 && performance.now() - sent <= 2 * quietP99 ? inRow + 1 : 0;
    if (inRow === 10) {
      normal = (performance.now() - started) / 1000;
      break;
    }
  }
  connection.close();
  return normal;
}

function tell(
  separated: string,
  result: {
    readonly bestPerSecond: number;
    readonly offeredPerSecond: number;
    readonly offeredTimes: number;
    readonly floodConnections: number;
    readonly goodput: number;
    readonly requestMicroseconds: number;
    readonly refusalMicroseconds: number;
    readonly shed: number;
    readonly wrong: number;
    readonly p99OfAnswered: number;
    readonly recoverySeconds: number;
    readonly quietP99: number;
    readonly floodedP99: number;
    readonly otherRatio: number;
  },
): void {
  say(`${separated} Medians of ${repeats} rounds of ${loadSeconds} s.`);
  table(
    ['', 'measured', 'bound'],
    [
      ['carried, per second', result.bestPerSecond.toFixed(0), ''],
      ['offered, per second', result.offeredPerSecond.toFixed(0), ''],
      ['offered, of what is carried', result.offeredTimes.toFixed(1), `${excess} x`],
      ['over connections', String(result.floodConnections), ''],
      ['goodput, of what is carried', `${(result.goodput * 100).toFixed(0)} %`, '80 %'],
      ['CPU of a signature, all processes, µs', result.requestMicroseconds.toFixed(0), ''],
      ['CPU of a refusal, gateway, µs', result.refusalMicroseconds.toFixed(0), ''],
      ['shed with Retry-After', String(result.shed), ''],
      ['other answers', String(result.wrong), '0'],
      ['p99 of what was answered, ms', result.p99OfAnswered.toFixed(0), ''],
      ['normal again after, s', result.recoverySeconds.toFixed(2), '5'],
      ["another tenant's p99 in quiet, ms", result.quietP99.toFixed(1), ''],
      ["another tenant's p99 in the flood, ms", result.floodedP99.toFixed(1), ''],
      ['ratio', result.otherRatio.toFixed(2), '3'],
    ],
  );
}
