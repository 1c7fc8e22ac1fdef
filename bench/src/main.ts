import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startStack } from '@keystead/stack/start-stack';
import { describeDisk } from './disk.ts';
import { FloorProcess } from './floor-process.ts';
import { type Measured, measure } from './load.ts';
import { BenchStamper, prepareWallet } from './product.ts';
import { ethereumRequests, solanaRequests } from './requests.ts';

/**
 * `npm run bench`: CPU of one stamped, durable signature, summed over all processes, as a ratio to the floor of the
 * same run. The table goes to standard error, JSON to standard output.
 */
const connectionCounts = [1, 16, 64];
const countFor = (connections: number): number => (connections === 1 ? 400 : 3000);
const warmUp = 1500;

const directory = mkdtempSync(join(process.cwd(), '.bench-'));
const results: { name: string; measured: Measured; ratio: number | null }[] = [];
const disk = describeDisk(directory);
const floor = await FloorProcess.start(join(directory, 'floor.sqlite'));
const stack = await startStack({ home: join(directory, 'home'), heads: join(directory, 'heads'), port: 0 });
try {
  const stamper = new BenchStamper(stack.deploymentId);
  const wallet = await prepareWallet(stack.api, stamper);
  const port = Number(new URL(stack.api).port);
  const pids = new Map<string, number>([...stack.processes].filter(([name]) => name !== 'launcher'));
  const floorPids = new Map([['floor', floor.pid]]);
  const product = [
    { name: 'Ed25519', make: (count: number) => solanaRequests(stamper, wallet, count) },
    { name: 'EVM', make: (count: number) => ethereumRequests(stamper, wallet, count) },
  ];
  process.stderr.write(
    `${disk.fileSystem}, fdatasync ${disk.fdatasync.toFixed(2)} ms (median); database, heads log and floor on one disk, synchronous=FULL\n`,
  );
  await measure({ port: floor.port, connections: 64, requests: floor.requests(warmUp), pids: floorPids });
  for (const { make } of product) await measure({ port, connections: 64, requests: make(warmUp), pids });
  for (const connections of connectionCounts) {
    const count = countFor(connections);
    const base = await measure({
      port: floor.port,
      connections,
      requests: floor.requests(count),
      pids: floorPids,
    });
    report('floor', base, null);
    for (const { name, make } of product) {
      const measured = await measure({ port, connections, requests: make(count), pids });
      report(name, measured, measured.cpuMicroseconds / base.cpuMicroseconds);
    }
  }
} finally {
  floor.stop();
  await stack.stop();
  rmSync(directory, { recursive: true, force: true });
}
process.stdout.write(`${JSON.stringify({ disk, results })}\n`);

function report(name: string, measured: Measured, ratio: number | null): void {
  results.push({ name, measured, ratio });
  const split = Object.entries(measured.cpuByProcess)
    .map(([process, microseconds]) => `${process} ${microseconds.toFixed(0)}`)
    .join(', ');
  process.stderr.write(
    `${name.padEnd(8)} ${String(measured.connections).padStart(3)} connections  ${measured.cpuMicroseconds.toFixed(0).padStart(6)} µs CPU  ${ratio === null ? '      ' : `× ${ratio.toFixed(2)}`}  ${measured.perSecond.toFixed(0).padStart(5)}/s  p50 ${measured.p50.toFixed(2)} ms  p99 ${measured.p99.toFixed(2)} ms  ${measured.failed} failed  (${split})\n`,
  );
}
