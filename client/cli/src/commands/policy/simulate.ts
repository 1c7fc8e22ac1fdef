import { join } from 'node:path';
import { decideWithReceipt, type DecisionReceipt, receiptText } from '@keystead/policy/decision-receipt';
import type { PolicyDocument } from '@keystead/policy/language/document';
import type { Usage } from '@keystead/policy/limits';
import {
  appendRow,
  emptyLedger,
  type LedgerHead,
  type LedgerRow,
  spentAfter,
} from '@keystead/policy/usage-ledger';
import type { Command } from '../../command.ts';
import { CommandError } from '../../command-error.ts';
import { type RecordedRequest, recordedRequests, unrecordedFields } from '../../ledger/recorded-requests.ts';
import { chosenOrganization, copyStore } from '../../ledger/store-file.ts';
import { verifyChain } from '../../ledger/verify-chain.ts';
import { chainOf, organizationsOf } from '../../ledger/verify-store.ts';
import { readPolicy } from '../../policy-file.ts';

/** Refusals that the text shows; --json has all of them. */
const shown = 20;

export const policySimulate: Command = {
  words: ['policy', 'simulate'],
  summary:
    'what a policy would have refused of what the ledger says was allowed, and let pass of what was denied',
  details: [
    'Decides every recorded use of a key under the file alone, in order, as if it had stood from the first entry: what it',
    'would have let pass takes up room in its limits. The chain is verified first. The ledger keeps no origin, no network',
    'of a submission and no releases: rules that name the first two see none, and what was released counts as spent.',
    'Of what policies denied it lists what the file would have let pass, each for itself: that takes up no room. What is larger',
    'than the ledger keeps of a denial is not among it.',
    '--json has a receipt of each, which policy explain --receipt decides again.',
  ].join('\n'),
  positionals: [{ name: 'file' }],
  options: {
    store: {
      type: 'string',
      value: 'file',
      help: 'SQLite file of the store (default: store.sqlite in KEYSTEAD_HOME)',
    },
    organization: { type: 'string', value: 'id', help: 'organization; needed when the store has several' },
    user: { type: 'string', value: 'username', help: 'only what this user asked for' },
  },
  async run(given, surroundings) {
    const document = await readPolicy(given.positionals[0]!, surroundings);
    const user = given.text('user');
    const copy = await copyStore(given.text('store') ?? join(surroundings.home, 'store.sqlite'));
    try {
      const organization = chosenOrganization(
        [...organizationsOf(copy.database)],
        given.text('organization'),
      );
      const chain = chainOf(copy.database, organization);
      const { bad } = verifyChain(organization, chain);
      if (bad !== null)
        throw new CommandError(
          `the chain is not whole: position ${bad.position}: ${bad.what}`,
          'see keystead ledger verify',
        );
      const { count, refused, denied, passed } = simulated(document, recordedRequests(chain.rows()), user);
      const unseen = [
        ...unrecordedFields.filter((field) => JSON.stringify(document).includes(`"${field}"`)),
        // Entries hold effects as no policy's descriptions read them, and not the bytes.
        ...(['calls', 'owners'] as const).filter((member) => document[member] !== undefined),
      ];
      return {
        json: {
          decided: count,
          refused: refused.map(inJson),
          denied,
          passed: passed.map(inJson),
          unseen,
        },
        text: [
          `would have refused ${refused.length} of ${count}`,
          ...linesOf(refused),
          ...(denied === 0 ? [] : [`would have let pass ${passed.length} of ${denied} that were denied`]),
          ...linesOf(passed),
          ...unseen.map((field) => `the ledger does not keep ${field}: rules that name it saw none`),
        ].join('\n'),
      };
    } finally {
      copy.close();
    }
  },
};

interface Decided {
  readonly position: number;
  readonly receipt: DecisionReceipt;
}

const inJson = ({ position, receipt }: Decided): object => ({
  position,
  receipt: JSON.parse(receiptText(receipt)) as object,
});

function linesOf(decided: readonly Decided[]): string[] {
  const lines = decided.slice(0, shown).map(({ position, receipt }) => {
    const { request, now, decision } = receipt;
    return `  ${position}  ${new Date(now).toISOString()}  ${request.subject.username}  ${request.action}  ${decision.trace.at(-1)!}`;
  });
  return decided.length > shown
    ? [...lines, `  and ${decided.length - shown} more: --json has all of them`]
    : lines;
}

/** What policies deny: not what waits, which is recorded when it is asked again, nor what no policy could let pass. */
const byPolicies: ReadonlySet<string> = new Set([
  'policy-denied',
  'policy-too-complex',
  'rate-limit-exceeded',
  'raw-payload-not-permitted',
  'spending-limit-exceeded',
  'transaction-blocked',
]);

const isByPolicy = ({ code, rule }: NonNullable<RecordedRequest['denied']>): boolean =>
  byPolicies.has(code) && rule !== 'ceiling';

function simulated(
  document: PolicyDocument,
  requests: Iterable<RecordedRequest>,
  user: string | undefined,
): {
  readonly count: number;
  readonly refused: readonly Decided[];
  /** How many of those that were denied could be decided again. */
  readonly denied: number;
  readonly passed: readonly Decided[];
} {
  const counters = new Map<string, Counter>();
  const refused: Decided[] = [];
  const passed: Decided[] = [];
  let count = 0;
  let deniedCount = 0;
  for (const { position, time, request, denied, quotes } of requests) {
    if (user !== undefined && request.subject.username !== user) continue;
    if (denied !== null && !isByPolicy(denied)) continue;
    if (denied === null) count += 1;
    else deniedCount += 1;
    const usage: Usage = { spent: (scope, after) => counters.get(scope)?.spent(after) ?? 0n, quotes };
    const receipt = decideWithReceipt([{ name: 'draft', document }], request, usage, time);
    if (denied !== null) {
      if (receipt.decision.outcome === 'allow') passed.push({ position, receipt });
      continue;
    }
    if (receipt.decision.outcome === 'deny') refused.push({ position, receipt });
    for (const { scope, amount } of receipt.decision.reservations) {
      const counter = counters.get(scope) ?? new Counter();
      counters.set(scope, counter);
      counter.add(time, amount);
    }
  }
  return { count, refused, denied: deniedCount, passed };
}

/** One counter of a limit, in memory. */
class Counter {
  readonly #head: LedgerHead = emptyLedger();
  readonly #segments = new Map<string, readonly LedgerRow[]>();

  add(time: number, amount: bigint): void {
    for (const { level, index, rows } of appendRow(this.#head, time, amount))
      this.#segments.set(`${level}/${index}`, rows);
  }

  spent(after: number): bigint {
    return spentAfter(this.#head, after, (level, index) => this.#segments.get(`${level}/${index}`)!);
  }
}
