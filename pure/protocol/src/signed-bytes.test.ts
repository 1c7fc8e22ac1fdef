import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { SigningInput } from '@keystead/chains/chain';
import { signedBytesDigest } from './signed-bytes.ts';

const input = (...bytes: number[]): SigningInput => ({ algorithm: 'ed25519', bytes: Uint8Array.from(bytes) });

test('is SHA-256 over the domain and each length and input', () => {
  const expected = createHash('sha256')
    .update('keystead/signed-bytes/v1\0')
    .update(Uint8Array.of(0, 0, 0, 2, 7, 8))
    .update(Uint8Array.of(0, 0, 0, 1, 9))
    .digest();
  assert.deepEqual(Buffer.from(signedBytesDigest([input(7, 8), input(9)])), expected);
});

test('tells where one input ends and the next begins', () => {
  assert.notDeepEqual(signedBytesDigest([input(7, 8), input(9)]), signedBytesDigest([input(7), input(8, 9)]));
  assert.notDeepEqual(signedBytesDigest([]), signedBytesDigest([input()]));
});
