/**
 * Writes what follows from the code in vectors/keystead/{entry,state}.json anew: `node enclave/policy/testing/write-vectors.ts`.
 * For a change of a format, after its specification; the diff shows what changed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { hexDecode } from '@keystead/crypto/hex';
import { AuthorityLeaf } from '@keystead/protocol/authority';
import { Entry, entryHash } from '@keystead/protocol/entry';
import { fixedRun, type Plain, plain } from './fixed-run.ts';

type Vectors<T> = T & { readonly [member: string]: unknown };
interface EncodedEntry {
  readonly entry: Plain;
  readonly bytes: Plain;
  readonly hash: Plain;
}

const pathOf = (name: string): URL => new URL(`../../../vectors/keystead/${name}.json`, import.meta.url);
const read = <T>(name: string) => JSON.parse(readFileSync(pathOf(name), 'utf8')) as Vectors<T>;
const write = (name: string, vectors: unknown) =>
  writeFileSync(pathOf(name), `${JSON.stringify(vectors, null, 1)}\n`);

function fromPlain(value: Plain): unknown {
  if (value === null) return undefined;
  if (typeof value === 'string') return value.startsWith('0x') ? hexDecode(value.slice(2)) : value;
  if (Array.isArray(value)) return value.map(fromPlain);
  if (typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, fromPlain(member)]));
  return value;
}

const run = fixedRun();

const entries = read<{ made: readonly EncodedEntry[] }>('entry');
const encoded = (entry: Entry): EncodedEntry => {
  const bytes = Entry.encode(entry);
  return { entry: plain(entry), bytes: plain(bytes), hash: plain(entryHash(bytes)) };
};
write('entry', {
  ...entries,
  run: run.entries.map(({ entry }) => encoded(entry)),
  made: entries.made.map((made) => ({ ...made, ...encoded(fromPlain(made.entry) as Entry) })),
});

const state = read<{
  leaves: readonly { leaf: Plain }[];
  rows: { organizations: readonly object[] };
}>('state');
write('state', {
  ...state,
  leaves: [
    ...run.leaves.map(({ leaf, bytes }) => ({ leaf: plain(leaf), bytes: plain(bytes) })),
    ...state.leaves.slice(run.leaves.length).map(({ leaf }) => ({
      leaf,
      bytes: plain(AuthorityLeaf.encode(fromPlain(leaf) as AuthorityLeaf)),
    })),
  ],
  rows: {
    ...state.rows,
    organizations: run.organizations.map(({ organization, keys, rows }, index) => ({
      ...state.rows.organizations[index],
      organization: plain(organization),
      rowKey: plain(keys.row),
      logKey: plain(keys.log),
      rows: rows.map(plain),
    })),
  },
});
