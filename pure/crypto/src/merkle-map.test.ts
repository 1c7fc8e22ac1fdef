import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors } from '../testing/vectors.ts';
import { compareBytes, concatBytes, utf8Encode } from './bytes.ts';
import { hexDecode, hexEncode } from './hex.ts';
import {
  emptyMapRoot,
  MerkleMap,
  MissingNodeError,
  mapNodeHash,
  type NodeSource,
  type StoredNode,
} from './merkle-map.ts';
import { sha256 } from './sha256.ts';

class Nodes implements NodeSource {
  readonly bytes = new Map<string, Uint8Array>();

  node(hash: Uint8Array): Uint8Array | undefined {
    return this.bytes.get(hexEncode(hash));
  }

  add(nodes: readonly StoredNode[]): this {
    for (const { hash, bytes } of nodes) this.bytes.set(hexEncode(hash), bytes);
    return this;
  }
}

const NOTHING: NodeSource = { node: () => undefined };

type Entries = readonly (readonly [Uint8Array, Uint8Array])[];

function mapOf(entries: Entries): MerkleMap {
  const map = new MerkleMap(emptyMapRoot(), NOTHING);
  for (const [key, value] of entries) map.set(key, value);
  return map;
}

// The definition of spec/merkle-map.md §1-2, written down once more without any incremental step.
function rootByDefinition(entries: Entries): Uint8Array {
  if (entries.length === 0) return new Uint8Array(32);
  const hash = (bytes: Uint8Array): Uint8Array => sha256(concatBytes(utf8Encode('keystead/map/v1\n'), bytes));
  if (entries.length === 1) return hash(concatBytes(Uint8Array.of(0), entries[0]![0], entries[0]![1]));
  const bits = entries.map(([key]) => [...key].map((byte) => byte.toString(2).padStart(8, '0')).join(''));
  let bit = 0;
  while (bits.every((text) => text[bit] === bits[0]![bit])) bit++;
  const shared = bits[0]!.slice(0, bit).padEnd(Math.ceil(bit / 8) * 8, '0');
  const prefix = Uint8Array.from(shared.match(/.{8}/g) ?? [], (text) => Number.parseInt(text, 2));
  const side = (digit: string): Uint8Array =>
    rootByDefinition(entries.filter((_, i) => bits[i]![bit] === digit));
  return hash(concatBytes(Uint8Array.of(1, bit), prefix, side('0'), side('1')));
}

// Keys from a small set collide, share long prefixes, and differ in first and last bits.
const anyKey = fc
  .tuple(
    fc.constantFrom(0, 1, 0x80, 0xff),
    fc.constantFrom(0, 31, 15),
    fc.constantFrom(0, 1, 2, 0x40, 0x80, 0xfe),
  )
  .map(([fill, position, value]) => {
    const key = new Uint8Array(32).fill(fill);
    key[position] = value;
    return key;
  });

const anyValue = fc.uint8Array({ maxLength: 3 });

type Change = { op: 'set'; key: Uint8Array; value: Uint8Array } | { op: 'delete' | 'get'; key: Uint8Array };

const anyChanges: fc.Arbitrary<Change[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ op: fc.constant('set' as const), key: anyKey, value: anyValue }) },
    {
      weight: 1,
      arbitrary: fc.record({ op: fc.constantFrom('delete' as const, 'get' as const), key: anyKey }),
    },
  ),
  { maxLength: 40 },
);

function apply(map: MerkleMap, changes: readonly Change[]): string[] {
  return changes.map((change) => {
    if (change.op === 'set') map.set(change.key, change.value);
    if (change.op === 'delete') return `deleted ${map.delete(change.key)}`;
    const value = map.get(change.key);
    return value === undefined ? 'absent' : hexEncode(value);
  });
}

function applyToModel(model: Map<string, Uint8Array>, changes: readonly Change[]): string[] {
  return changes.map((change) => {
    const key = hexEncode(change.key);
    if (change.op === 'set') model.set(key, change.value);
    if (change.op === 'delete') return `deleted ${model.delete(key)}`;
    const value = model.get(key);
    return value === undefined ? 'absent' : hexEncode(value);
  });
}

function entriesOf(model: Map<string, Uint8Array>): [Uint8Array, Uint8Array][] {
  return [...model].map(([key, value]) => [hexDecode(key), value]);
}

interface Fixed {
  cases: {
    name: string;
    entries: [string, string][];
    root: string;
    nodes: [hash: string, bytes: string][];
  }[];
}

const fixed = vectors<Fixed>('keystead-merkle-map.json');

for (const { backend, module } of await eachBackend<typeof import('./merkle-map.ts')>('merkle-map')) {
  test(`makes the roots and nodes of the ${fixed.cases.length} fixed cases (${backend})`, () => {
    for (const { name, entries, root, nodes } of fixed.cases) {
      const map = new module.MerkleMap(module.emptyMapRoot(), NOTHING);
      for (const [key, value] of entries) map.set(hexDecode(key), hexDecode(value));
      assert.equal(hexEncode(map.root()), root, name);
      const made = map.newNodes().map(({ hash, bytes }) => [hexEncode(hash), hexEncode(bytes)]);
      assert.deepEqual(made, nodes, name);
      assert.equal(hexEncode(rootByDefinition(entries.map(([k, v]) => [hexDecode(k), hexDecode(v)]))), root);
    }
    assert.equal(fixed.cases.length, 6);
  });
}

test('agrees with a plain map and with the definition of the root after any changes', () => {
  fc.assert(
    fc.property(anyChanges, (changes) => {
      const map = new MerkleMap(emptyMapRoot(), NOTHING);
      const model = new Map<string, Uint8Array>();
      assert.deepEqual(apply(map, changes), applyToModel(model, changes));
      assert.deepEqual(map.root(), rootByDefinition(entriesOf(model)));
    }),
  );
});

test('the root does not depend on the order of changes or on what was removed', () => {
  fc.assert(
    fc.property(anyChanges, fc.infiniteStream(fc.nat()), (changes, random) => {
      const model = new Map<string, Uint8Array>();
      applyToModel(model, changes);
      const shuffled = entriesOf(model)
        .map((entry) => ({ entry, rank: random.next().value as number }))
        .sort((a, b) => a.rank - b.rank);
      const map = new MerkleMap(emptyMapRoot(), NOTHING);
      apply(map, changes);
      // Roots taken on the way change nothing either.
      const other = new MerkleMap(emptyMapRoot(), NOTHING);
      for (const { entry } of shuffled) {
        other.set(entry[0], entry[1]);
        other.root();
      }
      assert.deepEqual(other.root(), map.root());
    }),
  );
});

test('continues from stored nodes, and the witness alone replays the same calls to the same root', () => {
  let witnessed = 0;
  fc.assert(
    fc.property(anyChanges, anyChanges, (before, after) => {
      const first = mapOf([]);
      apply(first, before);
      const store = new Nodes().add(first.newNodes());
      const root = first.root();

      const second = new MerkleMap(root, store);
      const answers = apply(second, after);
      const witness = second.witness();
      witnessed += witness.length;
      for (const { hash, bytes } of witness) assert.deepEqual(mapNodeHash(bytes), hash);

      const replay = new MerkleMap(root, new Nodes().add(witness));
      assert.deepEqual(apply(replay, after), answers);
      assert.deepEqual(replay.root(), second.root());

      // The same in memory: a settled map has the same witness as one that reads from storage.
      first.settle();
      assert.deepEqual(first.newNodes(), []);
      assert.deepEqual(apply(first, after), answers);
      const hashes = (nodes: StoredNode[]): string[] => nodes.map(({ hash }) => hexEncode(hash)).sort();
      assert.deepEqual(hashes(first.witness()), hashes(witness));
      assert.deepEqual(hashes(first.newNodes()), hashes(second.newNodes()));

      // Old and new nodes together hold the whole new map.
      store.add(second.newNodes());
      const model = new Map<string, Uint8Array>();
      applyToModel(model, before);
      applyToModel(model, after);
      const third = new MerkleMap(second.root(), store);
      for (const [key, value] of entriesOf(model)) assert.deepEqual(third.get(key), value);
      assert.deepEqual(third.root(), rootByDefinition(entriesOf(model)));
    }),
  );
  assert.ok(witnessed > 0);
});

test('a witness without one of its nodes, or with one changed, does not replay', () => {
  fc.assert(
    fc.property(anyChanges, anyChanges, fc.nat(), fc.nat(), (before, after, which, where) => {
      const first = mapOf([]);
      apply(first, before);
      const root = first.root();
      const second = new MerkleMap(root, new Nodes().add(first.newNodes()));
      apply(second, after);
      const witness = second.witness();
      fc.pre(witness.length > 0);
      const victim = witness[which % witness.length]!;
      const nodes = new Nodes().add(witness);
      nodes.bytes.delete(hexEncode(victim.hash));
      assert.throws(
        () => apply(new MerkleMap(root, nodes), after),
        (error: unknown) => {
          assert.ok(error instanceof MissingNodeError);
          assert.deepEqual(error.hash, victim.hash);
          return true;
        },
      );
      const changed = Uint8Array.from(victim.bytes);
      changed[where % changed.length]! ^= 1 + (where % 255);
      nodes.bytes.set(hexEncode(victim.hash), changed);
      assert.throws(() => apply(new MerkleMap(root, nodes), after), { code: 'node-mismatch' });
    }),
  );
});

test('a call that misses a node changes nothing and succeeds once the node is there', () => {
  const entries = Array.from({ length: 64 }, (_, i) => [sha256(Uint8Array.of(i)), Uint8Array.of(i)] as const);
  const full = mapOf(entries);
  const stored = new Nodes().add(full.newNodes());
  const partial = new Nodes();
  const map = new MerkleMap(full.root(), partial);
  const key = entries[5]![0];
  let fetched = 0;
  for (;;) {
    try {
      map.set(key, Uint8Array.of(99));
      break;
    } catch (error) {
      assert.ok(error instanceof MissingNodeError);
      assert.deepEqual(map.root(), full.root());
      assert.deepEqual(map.newNodes(), []);
      partial.bytes.set(hexEncode(error.hash), stored.node(error.hash)!);
      fetched++;
    }
  }
  assert.ok(fetched > 3);
  assert.deepEqual(map.get(key), Uint8Array.of(99));
  map.set(key, Uint8Array.of(5));
  assert.deepEqual(map.root(), full.root());
  assert.deepEqual(map.newNodes(), []);
});

test('shows absence without the neighbour that the key would be next to', () => {
  const key = (first: number, last: number): Uint8Array => {
    const bytes = new Uint8Array(32).fill(first);
    bytes[31] = last;
    return bytes;
  };
  const map = mapOf([
    [key(0, 0), Uint8Array.of(1)],
    [key(0, 1), Uint8Array.of(2)],
    [key(0xff, 0), Uint8Array.of(3)],
  ]);
  const reader = new MerkleMap(map.root(), new Nodes().add(map.newNodes()));
  assert.equal(reader.get(key(0x10, 0)), undefined);
  // The top and the branch of the two keys on the left; no leaf is opened.
  assert.deepEqual(
    reader.witness().map(({ bytes }) => bytes[0]),
    [1, 1],
  );
});

test('refuses well-hashed bytes that are no node of a canonical trie', () => {
  const source = new Nodes();
  const put = (bytes: Uint8Array): Uint8Array => {
    const hash = mapNodeHash(bytes);
    source.add([{ hash, bytes }]);
    return hash;
  };
  const zero = new Uint8Array(32);
  const one = new Uint8Array(32).fill(0xff);
  const leafZero = put(concatBytes(Uint8Array.of(0), zero, Uint8Array.of(1)));
  const leafOne = put(concatBytes(Uint8Array.of(0), one, Uint8Array.of(2)));
  const good = put(concatBytes(Uint8Array.of(1, 0), leafZero, leafOne));
  assert.deepEqual(new MerkleMap(good, source).get(zero), Uint8Array.of(1));
  const bad = {
    'sides exchanged': put(concatBytes(Uint8Array.of(1, 0), leafOne, leafZero)),
    'shared bits that the key does not have': put(concatBytes(Uint8Array.of(1, 8, 0x80), leafZero, leafOne)),
    'a branch that does not go deeper': put(concatBytes(Uint8Array.of(1, 0), good, leafOne)),
    'unused bits set': put(concatBytes(Uint8Array.of(1, 1, 0x01), leafZero, leafOne)),
    'a byte too many': put(concatBytes(Uint8Array.of(1, 0), leafZero, leafOne, Uint8Array.of(0))),
    'no key': put(new Uint8Array(32)),
    'another first byte': put(concatBytes(Uint8Array.of(2), zero)),
    nothing: put(new Uint8Array(0)),
  };
  for (const [name, root] of Object.entries(bad)) {
    if (name === 'shared bits that the key does not have') {
      const key = new Uint8Array(32);
      key[0] = 0x80;
      assert.throws(() => new MerkleMap(root, source).get(key), { code: 'node-malformed' }, name);
    } else assert.throws(() => new MerkleMap(root, source).get(zero), { code: 'node-malformed' }, name);
  }
});

test('keeps its own copies of keys, values, roots and nodes', () => {
  const key = sha256(Uint8Array.of(1));
  const value = Uint8Array.of(1, 2, 3);
  const map = new MerkleMap(emptyMapRoot(), NOTHING);
  map.set(key, value);
  const root = hexEncode(map.root());
  value.fill(9);
  map.get(key)!.fill(9);
  map.root().fill(9);
  map.newNodes()[0]!.hash.fill(9);
  const kept = Uint8Array.from(key);
  key.fill(9);
  assert.equal(hexEncode(map.root()), root);
  assert.deepEqual(map.get(kept), Uint8Array.of(1, 2, 3));
  assert.throws(() => map.get(kept.slice(1)), RangeError);
  assert.throws(() => map.set(kept.slice(1), value), RangeError);
  assert.throws(() => new MerkleMap(kept.slice(1), NOTHING), RangeError);
});

test('hashes each changed node once for a batch of changes', () => {
  const entries = Array.from(
    { length: 200 },
    (_, i) => [sha256(Uint8Array.of(i, 1)), Uint8Array.of(i)] as const,
  );
  const map = mapOf(entries);
  // A trie of n leaves has n - 1 branches: nothing of the states on the way remains.
  assert.equal(map.newNodes().length, 399);
  const sorted = [...entries].sort((a, b) => compareBytes(a[0], b[0]));
  assert.deepEqual(mapOf(sorted).root(), map.root());
});

test('a fork has changes, witness and new nodes of its own', () => {
  const store = new Map<string, Uint8Array>();
  const source = { node: (hash: Uint8Array) => store.get(String(hash)) };
  const key = (i: number) => mapNodeHash(Uint8Array.of(i));
  const map = new MerkleMap(emptyMapRoot(), source);
  for (let i = 0; i < 40; i++) map.set(key(i), Uint8Array.of(i));
  for (const { hash, bytes } of map.newNodes()) store.set(String(hash), bytes);
  const before = map.root();
  const kept = new MerkleMap(before, source);
  assert.deepEqual(kept.peek(key(3)), Uint8Array.of(3));
  assert.equal(kept.peek(key(99)), undefined);
  assert.deepEqual(kept.witness(), []);

  const fork = kept.fork();
  const plain = new MerkleMap(before, source);
  for (const each of [fork, plain]) {
    each.set(key(41), Uint8Array.of(41));
    each.delete(key(5));
    assert.equal(each.get(key(99)), undefined);
  }
  assert.deepEqual(fork.root(), plain.root());
  const byHash = (nodes: readonly { hash: Uint8Array }[]) => nodes.map(({ hash }) => String(hash)).sort();
  assert.deepEqual(byHash(fork.witness()), byHash(plain.witness()));
  assert.deepEqual(byHash(fork.newNodes()), byHash(plain.newNodes()));
  assert.deepEqual(kept.root(), before);
  assert.deepEqual(kept.peek(key(5)), Uint8Array.of(5));

  for (const { hash, bytes } of fork.newNodes()) store.set(String(hash), bytes);
  fork.settle();
  const second = fork.fork();
  second.set(key(42), Uint8Array.of(42));
  const again = new MerkleMap(fork.root(), source);
  again.set(key(42), Uint8Array.of(42));
  assert.deepEqual(second.root(), again.root());
  assert.deepEqual(byHash(second.newNodes()), byHash(again.newNodes()));
  assert.deepEqual(byHash(second.witness()), byHash(again.witness()));
  assert.ok(second.held >= again.held);
});

test('the nodes that a change replaces are those of the earlier map that the later one does not reach, and no others', () => {
  const keyOf = (index: number): Uint8Array => sha256(Uint8Array.of(index));
  const reached = (root: Uint8Array, nodes: Nodes): Set<string> => {
    const found = new Set<string>();
    const visit = (hash: Uint8Array): void => {
      found.add(hexEncode(hash));
      const bytes = nodes.node(hash)!;
      if (bytes[0] === 0) return;
      visit(bytes.subarray(-64, -32));
      visit(bytes.subarray(-32));
    };
    if (root.some((byte) => byte !== 0)) visit(root);
    return found;
  };
  const anyChange = fc.record({
    index: fc.nat({ max: 40 }),
    value: fc.option(fc.nat({ max: 3 }), { nil: undefined }),
  });
  const apply = (map: MerkleMap, { index, value }: { index: number; value: number | undefined }): void => {
    if (value === undefined) map.delete(keyOf(index));
    else map.set(keyOf(index), Uint8Array.of(value));
  };
  fc.assert(
    fc.property(fc.array(fc.array(anyChange, { maxLength: 12 }), { maxLength: 4 }), (batches) => {
      const nodes = new Nodes();
      let map = new MerkleMap(emptyMapRoot(), nodes);
      for (const changes of batches) {
        const before = reached(map.root(), nodes);
        const next = map.fork();
        for (const change of changes) apply(next, change);
        nodes.add(next.newNodes());
        const after = reached(next.root(), nodes);
        const gone = [...before].filter((hash) => !after.has(hash));
        assert.deepEqual(next.replaced().map(hexEncode).sort(), gone.sort());
        next.settle();
        assert.deepEqual(next.replaced(), []);
        map = next;
      }
    }),
  );
});
