import assert from 'node:assert/strict';
import { hash, randomBytes } from 'node:crypto';
import { before, test } from 'node:test';
import fc from 'fast-check';
import * as ed25519 from './ed25519.ts';
import { Libsodium } from './libsodium.ts';

let library: Libsodium;
before(async () => {
  library = await Libsodium.load();
});

test('signs as OpenSSL does, messages of every length', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(9000), (seed, length) => {
      const message = new Uint8Array(length).fill(length);
      const key = ed25519.privateKey(seed);
      assert.deepEqual(library.sign(seed, key.publicKey, message), key.sign(message));
    }),
    { numRuns: 100 },
  );
});

test('with the public key of another seed it makes another signature, which is valid for nobody', () => {
  const seed = Uint8Array.from(randomBytes(32));
  const key = ed25519.privateKey(seed);
  const other = ed25519.publicKey(Uint8Array.from(randomBytes(32)));
  const message = new Uint8Array(10);
  const signature = library.sign(seed, other, message);
  assert.notDeepEqual(signature, key.sign(message));
  for (const publicKey of [key.publicKey, other])
    assert.equal(ed25519.verify(publicKey, message, signature), false);
});

test('neither seed, scalar, prefix nor nonce remains in the memory of the module', () => {
  const seed = Uint8Array.from(randomBytes(32));
  const message = Uint8Array.from(randomBytes(100));
  library.sign(seed, ed25519.publicKey(seed), message);
  const expanded = hash('sha512', seed, 'buffer');
  const scalar = Buffer.from(expanded.subarray(0, 32));
  scalar[0]! &= 248;
  scalar[31]! = (scalar[31]! & 63) | 64;
  const prefix = expanded.subarray(32);
  const nonce = hash('sha512', Buffer.concat([prefix, message]), 'buffer');
  const memory = Buffer.from(library.memory.buffer);
  for (const secret of [Buffer.from(seed), expanded.subarray(0, 32), scalar, prefix, nonce])
    for (let at = 0; at + 16 <= secret.length; at += 16)
      assert.equal(memory.indexOf(secret.subarray(at, at + 16)), -1);
  memory.set(prefix, memory.length - 32);
  assert.notEqual(memory.indexOf(prefix), -1, 'control: it would be found');
  memory.fill(0, memory.length - 32);
});
