import { type Credit, type OpenRow, takenAfter, withMember, withNeed } from '@keystead/policy/exclusive';
import { type GroupCell, groupOfOne, type PlaceCell, placeName } from '@keystead/protocol/state-cells';
import type { Draft } from './draft.ts';

/** Groups of transactions that exclude each other, as cells of the state (spec/policy.md §6.5, spec/state.md §3.1). */

const maximumMembers = 16;

/** What stands at the places of a transaction; it is looked for once in each organization. */
export class Places {
  /** Names of their cells. */
  readonly names: readonly string[];
  readonly #standing = new Map<Draft, Standing>();

  constructor(places: readonly string[]) {
    this.names = places.map(placeName);
  }

  /** As it is before the decision reserves. Throws NeedRows. */
  in(draft: Draft): Standing {
    const known = this.#standing.get(draft);
    if (known !== undefined) return known;
    const standing = standingAt(draft, this.names);
    this.#standing.set(draft, standing);
    return standing;
  }
}

interface Standing {
  /** The group that the transaction would join. */
  readonly joined: FoundGroup | undefined;
  /** Of places where nothing stands, as far as none is joined: where it begins a group. At another one that group is not found: both count. */
  readonly free: readonly string[];
}

function standingAt(draft: Draft, names: readonly string[]): Standing {
  const free: string[] = [];
  for (const name of names) {
    const cell = draft.cell('place', name);
    if (cell === undefined) {
      free.push(name);
      continue;
    }
    const found = groupOf(draft, name, cell);
    if (found === undefined || found.group.members.length >= maximumMembers) continue;
    if (found.group.places.includes(name)) return { joined: found, free: [] };
  }
  return { joined: undefined, free };
}

interface FoundGroup {
  readonly name: string;
  readonly group: GroupCell;
}

/** The group that stands at a place, or of which the place was one when it began. */
function groupOf(draft: Draft, name: string, cell: PlaceCell | undefined): FoundGroup | undefined {
  if (cell === undefined) return undefined;
  if (cell.stands === 'elsewhere') {
    const home = draft.cell('place', cell.at);
    return home === undefined || home.stands === 'elsewhere' ? undefined : groupOf(draft, cell.at, home);
  }
  return { name, group: cell.stands === 'alone' ? groupOfOne(cell) : cell };
}

/** The group whose member an entry's transaction is. Throws NeedRows. */
export function memberOf(draft: Draft, places: readonly string[], position: number): FoundGroup | undefined {
  for (const name of places.map(placeName)) {
    const found = groupOf(draft, name, draft.cell('place', name));
    if (found?.group.members.some((member) => member.position === position)) return found;
  }
  return undefined;
}

/** Lowers what a member needs; gives what that takes off the rows of the group, by counter. */
export function settleMember(
  draft: Draft,
  { name, group }: FoundGroup,
  position: number,
  settled: readonly { readonly counter: string; readonly keeps: bigint }[],
): ReadonlyMap<string, readonly Credit[]> {
  const keeps = new Map(settled.map(({ counter, keeps }) => [counter, keeps]));
  const members = group.members.map((member) =>
    member.position === position
      ? {
          ...member,
          amounts: member.amounts.map(({ counter, amount }) => ({
            counter,
            amount: keeps.get(counter) ?? amount,
          })),
        }
      : member,
  );
  const credits = new Map<string, readonly Credit[]>();
  const rows = group.rows.map(({ counter, open }): GroupCell['rows'][number] => {
    if (!keeps.has(counter)) return { counter, open };
    const needed = members
      .flatMap(({ amounts }) => amounts.filter((of) => of.counter === counter).map(({ amount }) => amount))
      .reduce((most, amount) => (amount > most ? amount : most), 0n);
    const left = withNeed(open.map(pairOf), needed);
    credits.set(counter, left.credits);
    return { counter, open: left.rows.map(rowOfPair) };
  });
  draft.write('place', name, { stands: 'here', places: group.places, members, rows });
  return credits;
}

type Row = GroupCell['rows'][number]['open'][number];
const pairOf = ({ time, amount }: Row): OpenRow => [time, amount];
const rowOfPair = ([time, amount]: OpenRow): Row => ({ time, amount });

/** What a group takes up of a counter after a time. */
export function takenByGroup(group: GroupCell, counter: string, after: number): bigint {
  const found = group.rows.find((rows) => rows.counter === counter);
  return found === undefined ? 0n : takenAfter(found.open.map(pairOf), after);
}

/**
 * Makes a transaction the member of the group that it joins; gives what that takes off the rows of the others, by counter.
 * Throws NeedRows.
 */
export function joinGroup(
  draft: Draft,
  { name, group }: FoundGroup,
  places: readonly string[],
  time: number,
  amounts: readonly { readonly counter: string; readonly amount: bigint }[],
): ReadonlyMap<string, readonly Credit[]> {
  const rows = new Map(group.rows.map(({ counter, open }) => [counter, open]));
  const credits = new Map<string, readonly Credit[]>();
  for (const { counter, amount } of amounts) {
    const member = withMember((rows.get(counter) ?? []).map(pairOf), time, amount);
    rows.set(counter, member.rows.map(rowOfPair));
    credits.set(counter, member.credits);
  }
  draft.write('place', name, {
    stands: 'here',
    places: group.places.filter((place) => places.includes(place)),
    members: [...group.members, { position: draft.organization.tail.position + 1, amounts: [...amounts] }],
    rows: [...rows].map(([counter, open]) => ({ counter, open })),
  });
  return credits;
}
