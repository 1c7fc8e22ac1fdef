import { equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexEncode } from '@keystead/crypto/hex';
import { MissingNodeError } from '@keystead/crypto/merkle-map';
import { type Head, zeroHash } from '@keystead/protocol/entry';
import { KmsError } from '@keystead/protocol/errors';
import type { RecordedAdvance } from '@keystead/protocol/heads-record';
import { leafCommitment } from '@keystead/protocol/log-leaf';
import { type Advance, leafTypeEntry } from '@keystead/protocol/receipt';
import { AdvanceRefused } from './advance-refused.ts';
import { type AuthorityContext, judgeAuthority, type Transfer } from './authority-rules.ts';

/** spec/receipt.md §4: the rules of an advance. Pure: the same group before the same heads has the same outcome. */

/** How far an entry's time may lie ahead of the certifier's, and behind its newest mark. */
export const entryTimeSkewMilliseconds = 10_000;
/** An entry older than this is not made history: an old stamp cannot be used by dating its entry back. */
export const entryAgeMilliseconds = 60_000;

export const zeroHead: Head = { position: 0, hash: zeroHash, authority: zeroHash, floor: 0 };

/** What is known of one organization: its head and the time of the entry there. */
export interface OrganizationState {
  readonly head: Head;
  readonly time: number;
  /** The epoch in which it was founded, or a root confirmed its chain. */
  readonly epoch: number;
}

export interface GroupContext extends Pick<AuthorityContext, 'deploymentId' | 'wasUsed' | 'mayFound'> {
  readonly now: number;
  /** The newest time mark. */
  readonly mark: number;
  /** How often the log was anchored anew; organizations of an earlier epoch are unconfirmed. */
  readonly epoch: number;
  /** When it was, milliseconds since 1970; no stamp from before counts. */
  readonly since: number;
  /** Undefined for an organization that does not exist. */
  stateOf(organization: Uint8Array): OrganizationState | undefined;
}

/**
 * The advances of a group as they are recorded, or the code by which the whole group is refused. Nothing has changed
 * anywhere when it returns.
 */
export function judgeGroup(
  group: readonly Advance[],
  context: GroupContext,
): { readonly accepted: readonly RecordedAdvance[] } | { readonly refused: string } {
  try {
    return { accepted: acceptedOf(group, context) };
  } catch (error) {
    if (error instanceof AdvanceRefused || error instanceof KmsError) return { refused: error.code };
    if (error instanceof MissingNodeError) return { refused: 'witness-incomplete' };
    if (error instanceof CryptoError) return { refused: 'evidence-malformed' };
    throw error;
  }
}

function acceptedOf(group: readonly Advance[], context: GroupContext): RecordedAdvance[] {
  if (group.length === 0) throw new AdvanceRefused('group-empty');
  const moved = new Map<string, OrganizationState>();
  const used = new Set<string>();
  let transfers: readonly Transfer[] = [];
  const accepted = group.map((advance): RecordedAdvance => {
    const name = hexEncode(advance.organization);
    const known = moved.get(name) ?? context.stateOf(advance.organization);
    const confirms = isUnconfirmed(known, advance.from.position, context.epoch);
    if (confirms) assertAdoptable(group, known);
    const state = confirms ? { head: advance.from, time: known?.time ?? 0, epoch: context.epoch } : known;
    assertRun(advance, state, context);
    const last = advance.entries.at(-1)!;
    let identity: Uint8Array | undefined;
    if (advance.evidence === undefined) {
      if (advance.from.position === 0) throw new AdvanceRefused('genesis-missing');
      if (!equalBytes(advance.to.authority, advance.from.authority))
        throw new AdvanceRefused('evidence-missing');
    } else {
      const verdict = judgeAuthority(advance, {
        deploymentId: context.deploymentId,
        previous: advance.entries.at(-2)?.hash ?? advance.from.hash,
        transfers,
        wasUsed: (asked) => used.has(hexEncode(asked)) || context.wasUsed(asked),
        mayFound: context.mayFound,
        since: context.since,
        confirms,
      });
      if (verdict.narrowing && advance.to.floor !== last.position) throw new AdvanceRefused('floor');
      transfers = transfers.filter((transfer) => transfer !== verdict.completes);
      if (verdict.opens !== null) transfers = [...transfers, verdict.opens];
      if (verdict.completes === null) {
        identity = verdict.identity;
        used.add(hexEncode(identity));
      }
    }
    moved.set(name, { head: advance.to, time: last.time, epoch: context.epoch });
    return {
      organization: advance.organization,
      authorityBefore: advance.from.authority,
      to: advance.to,
      time: last.time,
      entries: advance.entries.map(({ hash, leaf }) => ({ hash, leaf })),
      identity,
    };
  });
  if (transfers.length > 0) throw new AdvanceRefused('transfer-unmatched');
  return accepted;
}

/** Whether the log has no head of this epoch for an organization that is said to have a chain. */
export function isUnconfirmed(
  known: OrganizationState | undefined,
  position: number,
  epoch: number,
): boolean {
  return epoch > 0 && (known === undefined ? position > 0 : known.epoch < epoch);
}

/**
 * After the log was anchored anew, a chain is taken as the database has it, from an end that is not before the known
 * one, by one entry: the root's confirmation, which `judgeAuthority` demands. Nothing decided earlier is signed.
 */
function assertAdoptable(
  [advance, ...others]: readonly Advance[],
  known: OrganizationState | undefined,
): void {
  const { from, entries, evidence } = advance!;
  if (others.length > 0 || entries.length !== 1 || evidence === undefined || from.floor !== from.position)
    throw new AdvanceRefused('unconfirmed');
  if (known === undefined || from.position > known.head.position) return;
  if (from.position < known.head.position || !equalBytes(from.hash, known.head.hash))
    throw new AdvanceRefused('head-moved');
}

/** One contiguous run from the head that stands, as far as it can be judged without its entries. */
function assertRun(advance: Advance, state: OrganizationState | undefined, context: GroupContext): void {
  const { from, to, entries } = advance;
  if (!isSameHead(from, state?.head ?? zeroHead)) throw new AdvanceRefused('head-moved');
  const last = entries.at(-1);
  if (last === undefined) throw new AdvanceRefused('entries');
  if (from.position === 0 && entries.length !== 1) throw new AdvanceRefused('genesis-missing');
  if (to.position !== last.position || !equalBytes(to.hash, last.hash))
    throw new AdvanceRefused('entries', 'end');
  const earliest = Math.max(context.mark - entryTimeSkewMilliseconds, context.now - entryAgeMilliseconds);
  const latest = context.now + entryTimeSkewMilliseconds;
  let { position } = from;
  let time = state?.time ?? 0;
  for (const entry of entries) {
    position += 1;
    if (entry.position !== position) throw new AdvanceRefused('entries', 'position');
    if (entry.time < time || entry.time < earliest || entry.time > latest)
      throw new AdvanceRefused('entry-time');
    time = entry.time;
    const isCommitted =
      entry.leaf[0] === leafTypeEntry &&
      equalBytes(entry.leaf.subarray(33), leafCommitment(entry.opening, entry.hash));
    if (!isCommitted) throw new AdvanceRefused('leaf');
  }
  if (to.floor < from.floor || to.floor > to.position) throw new AdvanceRefused('floor');
}

function isSameHead(a: Head, b: Head): boolean {
  return (
    a.position === b.position &&
    a.floor === b.floor &&
    equalBytes(a.hash, b.hash) &&
    equalBytes(a.authority, b.authority)
  );
}
