import assert from 'node:assert/strict';
import { test } from 'node:test';
import { derivePrivate } from '@keystead/crypto/bip32';
import { parsePath } from '@keystead/crypto/derivation-path';
import { WalletPublicKeys } from './wallet-public-keys.ts';

const path = parsePath("m/44'/60'/0'/0/7");

test('a derivation gives the same key from what is kept, for every row by itself', () => {
  const known = new WalletPublicKeys();
  for (const fill of [1, 2]) {
    const seed = new Uint8Array(64).fill(fill);
    const row = new Uint8Array(32).fill(fill);
    const expected = derivePrivate(seed, path);
    for (let round = 0; round < 2; round += 1)
      assert.deepEqual(derivePrivate(seed, path, known.of(row)), expected);
  }
  assert.equal(known.size, 4);
});

test('a path is computed once and only where it is not hardened', () => {
  const known = new WalletPublicKeys();
  const asked: string[] = [];
  const row = new Uint8Array(32);
  for (let round = 0; round < 2; round += 1)
    derivePrivate(new Uint8Array(64).fill(3), path, (at, compute) =>
      known.of(row)(at, () => {
        asked.push(at.join('/'));
        return compute();
      }),
    );
  assert.deepEqual(asked, [path.slice(0, 3).join('/'), path.slice(0, 4).join('/')]);
});
