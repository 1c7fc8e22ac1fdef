import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachBackend } from '../testing/each-backend.ts';
import { vectors } from '../testing/vectors.ts';
import { hexDecode, hexEncode } from './hex.ts';
import type { HpkeAead } from './hpke.ts';
import { sharedSecret } from './x25519.ts';

interface Case {
  mode: number;
  kem_id: number;
  kdf_id: number;
  aead_id: number;
  info: string;
  ikmR: string;
  ikmE: string;
  skRm: string;
  skEm: string;
  pkRm: string;
  pkEm: string;
  enc: string;
  shared_secret: string;
  key: string;
  base_nonce: string;
  exporter_secret: string;
  encryptions: { aad: string; ct: string; nonce: string; pt: string }[];
}

const all = vectors<Case[]>('rfc9180_hpke.json');
const ours = all.filter((c) => c.mode === 0 && c.kem_id === 0x20 && c.kdf_id === 1 && c.aead_id !== 0xffff);

for (const { backend, module } of await eachBackend<typeof import('./hpke.ts')>('hpke')) {
  test(`agrees with the 3 vectors of RFC 9180 with X25519, HKDF-SHA256 and an AEAD in base mode (${backend})`, () => {
    assert.equal(all.length, 64);
    assert.deepEqual(ours.map((c) => c.aead_id).sort(), [1, 2, 3]);
    for (const c of ours) {
      const aead = c.aead_id as HpkeAead;
      const recipient = module.deriveKeyPair(hexDecode(c.ikmR));
      assert.equal(hexEncode(recipient.privateKey), c.skRm);
      assert.equal(hexEncode(recipient.publicKey), c.pkRm);
      assert.equal(hexEncode(module.deriveKeyPair(hexDecode(c.ikmE)).publicKey), c.pkEm);
      const dh = sharedSecret(hexDecode(c.skEm), hexDecode(c.pkRm));
      const secret = module.encapsulated(dh, hexDecode(c.enc), hexDecode(c.pkRm));
      assert.equal(hexEncode(secret), c.shared_secret);
      const schedule = module.keySchedule(aead, secret, hexDecode(c.info));
      assert.equal(hexEncode(schedule.key), c.key);
      assert.equal(hexEncode(schedule.baseNonce), c.base_nonce);
      assert.equal(hexEncode(schedule.exporterSecret), c.exporter_secret);
      const first = c.encryptions[0]!;
      assert.equal(first.nonce, c.base_nonce);
      const sealed = module.sealWith(
        aead,
        hexDecode(c.pkRm),
        hexDecode(c.info),
        hexDecode(first.aad),
        hexDecode(first.pt),
        () => hexDecode(c.ikmE),
      );
      assert.deepEqual([hexEncode(sealed.enc), hexEncode(sealed.ciphertext)], [c.enc, first.ct]);
      const opened = module.openWith(
        aead,
        recipient.privateKey,
        sealed.enc,
        hexDecode(c.info),
        hexDecode(first.aad),
        sealed.ciphertext,
      );
      assert.equal(hexEncode(opened), first.pt);
    }
  });

  test(`opens only with the same key, info, associated data and bytes (${backend})`, () => {
    const recipient = module.deriveKeyPair(new Uint8Array(32).fill(1));
    const other = module.deriveKeyPair(new Uint8Array(32).fill(2));
    const info = Uint8Array.of(1);
    const aad = Uint8Array.of(2);
    const plaintext = Uint8Array.of(3, 4, 5);
    let asked = 0;
    const random = (length: number): Uint8Array => {
      asked += length;
      return new Uint8Array(length).fill(7);
    };
    const { enc, ciphertext } = module.seal(recipient.publicKey, info, aad, plaintext, random);
    assert.equal(asked, 32);
    assert.deepEqual(module.open(recipient.privateKey, enc, info, aad, ciphertext), plaintext);
    const failed = { code: 'decryption-failed', message: 'decryption-failed' };
    assert.throws(() => module.open(other.privateKey, enc, info, aad, ciphertext), failed);
    assert.throws(() => module.open(recipient.privateKey, other.publicKey, info, aad, ciphertext), failed);
    assert.throws(() => module.open(recipient.privateKey, enc, aad, aad, ciphertext), failed);
    assert.throws(() => module.open(recipient.privateKey, enc, info, info, ciphertext), failed);
    assert.throws(() => module.open(recipient.privateKey, enc, info, aad, ciphertext.slice(1)), failed);
    assert.throws(() => module.open(recipient.privateKey, enc, info, aad, ciphertext.slice(0, 3)), failed);
    assert.throws(() => module.open(recipient.privateKey, new Uint8Array(32), info, aad, ciphertext), failed);
    assert.throws(() => module.seal(new Uint8Array(32), info, aad, plaintext, random), {
      code: 'point-malformed',
    });
    assert.throws(
      () => module.seal(recipient.publicKey, info, aad, plaintext, () => new Uint8Array(31)),
      RangeError,
    );
  });
}
