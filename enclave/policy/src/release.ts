import type { Credit } from '@keystead/policy/exclusive';
import type { Draft } from './draft.ts';
import { memberOf, settleMember } from './places.ts';
import { credit } from './usage.ts';

/** What an entry reserved, and what of it still counts now that it is known what became of the transaction. */
export interface SettledReservation {
  readonly position: number;
  /** Of the entry, and so of its rows, milliseconds. */
  readonly time: number;
  readonly places: readonly string[];
  readonly reservations: readonly {
    /** Its name. */
    readonly counter: string;
    readonly reserved: bigint;
    readonly keeps: bigint;
  }[];
}

/** Gives back what counts no more. The caller sees to it that this happens once for an entry. Throws NeedRows. */
export function release(draft: Draft, { position, time, places, reservations }: SettledReservation): void {
  if (reservations.length === 0) return;
  const member = memberOf(draft, places, position);
  const credits: ReadonlyMap<string, readonly Credit[]> =
    member === undefined
      ? new Map(reservations.map(({ counter, reserved, keeps }) => [counter, [[time, reserved - keeps]]]))
      : settleMember(draft, member, position, reservations);
  for (const [counter, given] of credits) {
    const some = given.filter(([, amount]) => amount > 0n);
    if (some.length > 0) credit(draft, counter, some);
  }
}
