import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors, type Wycheproof } from '../testing/vectors.ts';
import { hexDecode, hexEncode } from './hex.ts';

const suite =
  vectors<Wycheproof<unknown, { public: string; private: string; shared: string }>>('wycheproof_x25519.json');

for (const { backend, module } of await eachBackend<typeof import('./x25519.ts')>('x25519')) {
  test(`agrees with 487 Wycheproof cases and refuses the 31 whose secret is zero (${backend})`, () => {
    let agreed = 0;
    const refused: number[] = [];
    for (const group of suite.testGroups) {
      for (const c of group.tests) {
        if (/^0+$/.test(c.shared)) {
          assert.equal(c.result, 'acceptable');
          assert.throws(() => module.sharedSecret(hexDecode(c.private), hexDecode(c.public)), {
            code: 'point-malformed',
          });
          refused.push(c.tcId);
        } else {
          assert.equal(
            hexEncode(module.sharedSecret(hexDecode(c.private), hexDecode(c.public))),
            c.shared,
            `${c.tcId}`,
          );
          agreed++;
        }
      }
    }
    assert.deepEqual({ agreed, refused: refused.length }, { agreed: 487, refused: 31 });
  });

  test(`derives Bob's public key of RFC 7748 §6.1 (${backend})`, () => {
    const privateKey = hexDecode('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
    assert.throws(() => module.publicKey(privateKey.slice(1)), RangeError);
    assert.equal(
      hexEncode(module.publicKey(privateKey)),
      'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
    );
  });
}
