/** Processor time of one decision: `node pure/policy/testing/cost.ts`. 100 rules; and three limits with 10^6 rows in the window. */
import { addressText } from '@keystead/policy/language/address-text';
import { policyDocument } from '@keystead/policy/language/read-document';
import { compilePolicy } from '@keystead/policy/compile-policy';
import { decide } from '@keystead/policy/decide';
import type { PolicyRequest } from '@keystead/policy/request';
import {
  appendRow,
  emptyLedger,
  type LedgerHead,
  type LedgerRow,
  spentAfter,
} from '@keystead/policy/usage-ledger';
import { Random, requestOf } from './generate.ts';

const account = (number: number): string => `0x${number.toString(16).padStart(40, '0')}`;

/** 90 rules that each allow one wallet to pay twenty accounts, and 10 that deny two accounts above an amount. */
const rules = Array.from({ length: 100 }, (_, index) =>
  index % 10 === 0
    ? {
        id: `deny-${index}`,
        effect: 'deny',
        when: {
          some: 'effects.outflows',
          where: {
            all: [
              { field: 'item.to', operator: 'in', value: [account(index + 1000), account(index + 2000)] },
              { field: 'item.amount', operator: '>', value: '5' },
            ],
          },
        },
      }
    : {
        id: `allow-${String(index).padStart(3, '0')}`,
        effect: 'allow',
        when: {
          all: [
            { field: 'effects.network', operator: '==', value: 'eip155:1' },
            { field: 'resource.wallet', operator: '==', value: `wallet-${index}` },
            {
              every: 'effects.outflows',
              where: {
                all: [
                  {
                    field: 'item.to',
                    operator: 'in',
                    value: Array.from({ length: 20 }, (_, k) => account(index * 100 + k)),
                  },
                  { field: 'item.amount', operator: '<=', value: '1000000000000000000' },
                ],
              },
            },
            { field: 'effects.fee', operator: '<=', value: '10000000000000000' },
          ],
        },
      },
);
const limit = (id: string, per: readonly string[]) => ({
  id,
  meter: 'amount',
  per: [...per, 'asset'],
  window: { kind: 'rolling', seconds: 86_400 },
  max: (10n ** 30n).toString(),
});

const base = requestOf(new Random(3));
const ether = 'eip155:1/slip44:60';
const request: PolicyRequest = {
  ...base,
  action: 'signTransaction',
  resource: { ...base.resource, walletId: 'wallet-99' },
  effects: {
    chain: 'ethereum',
    network: 'eip155:1',
    version: 'eip1559',
    signers: ['a'],
    feePayer: 'a',
    maxFee: { asset: ether, amount: 10n ** 15n },
    outflows: [
      { asset: ether, amount: 10n ** 17n, from: 'a', to: addressText(account(9905)), kind: 'transfer' },
    ],
    grants: [],
    takeovers: [],
    unresolved: [],
    calls: [],
    validity: { uniqueness: 'nonce', key: '1', notBefore: null, notAfter: null },
  },
};

let head: LedgerHead = emptyLedger;
const segments = new Map<string, readonly LedgerRow[]>();
const start = 1_800_000_000_000;
for (let row = 0; row < 1_000_000; row += 1) {
  const appended = appendRow(head, start + row * 80, 1n);
  head = appended.head;
  for (const { level, index, rows: full } of appended.sealed) segments.set(`${level}/${index}`, full);
}
const usage = {
  spent: (_scope: string, after: number) =>
    spentAfter(head, after, (level, index) => segments.get(`${level}/${index}`)!),
  quotes: () => undefined,
};

function measure(name: string, document: unknown): void {
  const policies = [compilePolicy('user', policyDocument.parse(document, 'policy'))];
  const now = start + 1_000_000 * 80 + 12_345_678;
  const times = 100_000;
  const decision = decide(policies, request, usage, now);
  if (decision.outcome !== 'allow') throw new Error(decision.trace.join());
  const costs: number[] = [];
  for (let slice = 0; slice < 5; slice += 1) {
    const before = process.cpuUsage();
    for (let count = 0; count < times; count += 1) decide(policies, request, usage, now);
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / times);
  }
  process.stdout.write(`${name}: ${costs.sort((a, b) => a - b)[2]!.toFixed(2)} µs\n`);
}

measure('100 rules', { version: 1, rules });
measure('100 rules, three limits with 10^6 rows in their windows', {
  version: 1,
  rules,
  limits: [limit('wallet', ['wallet']), limit('user', ['user']), limit('address', ['address'])]
    .slice(0, 2)
    .concat([limit('all', ['organization'])]),
});
