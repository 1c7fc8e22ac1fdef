import { join } from 'node:path';
import { hexEncode } from '@keystead/crypto/hex';
import type { Effects } from '@keystead/chains/effects';
import { placesOf } from '@keystead/policy/exclusive';
import { parseUuid } from '@keystead/protocol/ids';
import type { StatedOutcome } from '@keystead/protocol/methods/stateOutcomes';
import type { CommandArguments } from '../command-arguments.ts';
import { CommandError } from '../command-error.ts';
import { copyStore } from '../ledger/store-file.ts';
import { verifyChain } from '../ledger/verify-chain.ts';
import { chainOf } from '../ledger/verify-store.ts';
import type { Session } from '../session.ts';
import type { Surroundings } from '../surroundings.ts';
import type { OutcomeNodes } from './node-file.ts';
import { type UnsettledEntry, unsettledEntries } from './unsettled-entries.ts';

/** What one round came to. */
export interface Round {
  readonly unsettled: number;
  readonly stated: readonly (StatedOutcome & { readonly stands: boolean })[];
}

const maximumStated = 64;

/**
 * One round of a source: entries out of the store, which is believed only as far as the deployment signs for its end, and
 * what the nodes say became of them. What nobody knows is not stated. Throws KmsError and CommandError.
 */
export async function stateRound(
  given: CommandArguments,
  surroundings: Surroundings,
  session: Session,
  nodes: OutcomeNodes,
): Promise<Round> {
  const source = session.username(given);
  const entries = (await entriesOf(given, surroundings, session, source)).filter(({ takesUp }) => takesUp);
  const found: StatedOutcome[] = [];
  for (const entry of entries) {
    try {
      const outcome = await nodes.outcomeOf(entry);
      if (outcome === null || isStated(entry, outcome) || !mayBe(entry, outcome)) continue;
      found.push({ position: entry.position, ...outcome });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      surroundings.say(`nothing said of position ${entry.position}: ${why}`);
    }
  }
  const stated: (StatedOutcome & { readonly stands: boolean })[] = [];
  for (let from = 0; from < found.length; from += maximumStated) {
    const outcomes = found.slice(from, from + maximumStated);
    const { organizationId } = session;
    const answer = await session.client.call('stateOutcomes', { organizationId, outcomes });
    for (const [index, { stands }] of answer.outcomes.entries()) stated.push({ ...outcomes[index]!, stands });
  }
  return { unsettled: entries.length, stated };
}

/** Those of the store up to the end that the deployment signs for, oldest first. Throws KmsError and CommandError. */
export async function entriesOf(
  given: CommandArguments,
  surroundings: Surroundings,
  { client, organizationId }: Session,
  source?: string,
): Promise<UnsettledEntry[]> {
  const organization = parseUuid(organizationId);
  if (organization === undefined)
    throw new CommandError('the organization has no id', 'correct --organization');
  // Before the store: an entry is stored first and becomes history then.
  const { position, head } = await client.callVerified('getOrganization', { organizationId });
  const copy = await copyStore(given.text('store') ?? join(surroundings.home, 'store.sqlite'));
  try {
    const chain = chainOf(copy.database, organization);
    const report = verifyChain(organization, chain, { deploymentId: client.deploymentId, through: position });
    if (report.bad !== null)
      throw new CommandError(
        `the chain is not whole: position ${report.bad.position}: ${report.bad.what}`,
        'see keystead ledger verify',
      );
    if (report.hash !== hexEncode(head))
      throw new CommandError(
        'the store holds another chain than the deployment signs for',
        'name the store of this deployment with --store',
      );
    return unsettledEntries(chain.rows(), position, source);
  } finally {
    copy.close();
  }
}

function isStated({ stated }: UnsettledEntry, { outcome, by }: Omit<StatedOutcome, 'position'>): boolean {
  return stated !== null && stated.outcome === outcome && stated.by === (by ?? '');
}

/** Only what has a place is replaced (spec/policy.md §6.5). */
function mayBe({ effects }: UnsettledEntry, { outcome }: Omit<StatedOutcome, 'position'>): boolean {
  return outcome !== 'replaced' || placesOf(effects as Effects).length > 0;
}
