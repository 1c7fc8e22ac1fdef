import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { utf8Encode } from './bytes.ts';
import { hexEncode } from './hex.ts';
import { emptyMapRoot, MerkleMap, MissingNodeError, mapNodeHash } from './merkle-map.ts';
import { readPath } from './merkle-path.ts';
import { sha256 } from './sha256.ts';

const keyOf = (name: string): Uint8Array => sha256(utf8Encode(name));

/** A map of these names, and its nodes by hash. */
function mapOf(names: readonly string[]) {
  const map = new MerkleMap(emptyMapRoot(), { node: () => undefined });
  for (const name of names) map.set(keyOf(name), utf8Encode(name));
  const rows = new Map(map.newNodes().map(({ hash, bytes }) => [hexEncode(hash), bytes]));
  return { map, rows, root: map.root(), nodes: (hash: Uint8Array) => rows.get(hexEncode(hash)) };
}

test('a path gives what the map gives, for keys that are there and for others, through the same nodes', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { maxLength: 60 }), fc.string(), (names, other) => {
      const { map, root, nodes } = mapOf(names);
      map.settle();
      for (const name of [...names, other]) {
        const read: string[] = [];
        const value = readPath(root, keyOf(name), nodes, (hash) => read.push(hexEncode(hash)));
        assert.deepEqual(value === undefined ? undefined : new Uint8Array(value), map.get(keyOf(name)));
        assert.deepEqual(
          read,
          map.witness().map(({ hash }) => hexEncode(hash)),
        );
        map.settle();
      }
    }),
  );
});

test('the empty map holds nothing', () => {
  assert.equal(
    readPath(emptyMapRoot(), keyOf('a'), () => undefined),
    undefined,
  );
});

test('a node that is not at hand is named', () => {
  const { root, rows, nodes } = mapOf(['a', 'b', 'c', 'd']);
  const path: Uint8Array[] = [];
  readPath(root, keyOf('a'), nodes, (hash) => path.push(hash));
  for (const hash of path) {
    const row = rows.get(hexEncode(hash))!;
    rows.delete(hexEncode(hash));
    assert.throws(
      () => readPath(root, keyOf('a'), nodes),
      (error: unknown) => error instanceof MissingNodeError && hexEncode(error.hash) === hexEncode(hash),
    );
    rows.set(hexEncode(hash), row);
  }
});

test('a node that lies where it does not belong, or is none, is refused as the map refuses it', () => {
  const names = Array.from({ length: 40 }, (_, index) => `name ${index}`);
  const { map, root, rows, nodes } = mapOf(names);
  const altered = new Map<string, Uint8Array>();
  // Trees whose root commits to a node in the place of another one: their hashes are right.
  const replaced = (hash: Uint8Array, by: Uint8Array): Uint8Array => {
    const visit = (at: Uint8Array): Uint8Array => {
      if (hexEncode(at) === hexEncode(hash)) {
        altered.set(hexEncode(mapNodeHash(by)), by);
        return mapNodeHash(by);
      }
      const bytes = new Uint8Array(rows.get(hexEncode(at))!);
      if (bytes[0] === 1) {
        const left = bytes.length - 64;
        bytes.set(visit(bytes.slice(left, left + 32)), left);
        bytes.set(visit(bytes.slice(left + 32)), left + 32);
      }
      altered.set(hexEncode(mapNodeHash(bytes)), bytes);
      return mapNodeHash(bytes);
    };
    return visit(root);
  };
  const own = (hash: Uint8Array) => altered.get(hexEncode(hash));
  let refusals = 0;
  for (const name of names.slice(0, 8)) {
    const path: Uint8Array[] = [];
    readPath(root, keyOf(name), nodes, (hash) => path.push(hash));
    for (const hash of path.slice(1)) {
      const bytes = rows.get(hexEncode(hash))!;
      const others = [
        Uint8Array.of(2, ...bytes.subarray(1)),
        bytes.slice(0, -1),
        bytes.map((byte, index) => (index === 1 ? byte ^ 0xff : byte)),
        bytes.map((byte, index) => (index === 2 ? byte ^ 0x80 : byte)),
        rows.get(hexEncode(root))!,
      ];
      for (const other of others) {
        const changed = replaced(hash, other);
        const asMap = () => new MerkleMap(changed, { node: own }).get(keyOf(name));
        const asPath = () => {
          const value = readPath(changed, keyOf(name), own);
          return value === undefined ? undefined : new Uint8Array(value);
        };
        const outcome = (read: () => unknown) => {
          try {
            return read();
          } catch (error) {
            refusals += 1;
            return (error as { code?: string }).code ?? (error as Error).name;
          }
        };
        assert.deepEqual(outcome(asPath), outcome(asMap));
      }
    }
  }
  assert.ok(refusals > 50, String(refusals));
  assert.deepEqual(map.root(), root);
});
