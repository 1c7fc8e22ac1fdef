import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { type Credit, takenAfter, withMember, withNeed } from '@keystead/policy/exclusive';
import { domainHash } from '@keystead/protocol/domain';
import type { Draft } from './draft.ts';
import { type PlainRow, plainRow, rowOf } from './plain-row.ts';

/** Groups of transactions that exclude each other, as cells of the state (spec/policy.md §6.5, spec/state.md §3.1). */

export interface GroupCell {
  /** Names of the places that every member takes. */
  readonly places: readonly string[];
  readonly members: readonly {
    /** Of the entry that reserved. */
    readonly position: number;
    readonly amounts: readonly (readonly [scope: string, amount: string])[];
  }[];
  /** What of the members' rows is not credited, by counter. */
  readonly rows: readonly (readonly [scope: string, rows: readonly PlainRow[]])[];
}

/** A group, or where it stands. */
export type PlaceCell = GroupCell | { readonly at: string };

const maximumMembers = 16;

/** Name of a place's cell. */
const placeName = (place: string): string =>
  hexEncode(domainHash('keystead/place/v1', utf8Encode(place)).subarray(0, 16));

/** The group that a transaction at these places would join. Throws NeedRows. */
export function groupAt(draft: Draft, places: readonly string[]): FoundGroup | undefined {
  for (const place of places) {
    const found = standingAt(draft, placeName(place));
    if (found === undefined || found.group.members.length >= maximumMembers) continue;
    if (found.group.places.includes(placeName(place))) return found;
  }
  return undefined;
}

interface FoundGroup {
  readonly name: string;
  readonly group: GroupCell;
}

/** The group that stands at a place, or of which the place was one when it began. */
function standingAt(draft: Draft, name: string): FoundGroup | undefined {
  const cell = draft.cell('place', name);
  if (cell === undefined) return undefined;
  if (!('at' in cell)) return { name, group: cell };
  const group = draft.cell('place', cell.at);
  return group === undefined || 'at' in group ? undefined : { name: cell.at, group };
}

/** The group whose member an entry's transaction is. Throws NeedRows. */
export function memberOf(draft: Draft, places: readonly string[], position: number): FoundGroup | undefined {
  for (const place of places) {
    const found = standingAt(draft, placeName(place));
    if (found?.group.members.some((member) => member.position === position)) return found;
  }
  return undefined;
}

/** Lowers what a member needs; gives what that takes off the rows of the group, by counter. */
export function settleMember(
  draft: Draft,
  { name, group }: FoundGroup,
  position: number,
  settled: readonly { readonly scope: string; readonly keeps: bigint }[],
): ReadonlyMap<string, readonly Credit[]> {
  const keeps = new Map(settled.map(({ scope, keeps }) => [scope, keeps.toString()]));
  const members = group.members.map((member) =>
    member.position === position
      ? {
          ...member,
          amounts: member.amounts.map(([scope, amount]) => [scope, keeps.get(scope) ?? amount] as const),
        }
      : member,
  );
  const credits = new Map<string, readonly Credit[]>();
  const rows = group.rows.map(([scope, open]): GroupCell['rows'][number] => {
    if (!keeps.has(scope)) return [scope, open];
    const needed = members
      .flatMap(({ amounts }) => amounts.filter(([of]) => of === scope).map(([, amount]) => BigInt(amount)))
      .reduce((most, amount) => (amount > most ? amount : most), 0n);
    const left = withNeed(open.map(rowOf), needed);
    credits.set(scope, left.credits);
    return [scope, left.rows.map(plainRow)];
  });
  draft.write('place', name, { places: group.places, members, rows });
  return credits;
}

/** What a group takes up of a counter after a time. */
export function takenByGroup(group: GroupCell | undefined, scope: string, after: number): bigint {
  const found = group?.rows.find(([known]) => known === scope);
  return found === undefined ? 0n : takenAfter(found[1].map(rowOf), after);
}

/** Makes a transaction the member of a group; gives what that takes off the rows of the others, by counter. Throws NeedRows. */
export function joinGroup(
  draft: Draft,
  places: readonly string[],
  time: number,
  reserving: readonly { readonly scope: string; readonly amount: bigint }[],
): ReadonlyMap<string, readonly Credit[]> {
  const joined = groupAt(draft, places);
  const rows = new Map(joined?.group.rows);
  const credits = new Map<string, readonly Credit[]>();
  for (const { scope, amount } of reserving) {
    const member = withMember((rows.get(scope) ?? []).map(rowOf), time, amount);
    rows.set(scope, member.rows.map(plainRow));
    credits.set(scope, member.credits);
  }
  const names = places.map(placeName);
  const group = {
    members: [
      ...(joined?.group.members ?? []),
      {
        position: draft.organization.tail.position + 1,
        amounts: reserving.map(({ scope, amount }) => [scope, amount.toString()] as const),
      },
    ],
    rows: [...rows],
  };
  if (joined !== undefined) {
    const common = joined.group.places.filter((name) => names.includes(name));
    draft.write('place', joined.name, { places: common, ...group });
    return credits;
  }
  // Where another group stands already, this one is not found by that place: then both count.
  const [home, ...others] = names.filter((name) => draft.cell('place', name) === undefined);
  if (home === undefined) return credits;
  draft.write('place', home, { places: [home, ...others], ...group });
  for (const name of others) draft.write('place', name, { at: home });
  return credits;
}
