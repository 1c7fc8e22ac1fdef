import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyMapRoot, MerkleMap } from '@keystead/crypto/merkle-map';
import { AuthorityLeaf, userLeafKey } from '@keystead/protocol/authority';
import { ProvenLeaves, Witness } from './witness.ts';

const user = (username: string, root: boolean): AuthorityLeaf => ({
  leaf: 'user',
  username,
  root,
  createdAt: 1,
  expiresAt: undefined,
  authenticators: [],
  frozen: false,
});

function grown(leaves: readonly AuthorityLeaf[]) {
  const map = new MerkleMap(emptyMapRoot(), { node: () => undefined });
  for (const leaf of leaves)
    if (leaf.leaf === 'user') map.set(userLeafKey(leaf.username), AuthorityLeaf.encode(leaf));
  return { root: map.root(), nodes: map.newNodes().map(({ bytes }) => bytes) };
}

const before = grown([user('ada', false), user('bob', false)]);
const after = grown([user('ada', true), user('bob', false)]);

test('a leaf is proven by the nodes of the ticket, and absence too', () => {
  const read = new Witness(before.nodes, new ProvenLeaves()).reader(before.root);
  assert.deepEqual(read(userLeafKey('ada')), user('ada', false));
  assert.equal(read(userLeafKey('eve')), undefined);
  assert.throws(() => new Witness([], new ProvenLeaves()).reader(before.root)(userLeafKey('ada')));
});

test('hashes of the ticket before count for the very same nodes and no others', () => {
  const proven = new ProvenLeaves();
  const first = new Witness(before.nodes, proven);
  first.reader(before.root)(userLeafKey('ada'));
  const read = new Witness(before.nodes, proven, first).reader(before.root);
  assert.deepEqual(read(userLeafKey('bob')), user('bob', false));
  const others = new Witness(after.nodes, new ProvenLeaves(), first);
  assert.throws(() => others.reader(before.root)(userLeafKey('ada')));
  assert.deepEqual(others.reader(after.root)(userLeafKey('ada')), user('ada', true));
});

test('leaves of every place of a large authority set are proven, in whatever order they are read', () => {
  const names = Array.from({ length: 300 }, (_, index) => `user ${index}`);
  const large = grown(names.map((name) => user(name, false)));
  const proven = new ProvenLeaves();
  for (const nodes of [large.nodes, large.nodes.toReversed(), []])
    for (const name of names)
      assert.deepEqual(new Witness(nodes, proven).reader(large.root)(userLeafKey(name)), user(name, false));
});

test('what was proven under a root needs no proof again, and says nothing under another root', () => {
  const proven = new ProvenLeaves();
  new Witness(before.nodes, proven).reader(before.root)(userLeafKey('ada'));
  assert.deepEqual(new Witness([], proven).reader(before.root)(userLeafKey('ada')), user('ada', false));
  assert.throws(() => new Witness([], proven).reader(after.root)(userLeafKey('ada')));
  assert.throws(() => new Witness([], proven).reader(before.root)(userLeafKey('bob')));
  const read = new Witness(after.nodes, proven).reader(after.root);
  assert.deepEqual(read(userLeafKey('ada')), user('ada', true));
});

test('nodes that are not those of the root prove nothing', () => {
  const proven = new ProvenLeaves();
  assert.throws(() => new Witness(after.nodes, proven).reader(before.root)(userLeafKey('ada')));
  assert.throws(() => new Witness([], proven).reader(before.root)(userLeafKey('ada')));
});

test('absence is proven each time', () => {
  const proven = new ProvenLeaves();
  assert.equal(new Witness(before.nodes, proven).reader(before.root)(userLeafKey('eve')), undefined);
  assert.throws(() => new Witness([], proven).reader(before.root)(userLeafKey('eve')));
});
