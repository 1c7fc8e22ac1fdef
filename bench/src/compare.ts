import { join } from 'node:path';
import type { Stack } from '@keystead/stack/start-stack';
import { type Disk, describeDisk } from './disk.ts';
import { FloorProcess } from './floor-process.ts';
import { type Measured, measure, median, medians, type Prepared } from './load.ts';
import { figuresOf } from './metrics.ts';
import type { Processes } from './process-usage.ts';
import { BenchStamper, prepareWallet } from './product.ts';
import { ethereumRequests, solanaRequests } from './requests.ts';
import { measureSingleOperations, reference, type SingleOperations } from './single-operations.ts';
import { startProduct } from './start-product.ts';
import { say, table } from './table.ts';

const connectionCounts = [1, 16, 64] as const;
const repeats = 3;
const countFor = (connections: number): number =>
  connections === 1 ? 300 : connections === 16 ? 1500 : 3000;
/** Requests until the compiled code has settled. */
const warmUp = 4000;
/** Microseconds that the floor may cost at 64 connections before its slowness has to be explained. */
const floorBound = 175;

interface Subject {
  readonly name: 'floor' | 'Ed25519' | 'EVM';
  readonly port: number;
  readonly processes: Processes;
  readonly make: (count: number) => Prepared;
}

interface Cell {
  readonly name: Subject['name'];
  readonly measured: Measured;
  /** Median of the ratios to the floor's slice of the same round; null for the floor itself. */
  readonly ratio: number | null;
  /** Durable writes per request: commits of the store and, for the product, appends to the heads log. */
  readonly syncs: number;
}

/**
 * CPU of one stamped, durable signature, summed over all processes of the product, as a ratio to a single process that
 * does the same work. Slices of floor and product alternate, so that a neighbour's noise meets all of them.
 */
export async function compare(directory: string): Promise<unknown> {
  const disk = describeDisk(directory);
  const floor = await FloorProcess.start(join(directory, 'floor.sqlite'));
  let stack: Stack | undefined;
  try {
    stack = await startProduct(directory);
    const stamper = new BenchStamper(stack.deploymentId);
    const wallet = await prepareWallet(stack.api, stamper);
    const port = Number(new URL(stack.api).port);
    const { processes } = stack;
    const subjects: Subject[] = [
      {
        name: 'floor',
        port: floor.port,
        processes: new Map([['floor', floor.pid]]),
        make: (count) => floor.requests(count),
      },
      { name: 'Ed25519', port, processes, make: (count) => solanaRequests(stamper, wallet, count) },
      { name: 'EVM', port, processes, make: (count) => ethereumRequests(stamper, wallet, count) },
    ];
    describe(disk);
    for (const subject of subjects)
      await measure({ ...subject, connections: 64, requests: subject.make(warmUp) });
    const operations = measureSingleOperations();
    const cells: Cell[] = [];
    for (const connections of connectionCounts)
      cells.push(...(await measureRow(subjects, connections, floor, stack.api)));
    tell(cells, operations);
    return { disk, operations, repeats, cells };
  } finally {
    floor.stop();
    await stack?.stop();
  }
}

/** All subjects at one number of connections, in rounds of alternating order. */
async function measureRow(
  subjects: readonly Subject[],
  connections: number,
  floor: FloorProcess,
  api: string,
): Promise<Cell[]> {
  const slices = new Map(subjects.map(({ name }) => [name, [] as Measured[]]));
  const syncs = new Map(subjects.map(({ name }) => [name, 0]));
  const syncsOf = async (name: Subject['name']) =>
    name === 'floor' ? floor.commits() : (await figuresOf(api)).syncs;
  for (let round = 0; round < repeats; round += 1)
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const requests = subject.make(countFor(connections));
      const before = await syncsOf(subject.name);
      slices.get(subject.name)!.push(await measure({ ...subject, connections, requests }));
      syncs.set(subject.name, syncs.get(subject.name)! + (await syncsOf(subject.name)) - before);
    }
  const base = slices.get('floor')!;
  return subjects.map(({ name }) => {
    const own = slices.get(name)!;
    const measured = medians(own);
    return {
      name,
      measured,
      ratio:
        name === 'floor'
          ? null
          : median(own.map(({ cpuMicroseconds }, round) => cpuMicroseconds / base[round].cpuMicroseconds)),
      syncs: syncs.get(name)! / measured.requests,
    };
  });
}

function describe({ fileSystem, fdatasync }: Disk): void {
  say(
    `${fileSystem}, fdatasync ${fdatasync.toFixed(2)} ms (median). Database, heads log and floor lie on this file system; synchronous=FULL in both databases, O_DSYNC in the heads log. ${repeats} interleaved slices, medians.`,
  );
}

function tell(cells: readonly Cell[], operations: SingleOperations): void {
  table(
    ['', 'connections', 'µs CPU', '× floor', 'per second', 'p50 ms', 'p99 ms', 'syncs/request', 'failed'],
    cells.map(({ name, measured, ratio, syncs }) => [
      name,
      String(measured.connections),
      measured.cpuMicroseconds.toFixed(0),
      ratio === null ? '' : ratio.toFixed(2),
      measured.perSecond.toFixed(0),
      measured.p50.toFixed(2),
      measured.p99.toFixed(2),
      syncs.toFixed(3),
      String(measured.failed),
    ]),
  );
  const names = Object.keys(cells.find(({ name }) => name !== 'floor')!.measured.cpuByProcess);
  say('\nWhere the difference goes, µs CPU per request:');
  table(
    ['', 'connections', ...names, 'all', 'floor', 'difference'],
    cells
      .filter(({ name }) => name !== 'floor')
      .map(({ name, measured }) => {
        const floor = cells.find(
          (cell) => cell.name === 'floor' && cell.measured.connections === measured.connections,
        )!.measured.cpuMicroseconds;
        return [
          name,
          String(measured.connections),
          ...names.map((process) => measured.cpuByProcess[process].toFixed(0)),
          measured.cpuMicroseconds.toFixed(0),
          floor.toFixed(0),
          (measured.cpuMicroseconds - floor).toFixed(0),
        ];
      }),
  );
  explainFloor(cells, operations);
}

/** A floor that is slow by itself would flatter the product. */
function explainFloor(cells: readonly Cell[], operations: SingleOperations): void {
  const { cpuMicroseconds } = cells.find(
    ({ name, measured }) => name === 'floor' && measured.connections === 64,
  )!.measured;
  const verdict = cpuMicroseconds <= floorBound ? 'within' : 'above';
  say(
    `\nThe floor costs ${cpuMicroseconds.toFixed(0)} µs at 64 connections, ${verdict} its ${floorBound} µs. In this run a P-256 verification costs ${operations.verifyP256.toFixed(1)} µs and import and signature with Ed25519 ${operations.signEd25519.toFixed(1)} µs (${reference.verifyP256} and ${reference.signEd25519} on the reference machine): the machine is ${operations.slowness.toFixed(2)} times as slow, which makes the floor's bound ${(floorBound * operations.slowness).toFixed(0)} µs.`,
  );
}
