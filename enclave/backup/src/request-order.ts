import { settled } from './backup-state.ts';
import type { Backups } from './backup-state.ts';
import type { EntryPlace, KeptBackups } from './backup-rows.ts';
import { BackupRefusal } from './refusal.ts';

/** Negative when the entry comes before the other in the chain of their organization; 0 for the same one. */
const order = (entry: EntryPlace, other: EntryPlace): number =>
  entry.time - other.time || entry.position - other.position;

export interface Ordered<T> {
  /** As the request found them. */
  readonly before: Backups;
  /** The same object when nothing has to be written. */
  readonly kept: KeptBackups;
  readonly answer: T;
}

/**
 * Lets a request act in the place that its entry has in the chain of the organization (spec/backup.md §3): what comes late changes
 * nothing any more, so that it cannot undo what was done meanwhile. `isRepeated`: it is the very request that changed anything last.
 * `act` says by the same list that nothing changes. Throws BackupRefusal `request-overtaken`.
 */
export function inOrder<T>(
  kept: KeptBackups,
  { time, position }: EntryPlace,
  act: (backups: Backups, isRepeated: boolean) => readonly [Backups, T],
): Ordered<T> {
  const before = settled(kept.backups, time);
  const place = order({ time, position }, kept.changed);
  const [backups, answer] = act(before, place === 0);
  const isChange = backups !== before;
  if (isChange && place <= 0) throw new BackupRefusal('request-overtaken');
  const changed = isChange ? { time, position } : kept.changed;
  return { before, kept: backups === kept.backups ? kept : { changed, backups }, answer };
}
