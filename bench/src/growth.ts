import { mkdirSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Stack } from '@keystead/stack/start-stack';
import { type Measured, measure, medians } from './load.ts';
import { BenchStamper, type BenchWallet, foundingParams } from './product.ts';
import { solanaRequest } from './requests.ts';
import { sendEach } from './send-each.ts';
import { startProduct } from './start-product.ts';
import { say, table } from './table.ts';

const connections = 64;
const slices = 5;
const sliceRequests = 1500;
/** In each deployment before its first slice, until the compiled code has settled. */
const warmUp = 4000;
const few = 10;
/** What the larger state may cost more. */
const bound = 1.15;

interface State {
  readonly stack: Stack;
  readonly stamper: BenchStamper;
  readonly wallets: BenchWallet[];
}

interface Pair {
  readonly name: string;
  readonly small: number;
  readonly large: number;
  readonly build: (state: State, count: number) => Promise<void>;
}

interface Compared {
  readonly name: string;
  readonly small: number;
  readonly large: number;
  readonly smallMeasured: Measured;
  readonly largeMeasured: Measured;
  readonly ratio: number;
}

/**
 * What a signature costs in a small and in a large state. Every state is made by requests to a deployment of the
 * product itself, at 64 connections: nothing in it was written past an enclave. `--wallets`, `--organizations` and
 * `--entries` make the large states smaller; at their full size building takes about an hour of two processors.
 */
export async function growth(directory: string, words: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      wallets: { type: 'string', default: '100000' },
      organizations: { type: 'string', default: '100000' },
      entries: { type: 'string', default: '1000000' },
    },
  });
  const pairs: Pair[] = [
    {
      name: 'wallets in one organization',
      small: few,
      large: sizeOf('wallets', values.wallets),
      build: async (state, count) => {
        const [organizationId] = await found(state, 1, 'Wallets');
        state.wallets.push(...(await makeWallets(state, new Array(count).fill(organizationId))));
      },
    },
    {
      name: 'organizations',
      small: few,
      large: sizeOf('organizations', values.organizations),
      build: async (state, count) => {
        state.wallets.push(...(await makeWallets(state, await found(state, count, 'Organization'))));
      },
    },
    {
      name: 'entries in the ledger',
      small: 0,
      large: sizeOf('entries', values.entries),
      build: async (state, count) => {
        state.wallets.push(...(await makeWallets(state, await found(state, 1, 'Entries'))));
        await sendEach(
          portOf(state.stack),
          count,
          () => signing(state),
          () => undefined,
        );
      },
    },
  ];
  const compared: Compared[] = [];
  for (const [index, pair] of pairs.entries()) {
    // A size of zero leaves a comparison out.
    if (pair.large > 0) compared.push(await comparePair(join(directory, String(index)), pair));
  }
  tell(compared);
  return { slices, sliceRequests, compared };
}

async function comparePair(directory: string, pair: Pair): Promise<Compared> {
  const states: State[] = [];
  try {
    for (const [name, count] of [
      ['small', pair.small],
      ['large', pair.large],
    ] as const) {
      const home = join(directory, name);
      mkdirSync(home, { recursive: true });
      const stack = await startProduct(home);
      const state = { stack, stamper: new BenchStamper(stack.deploymentId), wallets: [] };
      states.push(state);
      const begun = performance.now();
      await pair.build(state, count);
      say(`${pair.name}: ${count} made in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
      await measureSlice(state, warmUp);
    }
    const [small, large] = states.map(() => [] as Measured[]);
    for (let slice = 0; slice < slices; slice += 1) {
      const order = slice % 2 === 0 ? [0, 1] : [1, 0];
      for (const which of order) [small, large][which].push(await measureSlice(states[which], sliceRequests));
    }
    const [smallMeasured, largeMeasured] = [medians(small), medians(large)];
    const ratio = largeMeasured.cpuMicroseconds / smallMeasured.cpuMicroseconds;
    return { name: pair.name, small: pair.small, large: pair.large, smallMeasured, largeMeasured, ratio };
  } finally {
    for (const { stack } of states) await stack.stop();
  }
}

/** Wallets, and with them organizations, are chosen uniformly at random. */
function measureSlice(state: State, count: number): Promise<Measured> {
  const { stack } = state;
  const requests = Array.from({ length: count }, () => signing(state));
  return measure({ port: portOf(stack), connections, requests, processes: stack.processes });
}

function signing({ stamper, wallets }: State): Buffer {
  return solanaRequest(stamper, wallets[randomInt(wallets.length)], 1 + randomInt(1_000_000));
}

async function found(state: State, count: number, name: string): Promise<string[]> {
  const { stack, stamper } = state;
  return sendEach(
    portOf(stack),
    count,
    (index) => stamper.prepare('createOrganization', foundingParams(stamper, `${name} ${index}`)),
    ({ organizationId }) => String(organizationId),
  );
}

async function makeWallets(state: State, organizations: readonly string[]): Promise<BenchWallet[]> {
  return sendEach(
    portOf(state.stack),
    organizations.length,
    (index) =>
      state.stamper.prepare('createWallet', {
        organizationId: organizations[index],
        walletName: `wallet ${index}`,
        accounts: [{ derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' }],
      }),
    ({ walletId, accounts }, index) => ({
      organizationId: organizations[index],
      walletId: String(walletId),
      solana: (accounts as { address: string }[])[0].address,
    }),
  );
}

function portOf(stack: Stack): number {
  return Number(new URL(stack.api).port);
}

function sizeOf(name: string, text: string): number {
  const size = Number(text);
  if (!Number.isSafeInteger(size) || size < 0) throw new TypeError(`--${name} is not a number`);
  return size;
}

function tell(compared: readonly Compared[]): void {
  say(
    `\nCPU per request at ${connections} connections, medians of ${slices} interleaved slices of ${sliceRequests}; wallets and organizations chosen uniformly at random. Bound: ${bound}.`,
  );
  table(
    ['', 'small', 'large', 'µs small', 'µs large', 'ratio', 'failed'],
    compared.map(({ name, small, large, smallMeasured, largeMeasured, ratio }) => [
      name,
      String(small),
      String(large),
      smallMeasured.cpuMicroseconds.toFixed(0),
      largeMeasured.cpuMicroseconds.toFixed(0),
      ratio.toFixed(2),
      String(smallMeasured.failed + largeMeasured.failed),
    ]),
  );
  const names = Object.keys(compared[0]?.smallMeasured.cpuByProcess ?? {});
  say('\nBy process, µs small / large:');
  table(
    ['', ...names],
    compared.map(({ name, smallMeasured, largeMeasured }) => [
      name,
      ...names.map(
        (process) =>
          `${smallMeasured.cpuByProcess[process].toFixed(0)} / ${largeMeasured.cpuByProcess[process].toFixed(0)}`,
      ),
    ]),
  );
}
