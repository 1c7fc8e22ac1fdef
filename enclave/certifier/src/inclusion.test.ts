import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Frontier, inclusionProof, leafHash, rootOf, verifyInclusion } from '@keystead/crypto/merkle-tree';
import { AppendedLeaves } from './inclusion.ts';

const hashesOf = (proof: Uint8Array) =>
  Array.from({ length: proof.length / 32 }, (_, index) => proof.slice(index * 32, index * 32 + 32));
const hashes = Array.from({ length: 70 }, (_, index) => leafHash(Uint8Array.of(index)));

it('proves every new leaf of every small tree exactly as the whole tree would', () => {
  for (let size = 1; size <= 40; size++) {
    for (let before = 0; before < size; before++) {
      const frontier = new Frontier();
      for (const hash of hashes.slice(0, before)) frontier.append(hash);
      const tree = new AppendedLeaves(frontier, hashes.slice(before, size));
      const root = rootOf(hashes.slice(0, size));
      assert.deepEqual(tree.root, root);
      assert.equal(frontier.size, before);
      for (let index = before; index < size; index++) {
        const proof = hashesOf(tree.proof(index));
        assert.deepEqual(proof, inclusionProof(hashes.slice(0, size), index));
        assert.ok(verifyInclusion(hashes[index], index, size, proof, root));
        assert.ok(!verifyInclusion(hashes[index + 1], index, size, proof, root));
      }
    }
  }
});

it('has no proof of an old leaf', () => {
  const frontier = new Frontier();
  frontier.append(hashes[0]);
  const tree = new AppendedLeaves(frontier, [hashes[1]]);
  assert.throws(() => tree.proof(0), RangeError);
  assert.throws(() => tree.proof(2), RangeError);
});
