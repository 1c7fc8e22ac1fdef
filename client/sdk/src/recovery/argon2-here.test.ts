import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { stretchHere } from './argon2-here.ts';

interface PinVector {
  readonly mode: string;
  readonly argon2: { readonly m_kib: number; readonly t: number };
  readonly pin_utf8: string;
  readonly salt: string;
  readonly access_key: string;
  readonly encryption_key_seed: string;
}

const { pin_hashing } = JSON.parse(
  readFileSync(new URL('../../../../vectors/juicebox-pin-and-secret.json', import.meta.url), 'utf8'),
) as { pin_hashing: PinVector[] };

for (const vector of pin_hashing)
  test(`the PIN of browsers is stretched as the published vectors say: ${vector.mode}`, async () => {
    const stretched = await stretchHere({
      pin: Buffer.from(vector.pin_utf8),
      salt: Buffer.from(vector.salt, 'hex'),
      memoryKibibytes: vector.argon2.m_kib,
      iterations: vector.argon2.t,
    });
    assert.equal(Buffer.from(stretched).toString('hex'), vector.access_key + vector.encryption_key_seed);
  });
