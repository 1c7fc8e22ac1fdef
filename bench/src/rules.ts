import { type Measured, measure, median, medians } from './load.ts';
import { BenchStamper, type BenchWallet, prepareWallet } from './product.ts';
import { ethereumRequests, solanaRequests } from './requests.ts';
import { startProduct } from './start-product.ts';
import { say, table } from './table.ts';

const connectionCounts = [16, 64] as const;
const rounds = 5;
const countFor = (connections: number): number => (connections === 16 ? 1500 : 3000);
const warmUp = 4000;
/** What rules and limits may cost a signature. */
const bound = 1.15;

interface Tenant {
  readonly stamper: BenchStamper;
  readonly wallet: BenchWallet;
}

interface Cell {
  readonly key: string;
  readonly connections: number;
  readonly without: Measured;
  readonly under: Measured;
  /** Median of the ratios of the two slices of each round. */
  readonly ratio: number;
}

/**
 * CPU of one stamped, durable signature of an organization whose policy has 20 rules and 3 limits, all of which look at it, as
 * a ratio to one of an organization without a policy of its own. Both live in one product; slices of both alternate.
 */
export async function rules(directory: string): Promise<unknown> {
  const stack = await startProduct(directory);
  try {
    const tenant = async (): Promise<Tenant> => {
      const stamper = new BenchStamper(stack.deploymentId);
      return { stamper, wallet: await prepareWallet(stack.api, stamper) };
    };
    const [free, ruled] = [await tenant(), await tenant()];
    await ruled.stamper.call(stack.api, 'updatePolicy', {
      organizationId: ruled.wallet.organizationId,
      policyName: 'bench',
      policy: policyFor(ruled.wallet),
    });
    const port = Number(new URL(stack.api).port);
    const { processes } = stack;
    let nonce = 0;
    const kinds: Readonly<Record<string, typeof solanaRequests>> = {
      Ed25519: solanaRequests,
      EVM(stamper, wallet, count) {
        nonce += count;
        return ethereumRequests(stamper, wallet, count, nonce - count);
      },
    };
    const slice = (of: Tenant, make: typeof solanaRequests, connections: number, count: number) =>
      measure({ port, connections, requests: make(of.stamper, of.wallet, count), processes });
    for (const each of [free, ruled])
      for (const make of Object.values(kinds)) await slice(each, make, 64, warmUp / 2);
    const cells: Cell[] = [];
    for (const connections of connectionCounts)
      for (const [key, make] of Object.entries(kinds)) {
        const without: Measured[] = [];
        const under: Measured[] = [];
        for (let round = 0; round < rounds; round += 1)
          for (const each of round % 2 === 0 ? [free, ruled] : [ruled, free])
            (each === free ? without : under).push(
              await slice(each, make, connections, countFor(connections)),
            );
        const ratios = under.map(
          ({ cpuMicroseconds }, round) => cpuMicroseconds / without[round]!.cpuMicroseconds,
        );
        cells.push({
          key,
          connections,
          without: medians(without),
          under: medians(under),
          ratio: median(ratios),
        });
      }
    tell(cells);
    return { rounds, bound, cells };
  } finally {
    await stack.stop();
  }
}

/** 20 rules of which one allows each kind of transaction and the others miss by wallet, receiver or amount; 3 limits with room. */
function policyFor({ walletId }: BenchWallet): object {
  const receiver = '0x000000000000000000000000000000000000dEaD';
  const paying = (wallet: string, more: readonly object[]) => ({
    all: [
      { field: 'resource.wallet', operator: '==', value: wallet },
      { field: 'effects.fee', operator: '<=', value: (10n ** 18n).toString() },
      ...more,
    ],
  });
  const allow = Array.from({ length: 16 }, (_, index) => ({
    id: `allow-${String(index).padStart(2, '0')}`,
    effect: 'allow',
    on: ['sign-transaction'],
    when:
      index < 14
        ? paying(`another-wallet-${index}`, [{ field: 'effects.chain', operator: '==', value: 'solana' }])
        : index === 14
          ? paying(walletId, [
              { field: 'effects.chain', operator: '==', value: 'ethereum' },
              {
                every: 'effects.outflows',
                where: { field: 'item.to', operator: 'in', value: [receiver] },
              },
            ])
          : paying(walletId, [
              { field: 'effects.chain', operator: '==', value: 'solana' },
              {
                every: 'effects.outflows',
                where: { field: 'item.amount', operator: '<=', value: (10n ** 9n).toString() },
              },
            ]),
  }));
  const deny = Array.from({ length: 4 }, (_, index) => ({
    id: `deny-${index}`,
    effect: 'deny',
    on: ['sign-transaction'],
    when: {
      some: 'effects.outflows',
      where: { field: 'item.amount', operator: '>', value: (10n ** BigInt(24 + index)).toString() },
    },
  }));
  const max = (10n ** 40n).toString();
  return {
    version: 1,
    rules: [...allow, ...deny],
    limits: [
      {
        id: 'day',
        meter: 'amount',
        per: ['wallet', 'asset'],
        window: { kind: 'rolling', seconds: 86_400 },
        max,
      },
      {
        id: 'week',
        meter: 'amount',
        per: ['user', 'asset'],
        window: { kind: 'calendar', unit: 'week', timeZone: 'Europe/Berlin' },
        max,
      },
      { id: 'rate', meter: 'count', per: ['authenticator'], window: { kind: 'rolling', seconds: 3600 }, max },
    ],
  };
}

function tell(cells: readonly Cell[]): void {
  say(`${rounds} rounds of alternating slices, medians; µs CPU per signature, all processes.`);
  table(
    ['', 'connections', 'no policy', '20 rules, 3 limits', 'ratio', 'failed'],
    cells.map(({ key, connections, without, under, ratio }) => [
      key,
      String(connections),
      without.cpuMicroseconds.toFixed(0),
      under.cpuMicroseconds.toFixed(0),
      ratio.toFixed(3),
      String(without.failed + under.failed),
    ]),
  );
  const names = Object.keys(cells[0]!.under.cpuByProcess);
  say('\nWhere the difference goes, µs CPU per signature:');
  table(
    ['', 'connections', ...names],
    cells.map(({ key, connections, without, under }) => [
      key,
      String(connections),
      ...names.map((name) => (under.cpuByProcess[name]! - without.cpuByProcess[name]!).toFixed(0)),
    ]),
  );
  const worst = Math.max(...cells.map(({ ratio }) => ratio));
  say(`\nat most ${worst.toFixed(3)} times (${worst <= bound ? 'within' : 'ABOVE'} ${bound})`);
}
