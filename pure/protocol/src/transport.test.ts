import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { deriveKeyPair } from '@keystead/crypto/hpke';
import * as x25519 from '@keystead/crypto/x25519';
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';
import { ExportedSecret, openExport, openImport, sealExport, sealImport } from './transport.ts';

interface Case {
  readonly privateKey: string;
  readonly deploymentId: string;
  readonly organization: string;
  readonly walletId?: string;
  readonly plaintext: string;
  readonly ephemeral: string;
  readonly sealed: string;
}

const file = new URL('../../../vectors/keystead/transport.json', import.meta.url);
const vectors = JSON.parse(readFileSync(file, 'utf8')) as {
  readonly import: Case[];
  readonly export: Case[];
};

const contextOf = (one: Case) => ({
  deploymentId: hexDecode(one.deploymentId),
  organization: hexDecode(one.organization),
  walletId: hexDecode(one.walletId ?? ''),
});

describe('vectors', () => {
  test('imports are sealed and opened as written', () => {
    assert.equal(vectors.import.length, 3);
    for (const one of vectors.import) {
      const privateKey = hexDecode(one.privateKey);
      const sealed = sealImport({
        ...contextOf(one),
        publicKey: x25519.publicKey(privateKey),
        secret: hexDecode(one.plaintext),
        random: () => hexDecode(one.ephemeral),
      });
      assert.equal(hexEncode(sealed), one.sealed);
      const opened = openImport({ ...contextOf(one), privateKey, encryptedSecret: sealed });
      assert.equal(hexEncode(opened), one.plaintext);
    }
  });

  test('exports are sealed and opened as written', () => {
    assert.equal(vectors.export.length, 2);
    for (const one of vectors.export) {
      const privateKey = hexDecode(one.privateKey);
      const sealed = sealExport({
        ...contextOf(one),
        recipient: x25519.publicKey(privateKey),
        secret: hexDecode(one.plaintext),
        random: () => hexDecode(one.ephemeral),
      });
      assert.equal(hexEncode(sealed), one.sealed);
      const opened = openExport({ ...contextOf(one), privateKey, encryptedBundle: sealed });
      assert.equal(hexEncode(ExportedSecret.encode(opened)), one.plaintext);
    }
  });

  test('another HPKE library opens them', async () => {
    const suite = new CipherSuite({
      kem: new DhkemX25519HkdfSha256(),
      kdf: new HkdfSha256(),
      aead: new Chacha20Poly1305(),
    });
    for (const [domain, cases] of [
      ['keystead/import/v1\0', vectors.import],
      ['keystead/export/v1\0', vectors.export],
    ] as const)
      for (const one of cases) {
        const tail = one.deploymentId + one.organization + (one.walletId ?? '');
        const info = new Uint8Array([...new TextEncoder().encode(domain), ...hexDecode(tail)]);
        const raw = hexDecode(one.privateKey).slice().buffer;
        const recipientKey = await suite.kem.importKey('raw', raw, false);
        const enc = hexDecode(one.sealed.slice(0, 64)).slice().buffer;
        const recipient = await suite.createRecipientContext({ recipientKey, enc, info: info.buffer });
        const opened = await recipient.open(hexDecode(one.sealed.slice(64)).slice().buffer);
        assert.equal(hexEncode(new Uint8Array(opened)), one.plaintext);
      }
  });
});

test('does not open for another key, deployment, organization or wallet, nor when it was altered', () => {
  const [one] = vectors.export as [Case];
  const right = {
    ...contextOf(one),
    privateKey: hexDecode(one.privateKey),
    encryptedBundle: hexDecode(one.sealed),
  };
  assert.doesNotThrow(() => openExport(right));
  const refused = { code: 'decryption-failed' };
  const zeros = (length: number) => new Uint8Array(length);
  assert.throws(() => openExport({ ...right, deploymentId: zeros(32) }), refused);
  assert.throws(() => openExport({ ...right, organization: zeros(16) }), refused);
  assert.throws(() => openExport({ ...right, walletId: zeros(16) }), refused);
  const { privateKey } = deriveKeyPair(zeros(32));
  assert.throws(() => openExport({ ...right, privateKey }), refused);
  for (const encryptedBundle of [zeros(0), zeros(31), zeros(80), right.encryptedBundle.subarray(1)])
    assert.throws(() => openExport({ ...right, encryptedBundle }), refused);
});
