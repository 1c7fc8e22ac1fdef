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
  summary: 'what a policy would have refused of what the ledger says was allowed',
  details: [
    'Decides every recorded use of a key under the file alone, in order, as if it had stood from the first entry: what it',
    'would have let pass takes up room in its limits. The chain is verified first. The ledger keeps no origin, no network',
    'of a submission and no releases: rules that name the first two see none, and what was released counts as spent.',
    '--json has a receipt of each refusal, which policy explain --receipt decides again.',
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
      const { count, refused } = simulated(document, recordedRequests(chain.rows()), user);
      const unseen = [
        ...unrecordedFields.filter((field) => JSON.stringify(document).includes(`"${field}"`)),
        // Entries hold effects as no policy's descriptions read them, and not the bytes.
        ...(['calls', 'owners'] as const).filter((member) => document[member] !== undefined),
      ];
      const lines = refused.slice(0, shown).map(({ position, receipt }) => {
        const { request, now, decision } = receipt;
        return `  ${position}  ${new Date(now).toISOString()}  ${request.subject.username}  ${request.action}  ${decision.trace.at(-1)!}`;
      });
      return {
        json: {
          decided: count,
          refused: refused.map(({ position, receipt }) => ({
            position,
            receipt: JSON.parse(receiptText(receipt)) as object,
          })),
          unseen,
        },
        text: [
          `would have refused ${refused.length} of ${count}`,
          ...lines,
          ...(refused.length > shown ? [`  and ${refused.length - shown} more: --json has all of them`] : []),
          ...unseen.map((field) => `the ledger does not keep ${field}: rules that name it saw none`),
        ].join('\n'),
      };
    } finally {
      copy.close();
    }
  },
};

interface Refused {
  readonly position: number;
  readonly receipt: DecisionReceipt;
}

function simulated(
  document: PolicyDocument,
  requests: Iterable<RecordedRequest>,
  user: string | undefined,
): { readonly count: number; readonly refused: readonly Refused[] } {
  const counters = new Map<string, Counter>();
  const refused: Refused[] = [];
  let count = 0;
  for (const { position, time, request, quotes } of requests) {
    if (user !== undefined && request.subject.username !== user) continue;
    count += 1;
    const usage: Usage = { spent: (scope, after) => counters.get(scope)?.spent(after) ?? 0n, quotes };
    const receipt = decideWithReceipt([{ name: 'draft', document }], request, usage, time);
    if (receipt.decision.outcome === 'deny') refused.push({ position, receipt });
    for (const { scope, amount } of receipt.decision.reservations) {
      const counter = counters.get(scope) ?? new Counter();
      counters.set(scope, counter);
      counter.add(time, amount);
    }
  }
  return { count, refused };
}

/** One counter of a limit, in memory. */
class Counter {
  #head: LedgerHead = emptyLedger;
  readonly #segments = new Map<string, readonly LedgerRow[]>();

  add(time: number, amount: bigint): void {
    const { head, sealed } = appendRow(this.#head, time, amount);
    this.#head = head;
    for (const { level, index, rows } of sealed) this.#segments.set(`${level}/${index}`, rows);
  }

  spent(after: number): bigint {
    return spentAfter(this.#head, after, (level, index) => this.#segments.get(`${level}/${index}`)!);
  }
}
