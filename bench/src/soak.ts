import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measure } from './load.ts';
import { proportionalSetSize } from './process-usage.ts';
import { BenchStamper, prepareWallet } from './product.ts';
import { ethereumRequests, solanaRequests } from './requests.ts';
import { startProduct } from './start-product.ts';
import { say, table } from './table.ts';

const connections = 64;
const samples = 20;
/** MiB that all processes together may have. */
const bound = 400;
/** Growth of the last half, in percent of its middle, that is told from noise. */
const trendBound = 5;

/**
 * Memory of all processes under a long load: the proportional set size, in which pages that processes share count once,
 * of launcher, certifier, policy engine, signer, heads keeper and gateway, and of a supervisor. This process supervises
 * what is measured and generates the load as well, so the supervisor's figure is taken of an `npm start` of its own,
 * beside the processes that are measured; it has nothing to do with requests. `--requests` says how many of them, by
 * default 1,000,000.
 */
export async function soak(directory: string, words: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({
    args: [...words],
    options: { requests: { type: 'string', default: '1000000' } },
  });
  const requests = Number(values.requests);
  if (!Number.isSafeInteger(requests) || requests < samples)
    throw new TypeError('--requests is not a number');
  const stack = await startProduct(directory);
  try {
    const supervisor = await supervisorSize(join(directory, 'supervisor'));
    const stamper = new BenchStamper(stack.deploymentId);
    const wallet = await prepareWallet(stack.api, stamper);
    const port = Number(new URL(stack.api).port);
    const { processes } = stack;
    const memory = () => ({
      supervisor: mebibytes(supervisor),
      ...Object.fromEntries([...processes].map(([name, pid]) => [name, mebibytes(proportionalSetSize(pid))])),
    });
    const rows: { requests: number; failed: number; memory: Record<string, number>; all: number }[] = [];
    let failed = 0;
    const take = (done: number) => {
      const now = memory();
      rows.push({ requests: done, failed, memory: now, all: sum(Object.values(now)) });
    };
    take(0);
    const most = 2000;
    for (let done = 0, sample = 1; sample <= samples; sample += 1) {
      const until = Math.round((requests * sample) / samples);
      while (done < until) {
        const count = Math.min(most, until - done);
        const make = (done / most) % 4 < 3 ? solanaRequests : ethereumRequests;
        const measured = await measure({
          port,
          connections,
          requests: make(stamper, wallet, count),
          processes,
        });
        failed += measured.failed;
        done += count;
      }
      take(done);
    }
    const trend = trendOf(rows.slice(rows.length >> 1).map(({ all }) => all));
    tell(rows, trend);
    return { requests, rows, trendPercent: trend };
  } finally {
    await stack.stop();
  }
}

/** Proportional set size of the process that `npm start` becomes, once its stack is ready, in bytes. */
async function supervisorSize(home: string): Promise<number> {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } };
  const child = spawn('/bin/sh', ['-c', scripts.start], {
    env: { ...process.env, KEYSTEAD_HOME: home, KEYSTEAD_PORT: '0', KEYSTEAD_REALMS: '0' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'exit');
  try {
    await Promise.race([once(child.stdout, 'data'), ended]);
    const size = proportionalSetSize(child.pid!);
    if (size === 0) throw new Error('npm start does not start');
    return size;
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
}

function mebibytes(bytes: number): number {
  return bytes / 1024 / 1024;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Slope of the least-squares line over the whole row, in percent of its mean. */
function trendOf(values: readonly number[]): number {
  const mean = sum(values) / values.length;
  const middle = (values.length - 1) / 2;
  const slope =
    sum(values.map((value, index) => (value - mean) * (index - middle))) /
    sum(values.map((_, index) => (index - middle) ** 2));
  return (slope * (values.length - 1) * 100) / mean;
}

function tell(
  rows: readonly { requests: number; failed: number; memory: Record<string, number>; all: number }[],
  trend: number,
): void {
  const names = Object.keys(rows[0].memory);
  say(`Proportional set size in MiB; bound ${bound}.`);
  table(
    ['requests', ...names, 'all', 'failed'],
    rows.map(({ requests, memory, all, failed }) => [
      String(requests),
      ...names.map((name) => memory[name].toFixed(0)),
      all.toFixed(0),
      String(failed),
    ]),
  );
  say(
    `Trend over the second half: ${trend.toFixed(1)} %, ${Math.abs(trend) <= trendBound ? 'within' : 'outside'} ${trendBound} %.`,
  );
}
