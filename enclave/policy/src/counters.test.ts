import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { MerkleMap } from '@keystead/crypto/merkle-map';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type LedgerRow, spentAfter } from '@keystead/policy/usage-ledger';
import { checkpointInterval, Entry, entryHash, zeroHash } from '@keystead/protocol/entry';
import { counterName, encodePage, SegmentCell, UsageCell } from '@keystead/protocol/state-cells';
import { emptyEntry, noRequests } from '../testing/entries.ts';
import { cellKey, encodeCell, encodeRequestsCell } from './cells.ts';
import { emptyHead, type KnownEntry, Organization, organizationKeys, sealEntry } from './organization.ts';
import { NodeCache } from './rows.ts';

const id = new Uint8Array(16).fill(1);
const keys = organizationKeys(SecretBytes.take(new Uint8Array(32).fill(5)), id);
const start = emptyEntry().time;
const names = ['a', 'b', 'c'].map(counterName);
/** Rows per segment (spec/policy.md §6.4). */
const full = 128;

/** A chain whose entries add rows: many to the first counter, one to the second, and now and then one to the third. */
function chain(length: number, nodes: NodeCache) {
  const organization = new Organization(id, keys, nodes, noRequests(), zeroHash, emptyHead);
  const rows = new Map<string, LedgerRow[]>(names.map((name) => [name, []]));
  const entries: KnownEntry[] = [];
  const roots: { readonly position: number; readonly rows: ReadonlyMap<string, readonly LedgerRow[]> }[] = [];
  for (let position = 1; position <= length; position += 1) {
    const time = start + 1000 * Math.floor(position / 3);
    const counts = [position % 5 === 0 ? 62 : 60, 1, position % 70 === 0 ? 1 : 0];
    const reservations = names.flatMap((name, index) =>
      Array.from({ length: counts[index]! }, (_, row) => {
        const amount = BigInt(position) * 10n ** BigInt(row % 25);
        const known = rows.get(name)!;
        known.push([time, (known.at(-1)?.[1] ?? 0n) + amount]);
        return { counter: hexDecode(name), scope: 's', asset: 'a', amount: amount.toString() };
      }),
    );
    const entry = emptyEntry({ organization: id, position, time, reservations });
    let final = entry;
    if (position % checkpointInterval === 0) {
      const checkpoint = organization.checkpoint(entry);
      for (const node of checkpoint.nodes) nodes.put(node.hash, node.bytes);
      final = { ...entry, stateRoot: checkpoint.root };
      roots.push({ position, rows: new Map([...rows].map(([name, all]) => [name, [...all]])) });
    }
    const encoded = Entry.encode(final);
    const known = { entry: final, hash: entryHash(encoded), sealed: sealEntry(keys, encoded) };
    organization.append(known, 0);
    entries.push(known);
  }
  return { organization, rows, entries, roots };
}

/** Cells of a counter with these rows, as spec/policy.md §6.4 and spec/state.md §3.1 say. */
function cellsOf(name: string, rows: readonly LedgerRow[]): [string, Uint8Array][] {
  const cells: [string, Uint8Array][] = [];
  const open: LedgerRow[][] = [];
  const sealed: number[] = [];
  for (let level = 0, of = rows; of.length > 0; level += 1) {
    const segments = Math.floor(of.length / full);
    for (let index = 0; index < segments; index += 1)
      cells.push([
        `usage-segment/${name}/${level}/${index}`,
        SegmentCell.encode(of.slice(full * index, full * (index + 1))),
      ]);
    open.push(of.slice(full * segments));
    sealed.push(segments);
    of = of.filter((_, index) => index % full === full - 1);
  }
  if (open.length > 0) cells.push([`usage/${name}`, UsageCell.encode({ open, sealed })]);
  return cells;
}

describe('counters of an organization', () => {
  const nodes = new NodeCache(100_000_000, 0);
  const { organization, rows, entries, roots } = chain(330, nodes);

  const sumsOf = (of: Organization, moments: readonly number[]): bigint[] =>
    names.flatMap((name) =>
      moments.map((after) =>
        spentAfter(
          of.counter(name).head,
          after,
          (level, index) => of.segment(name, of.counter(name), level, index)!,
        ),
      ),
    );
  const moments = Array.from({ length: 120 }, (_, index) => start - 1000 + 1000 * index);
  const expected = names.flatMap((name) =>
    moments.map((after) => {
      const all = rows.get(name)!;
      const before = all.filter(([time]) => time <= after).at(-1)?.[1] ?? 0n;
      return (all.at(-1)?.[1] ?? 0n) - before;
    }),
  );

  it('are what the reservations of its entries add up to, in memory and loaded from every checkpoint', () => {
    assert.ok(rows.get(names[0]!)!.length > full * full, 'three levels');
    assert.deepEqual(sumsOf(organization, moments), expected);
    for (const { position } of roots) {
      const { entry } = entries[position - 1]!;
      const cold = new Organization(id, keys, nodes, noRequests(), entry.stateRoot!, emptyHead);
      for (const known of entries.slice(position - 1)) cold.append(known, 0);
      assert.deepEqual(sumsOf(cold, moments), expected);
    }
  });

  it('stand in the map at each checkpoint as their rows say, and nothing else does', () => {
    for (const { position, rows: known } of roots) {
      const map = new MerkleMap(zeroHash, nodes);
      for (const [name, all] of known)
        for (const [cell, bytes] of cellsOf(name, all)) map.set(cellKey(cell), bytes);
      const times = entries.map(({ entry }) => entry.time);
      for (let to = checkpointInterval; to <= position; to += checkpointInterval) {
        const identities = Array.from({ length: checkpointInterval }, () => zeroHash);
        const oldest = times[to - checkpointInterval]!;
        map.set(cellKey(`requests/${to / checkpointInterval}`), encodeRequestsCell(oldest, identities));
      }
      assert.equal(hexEncode(map.root()), hexEncode(entries[position - 1]!.entry.stateRoot!));
    }
  });

  it('do not depend on what is kept in memory', () => {
    for (const name of names) for (const [kept] of [['0'], ['1']]) organization.counter(name + kept);
    for (let other = 0; other < 3000; other += 1) organization.counter(other.toString(16).padStart(32, '0'));
    assert.deepEqual(sumsOf(organization, moments), expected);
  });
});

describe('cells that lie together in a page', () => {
  const cell = (slot: number, size: number) => ({
    key: `place/ab/${slot}`,
    value: encodeCell('place', { stands: 'elsewhere', at: String(size).padStart(40, '0') }),
  });
  const long = {
    key: 'place/ab/9',
    value: encodeCell('place', {
      stands: 'here',
      places: Array.from({ length: 16 }, () => 'x'.repeat(40)),
      members: Array.from({ length: 16 }, (_, position) => ({
        position,
        amounts: [{ counter: names[0]!, amount: 1n }],
      })),
      rows: [],
    }),
  };

  it('are read one by one before and after the checkpoint that puts them there', () => {
    assert.ok(long.value.length > 1024);
    const nodes = new NodeCache(10_000_000, 0);
    const organization = new Organization(id, keys, nodes, noRequests(), zeroHash, emptyHead);
    const append = (cells: Entry['cells']) => {
      const position = organization.tail.position + 1;
      const entry = emptyEntry({ organization: id, position, cells });
      const checkpoint = position % checkpointInterval === 0 ? organization.checkpoint(entry) : undefined;
      for (const node of checkpoint?.nodes ?? []) nodes.put(node.hash, node.bytes);
      const final = { ...entry, stateRoot: checkpoint?.root };
      const encoded = Entry.encode(final);
      organization.append({ entry: final, hash: entryHash(encoded), sealed: sealEntry(keys, encoded) }, 0);
      return final;
    };
    const read = (of = organization) =>
      [1, 2, 9, 10].map((slot) => of.cellBytes(`place/ab/${slot}`)?.length ?? 0);
    assert.deepEqual(read(), [0, 0, 0, 0]);
    append([cell(1, 1), long]);
    assert.deepEqual(read(), [cell(1, 1).value.length, 0, long.value.length, 0]);
    while (organization.tail.position < 63) append([]);
    const first = append([cell(2, 2)]);
    assert.deepEqual(read(), [45, 45, long.value.length, 0]);
    append([{ ...cell(9, 3) }]);
    assert.deepEqual(read(), [45, 45, 45, 0]);
    while (organization.tail.position < 127) append([]);
    const second = append([cell(10, 4)]);
    assert.deepEqual(read(), [45, 45, 45, 45]);
    for (const [{ stateRoot }, expected] of [
      [first, [45, 45, long.value.length, 0]],
      [second, [45, 45, 45, 45]],
    ] as const)
      assert.deepEqual(
        read(new Organization(id, keys, nodes, noRequests(), stateRoot!, emptyHead)),
        expected,
      );
    const map = new MerkleMap(second.stateRoot!, nodes);
    const page = [cell(1, 1), cell(2, 2), cell(9, 3), cell(10, 4)];
    assert.deepEqual(
      map.get(cellKey('place/ab')),
      encodePage(new Map(page.map(({ key, value }) => [Number(key.split('/')[2]), value]))),
    );
    assert.equal(map.get(cellKey('place/ab/9')), undefined, 'what is short again has no cell of its own');
  });

  it('follow from the entries that begin groups, until another entry writes them', () => {
    const nodes = new NodeCache(10_000_000, 0);
    const organization = new Organization(id, keys, nodes, noRequests(), zeroHash, emptyHead);
    const append = (changes: Partial<Entry>) => {
      const position = organization.tail.position + 1;
      const entry = emptyEntry({ organization: id, position, time: start + position, ...changes });
      const checkpoint = position % checkpointInterval === 0 ? organization.checkpoint(entry) : undefined;
      for (const node of checkpoint?.nodes ?? []) nodes.put(node.hash, node.bytes);
      const final = { ...entry, stateRoot: checkpoint?.root };
      const encoded = Entry.encode(final);
      organization.append({ entry: final, hash: entryHash(encoded), sealed: sealEntry(keys, encoded) }, 0);
      return final;
    };
    const counter = names[0]!;
    const reserving = (amount: bigint) => ({
      reservations: [
        { counter: hexDecode(names[1]!), scope: 'count', asset: 'count', amount: '1' },
        { counter: hexDecode(counter), scope: 's', asset: 'usd', amount: amount.toString() },
      ],
    });
    const page = 'ab'.repeat(16);
    const alone = (position: number, amount: bigint, places: string[]) => ({
      stands: 'alone' as const,
      position,
      time: start + position,
      places,
      amounts: [{ counter, amount }],
    });
    const begun = [`${page}/1`, `${page}/2`];
    append({ ...reserving(5n), places: begun });
    assert.deepEqual(organization.cell('place', begun[0]), alone(1, 5n, begun));
    assert.deepEqual(organization.cell('place', begun[1]), { stands: 'elsewhere', at: begun[0] });
    assert.equal(organization.cell('place', `${page}/3`), undefined);
    append({ ...reserving(6n), places: [`${page}/3`] });
    append({ cells: [cell(2, 2)].map(({ value }) => ({ key: `place/${page}/3`, value })) });
    const written = { stands: 'elsewhere', at: '2'.padStart(40, '0') };
    assert.deepEqual(organization.cell('place', `${page}/3`), written);
    while (organization.tail.position < 63) append({});
    const { stateRoot } = append({ ...reserving(7n), places: [`${page}/4`] });
    append({ ...reserving(8n), places: [`${page}/3`] });
    const cold = new Organization(id, keys, nodes, noRequests(), stateRoot!, emptyHead);
    for (const [of, third] of [
      [organization, alone(65, 8n, [`${page}/3`])],
      [cold, written],
    ] as const)
      assert.deepEqual(
        [1, 2, 3, 4].map((slot) => of.cell('place', `${page}/${slot}`)),
        [alone(1, 5n, begun), { stands: 'elsewhere', at: begun[0] }, third, alone(64, 7n, [`${page}/4`])],
      );
    const slots = ([1, 2, 3, 4] as const).map(
      (slot) => [slot, encodeCell('place', cold.cell('place', `${page}/${slot}`)!)] as const,
    );
    const map = new MerkleMap(stateRoot!, nodes);
    assert.deepEqual(map.get(cellKey(`place/${page}`)), encodePage(new Map(slots)));
  });

  it('are those of the checkpoint that was appended, whatever other one was worked out', () => {
    const nodes = new NodeCache(10_000_000, 0);
    const organization = new Organization(id, keys, nodes, noRequests(), zeroHash, emptyHead);
    const append = (entry: Entry) => {
      const encoded = Entry.encode(entry);
      organization.append({ entry, hash: entryHash(encoded), sealed: sealEntry(keys, encoded) }, 0);
    };
    for (let position = 1; position < 64; position += 1)
      append(emptyEntry({ organization: id, position, cells: position === 1 ? [cell(1, 1)] : [] }));
    const own = emptyEntry({ organization: id, position: 64, cells: [cell(2, 2)] });
    const { root, nodes: made } = organization.checkpoint(own);
    for (const node of made) nodes.put(node.hash, node.bytes);
    organization.checkpoint(emptyEntry({ organization: id, position: 64, cells: [cell(2, 3)] }));
    append({ ...own, stateRoot: root });
    assert.deepEqual(organization.cellBytes('place/ab/1'), cell(1, 1).value);
    assert.deepEqual(organization.cellBytes('place/ab/2'), cell(2, 2).value);
  });
});
