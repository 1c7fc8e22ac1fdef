import assert from 'node:assert/strict';
import { createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sealedRowHash, wrappingOf } from '@keystead/protocol/sealed-row';
import { Vault } from './vault.ts';

interface Vector {
  readonly walletId: string;
  readonly walletKeys: readonly { readonly generation: number; readonly key: string }[];
  readonly entropy: string;
  readonly rows: readonly { readonly generation: number; readonly row: string; readonly hash: string }[];
}

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (of: Uint8Array) => Buffer.from(of).toString('hex');
const vector = JSON.parse(
  readFileSync(new URL('../../../vectors/keystead/sealed-row.json', import.meta.url), 'utf8'),
) as Vector;
const walletId = bytes(vector.walletId);
const keyOf = (generation: number) =>
  bytes(vector.walletKeys.find((key) => key.generation === generation)!.key);
const vault = new Vault(
  vector.walletKeys.map(({ generation, key }) => ({ generation, key: SecretBytes.take(bytes(key)) })),
  (length) => new Uint8Array(length),
);

test('the rows of the vectors have one hash and one secret under every wallet key', () => {
  for (const { generation, row, hash } of vector.rows) {
    assert.equal(hex(sealedRowHash(bytes(row))), hash);
    assert.equal(wrappingOf(bytes(row))!.generation, generation);
    const secret = vault.open(walletId, bytes(row));
    assert.ok(secret?.type === 'MNEMONIC');
    assert.equal(hex(secret.entropy.expose()), vector.entropy);
  }
  assert.equal(new Set(vector.rows.map(({ hash }) => hash)).size, 1);
  assert.equal(new Set(vector.rows.map(({ row }) => row)).size, vector.rows.length);
});

test('a program that knows nothing but spec/signer.md §5 opens the rows of the vectors', () => {
  const domain = (name: string) => Buffer.concat([Buffer.from(name), Buffer.alloc(1)]);
  const gcm = (key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array) => {
    const cipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(associated);
    cipher.setAuthTag(sealed.subarray(-16));
    return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
  };
  for (const { row: text } of vector.rows) {
    const row = Buffer.from(text, 'hex');
    const body = row.subarray(73);
    const hash = createHash('sha256').update(domain('keystead/sealed-row-hash/v2')).update(body).digest();
    const check = createHash('sha256')
      .update(domain('keystead/row-wrapping-check/v1'))
      .update(row.subarray(0, 65))
      .update(hash)
      .digest();
    assert.deepEqual(row.subarray(65, 73), check.subarray(0, 8));
    assert.equal(row[0], 1);
    const walletKey = keyOf(row.readUInt32BE(1));
    const wrapping = hkdfSync('sha256', walletKey, walletId, 'keystead/signer/wallet-wrap/v1', 32);
    const dataKey = gcm(
      new Uint8Array(wrapping),
      row.subarray(5, 17),
      Buffer.concat([domain('keystead/wrapped-key/v3'), row.subarray(1, 5), hash]),
      row.subarray(17, 65),
    );
    // Version, wallet id, kind; constraints of a wallet that has none: no networks, every kind of signature, no caps, export.
    assert.equal(body[0], 4);
    assert.deepEqual(body.subarray(1, 17), Buffer.from(walletId));
    assert.deepEqual([...body.subarray(17, 22)], [1, 0, 1, 0, 1]);
    const length = body.readUInt32BE(34);
    const plaintext = gcm(
      dataKey,
      body.subarray(22, 34),
      Buffer.concat([domain('keystead/sealed-row/v2'), walletId, Uint8Array.of(1)]),
      body.subarray(38, 38 + length),
    );
    // Variant 1: entropy with its length, then the seed.
    assert.equal(hex(plaintext.subarray(5, 5 + plaintext.readUInt32BE(1))), vector.entropy);
  }
});
