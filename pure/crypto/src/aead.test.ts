import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors, type Wycheproof } from '../testing/vectors.ts';
import { hexDecode, hexEncode } from './hex.ts';

interface Group {
  ivSize: number;
  keySize: number;
  tagSize: number;
}

interface Case {
  key: string;
  iv: string;
  aad: string;
  msg: string;
  ct: string;
  tag: string;
}

const gcm = vectors<Wycheproof<Group, Case>>('wycheproof_aes_gcm.json');
const chacha = vectors<Wycheproof<Group, Case>>('wycheproof_chacha20_poly1305.json');

type Aead = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, data: Uint8Array) => Uint8Array;

// Runs the groups with keys of 256 and nonces of 96 bits; the others must be refused as misuse.
function run(suite: Wycheproof<Group, Case>, seal: Aead, open: Aead): { run: number; outside: number } {
  let inside = 0;
  let outside = 0;
  for (const group of suite.testGroups) {
    assert.equal(group.tagSize, 128);
    for (const c of group.tests) {
      const key = hexDecode(c.key);
      const nonce = hexDecode(c.iv);
      const aad = hexDecode(c.aad);
      const sealed = hexDecode(c.ct + c.tag);
      if (group.keySize !== 256 || group.ivSize !== 96) {
        assert.throws(() => open(key, nonce, aad, sealed), RangeError);
        assert.throws(() => seal(key, nonce, aad, hexDecode(c.msg)), RangeError);
        outside++;
        continue;
      }
      inside++;
      if (c.result === 'valid') {
        assert.equal(hexEncode(seal(key, nonce, aad, hexDecode(c.msg))), c.ct + c.tag, `case ${c.tcId}`);
        assert.equal(hexEncode(open(key, nonce, aad, sealed)), c.msg, `case ${c.tcId}`);
      } else {
        assert.throws(() => open(key, nonce, aad, sealed), { code: 'decryption-failed', detail: undefined });
      }
    }
  }
  return { run: inside, outside };
}

for (const { backend, module } of await eachBackend<typeof import('./aead.ts')>('aead')) {
  test(`agrees with the 66 Wycheproof cases of AES-256-GCM with 96-bit nonces, and refuses the other 250 (${backend})`, () => {
    assert.deepEqual(run(gcm, module.aes256GcmSeal, module.aes256GcmOpen), { run: 66, outside: 250 });
  });

  test(`agrees with the 316 Wycheproof cases of ChaCha20-Poly1305 with 96-bit nonces, and refuses the other 9 (${backend})`, () => {
    assert.deepEqual(run(chacha, module.chacha20Poly1305Seal, module.chacha20Poly1305Open), {
      run: 316,
      outside: 9,
    });
  });

  test(`does not open what is too short, changed, or bound to other data (${backend})`, () => {
    const key = new Uint8Array(32).fill(1);
    const nonce = new Uint8Array(12);
    const aad = Uint8Array.of(7);
    for (const [seal, open] of [
      [module.aes256GcmSeal, module.aes256GcmOpen],
      [module.chacha20Poly1305Seal, module.chacha20Poly1305Open],
    ] as const) {
      const sealed = seal(key, nonce, aad, Uint8Array.of(1, 2, 3));
      assert.deepEqual(open(key, nonce, aad, sealed), Uint8Array.of(1, 2, 3));
      const failed = { code: 'decryption-failed', message: 'decryption-failed' };
      for (let length = 0; length < sealed.length; length++) {
        assert.throws(() => open(key, nonce, aad, sealed.slice(0, length)), failed);
      }
      for (let i = 0; i < sealed.length; i++) {
        const changed = Uint8Array.from(sealed);
        changed[i]! ^= 0x80;
        assert.throws(() => open(key, nonce, aad, changed), failed);
      }
      assert.throws(() => open(key, nonce, Uint8Array.of(8), sealed), failed);
      assert.throws(() => open(key.slice(1), nonce, aad, sealed), RangeError);
    }
  });
}
