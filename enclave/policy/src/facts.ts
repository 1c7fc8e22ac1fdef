/** spec/effects.md §3.1: what sources of two operators say alike of things that a transaction refers to and does not hold. */
import type { KnownTokenAccount, ParseContext } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import type { FactCell } from './cells.ts';
import type { Draft } from './draft.ts';
import { withAllNodes } from './rows.ts';
import { operatorsNeeded } from './sources.ts';

export type FactKind = 'lookup-table-entry' | 'token-account' | 'object-type';

/** A token account can be closed and made anew by somebody else: what was said of it is true for a while. */
const tokenAccountMilliseconds = 3_600_000;
/** Subjects of one transaction that are looked for; more than a transaction of any chain here can refer to. */
const maximumSubjects = 256;

export const factName = (kind: FactKind, subject: string): string => `${kind}:${subject}`;

/** What stands of a fact at a time, or undefined: one operator alone, or operators that disagree, are not believed. */
export function standing(kind: FactKind, cell: FactCell | undefined, time: number): string | undefined {
  if (cell === undefined) return undefined;
  const fresh =
    kind === 'token-account'
      ? cell.statements.filter(({ time: stated }) => stated > time - tokenAccountMilliseconds)
      : cell.statements;
  const [first, ...others] = fresh;
  if (first === undefined || fresh.length < operatorsNeeded) return undefined;
  return others.every(({ value }) => value === first.value) ? first.value : undefined;
}

/** Gathers the facts that effects lack, reading after reading: an address from a table may be an account with a mint. */
export class Facts {
  readonly #home: Draft;
  readonly #time: number;
  readonly #asked = new Set<string>();
  readonly #tables = new Map<string, string[]>();
  readonly #tokenAccounts = new Map<string, KnownTokenAccount>();
  readonly #objectTypes = new Map<string, string>();

  /** `home`: the organization that owns the wallet. */
  constructor(home: Draft, time: number) {
    this.#home = home;
    this.#time = time;
  }

  get context(): ParseContext {
    return {
      lookupTables: this.#tables,
      tokenAccounts: this.#tokenAccounts,
      objectTypes: this.#objectTypes,
    };
  }

  /** Looks for what these effects leave open; true when something was found that was not known before. Throws NeedRows. */
  learn(effects: Effects): boolean {
    if (this.#home.cell('organization')?.facts === undefined) return false;
    const wanted = wantedBy(effects).filter(({ kind, subject }) => !this.#asked.has(factName(kind, subject)));
    if (this.#asked.size + wanted.length > maximumSubjects) return false;
    withAllNodes(
      wanted.map(
        ({ kind, subject }) =>
          () =>
            this.#home.cell('fact', factName(kind, subject)),
      ),
    );
    let learned = false;
    for (const { kind, subject } of wanted) {
      const name = factName(kind, subject);
      this.#asked.add(name);
      const value = standing(kind, this.#home.cell('fact', name), this.#time);
      if (value === undefined) continue;
      this.#note(kind, subject, value);
      learned = true;
    }
    return learned;
  }

  #note(kind: FactKind, subject: string, value: string): void {
    switch (kind) {
      case 'lookup-table-entry': {
        const [table = '', index] = subject.split('#');
        const entries = this.#tables.get(table) ?? Array.from({ length: 256 }, () => '');
        entries[Number(index)] = value;
        this.#tables.set(table, entries);
        break;
      }
      case 'token-account': {
        const [mint = '', owner = ''] = value.split(' ');
        this.#tokenAccounts.set(subject, { mint, owner });
        break;
      }
      case 'object-type':
        this.#objectTypes.set(subject, value);
    }
  }
}

interface Wanted {
  readonly kind: FactKind;
  readonly subject: string;
}

function wantedBy({ chain, unresolved, calls }: Effects): Wanted[] {
  const wanted = new Map<string, Wanted>();
  const want = (kind: FactKind, subject: string | undefined): void => {
    if (subject !== undefined && subject !== '') wanted.set(factName(kind, subject), { kind, subject });
  };
  for (const { kind, subject } of unresolved) {
    if (kind === 'lookup-table') want('lookup-table-entry', subject);
    if (kind === 'object-type') want('object-type', subject);
  }
  if (chain !== 'solana') return [...wanted.values()];
  for (const { name, arguments: named } of calls) {
    if (name?.startsWith('token.') !== true) continue;
    for (const account of [named.source, named.destination])
      if (account?.includes('#') === false) want('token-account', account);
  }
  return [...wanted.values()];
}
