import { HttpConnection, type Reply } from './http-connection.ts';
import { type Measured, measure, median, type Prepared, quantile } from './load.ts';
import { BenchStamper, type BenchWallet, prepareWallet } from './product.ts';
import { solanaRequests } from './requests.ts';
import { startProduct } from './start-product.ts';
import { say, table } from './table.ts';

/** Times the load that the product can carry. */
const excess = 5;
const repeats = 3;
const loadSeconds = 5;
/** Connections of the flood: above them its requests would not be offered at all. */
const floodConnections = 1024;
/** The tenant that does nothing wrong. */
const otherConnections = 4;
const otherRequests = 200;
const warmUp = 4000;

interface Tenant {
  readonly stamper: BenchStamper;
  readonly wallet: BenchWallet;
}

interface Offered {
  readonly offered: number;
  /** Until the last answer. */
  readonly seconds: number;
  readonly answered: number;
  /** 429 or 503 with Retry-After. */
  readonly shed: number;
  /** Anything else: a wrong status, no Retry-After, a connection that broke. */
  readonly wrong: number;
  readonly latencies: readonly number[];
}

interface Round {
  /** What the product carries at 64 connections. */
  readonly best: Measured;
  readonly flooded: Offered;
  /** The other tenant before the flood, and in it. */
  readonly quiet: Measured;
  readonly during: Measured;
  /** Seconds. */
  readonly recovery: number;
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
    await measure({ port, connections: 64, requests: of(flooder, warmUp), processes });

    const rounds: Round[] = [];
    for (let round = 0; round < repeats; round += 1) {
      const best = await measure({ port, connections: 64, requests: of(flooder, 2000), processes });
      const rate = best.perSecond * excess;
      const flood = of(flooder, Math.ceil(rate * loadSeconds));
      const quietRequests = of(other, otherRequests);
      const floodedRequests = of(other, otherRequests);
      const quiet = await measure({
        port,
        connections: otherConnections,
        requests: quietRequests,
        processes,
      });
      const [flooded, during] = await Promise.all([
        offer(port, flood, rate),
        // The flood has filled its line by then.
        new Promise((resolve) => setTimeout(resolve, 1000)).then(() =>
          measure({ port, connections: otherConnections, requests: floodedRequests, processes }),
        ),
      ]);
      const recovery = await secondsUntilNormal(port, of(flooder, 64), quiet.p99);
      rounds.push({ best, flooded, quiet, during, recovery });
    }
    const middle = (figure: (round: Round) => number) => median(rounds.map(figure));
    const result = {
      bestPerSecond: middle(({ best }) => best.perSecond),
      offeredPerSecond: middle(({ flooded }) => flooded.offered / loadSeconds),
      goodput: middle(
        ({ best, flooded, during }) =>
          (flooded.answered + during.requests - during.failed) / flooded.seconds / best.perSecond,
      ),
      shed: rounds.reduce((sum, { flooded }) => sum + flooded.shed, 0),
      wrong: rounds.reduce((sum, { flooded, during }) => sum + flooded.wrong + during.failed, 0),
      p99OfAnswered: middle(({ flooded }) => quantile(flooded.latencies, 0.99)),
      recoverySeconds: Math.max(...rounds.map(({ recovery }) => recovery)),
      quietP99: middle(({ quiet }) => quiet.p99),
      floodedP99: middle(({ during }) => during.p99),
      otherRatio: middle(({ quiet, during }) => during.p99 / quiet.p99),
    };
    tell(result);
    return { repeats, excess, loadSeconds, ...result };
  } finally {
    await stack.stop();
  }
}

/** Sends requests at a steady rate, as far as connections are free, whatever becomes of those before. */
async function offer(port: number, requests: Prepared, perSecond: number): Promise<Offered> {
  const free = Array.from({ length: floodConnections }, () => new HttpConnection(port));
  const open = [...free];
  const latencies: number[] = [];
  let [sent, shed, wrong] = [0, 0, 0];
  const take = (reply: Reply, at: number) => {
    if (reply.status === 200) latencies.push(performance.now() - at);
    else if ((reply.status === 503 || reply.status === 429) && reply.retryAfter) shed += 1;
    else wrong += 1;
  };
  const started = performance.now();
  const underWay = new Set<Promise<void>>();
  for (let elapsed = 0; elapsed < loadSeconds * 1000; elapsed = performance.now() - started) {
    const due = Math.min(requests.length, Math.floor((elapsed * perSecond) / 1000));
    while (sent < due && free.length > 0) {
      const connection = free.pop()!;
      const at = performance.now();
      const answered = connection.send(requests[sent++]).then((reply) => {
        take(reply, at);
        free.push(connection);
        underWay.delete(answered);
      });
      underWay.add(answered);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(underWay);
  const seconds = (performance.now() - started) / 1000;
  for (const connection of open) connection.close();
  latencies.sort((a, b) => a - b);
  return { offered: sent, seconds, answered: latencies.length, shed, wrong, latencies };
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

function tell(result: {
  readonly bestPerSecond: number;
  readonly offeredPerSecond: number;
  readonly goodput: number;
  readonly shed: number;
  readonly wrong: number;
  readonly p99OfAnswered: number;
  readonly recoverySeconds: number;
  readonly quietP99: number;
  readonly floodedP99: number;
  readonly otherRatio: number;
}): void {
  say(
    `Load generator and product share the machine: what the generator uses for the excess is missing in the goodput. Medians of ${repeats} rounds of ${loadSeconds} s.`,
  );
  table(
    ['', 'measured', 'bound'],
    [
      ['carried, per second', result.bestPerSecond.toFixed(0), ''],
      ['offered, per second', result.offeredPerSecond.toFixed(0), `${excess} x`],
      ['goodput, of what is carried', `${(result.goodput * 100).toFixed(0)} %`, '80 %'],
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
