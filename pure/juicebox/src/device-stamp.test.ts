import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { publicKey, sign } from '@keystead/crypto/ed25519';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { nextChallenge, stampedBytes } from './device-stamp.ts';
import { decodeStampable, encodeRequest, encodeStamped } from './messages.ts';

interface Vectors {
  readonly seed: string;
  readonly deviceKey: string;
  readonly realmId: string;
  readonly token: string;
  readonly cases: readonly Record<
    'name' | 'challenge' | 'request' | 'signed' | 'signature' | 'stamped' | 'nextChallenge',
    string
  >[];
}

const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../vectors/keystead/device-stamp.json'), 'utf8'),
) as Vectors;

test('stamps and challenges are those of vectors/keystead/device-stamp.json, byte for byte', () => {
  const seed = hexDecode(vectors.seed);
  const realmId = hexDecode(vectors.realmId);
  const { token } = vectors;
  assert.equal(hexEncode(publicKey(seed)), vectors.deviceKey);
  for (const one of vectors.cases) {
    const request = hexDecode(one.request);
    const challenge = hexDecode(one.challenge);
    const message = stampedBytes({ realmId, token, challenge, request });
    assert.equal(hexEncode(message), one.signed);
    const signature = sign(seed, message);
    assert.equal(hexEncode(signature), one.signature);
    const deviceKey = hexDecode(vectors.deviceKey);
    assert.equal(hexEncode(encodeStamped({ type: 'Stamped', request, deviceKey, signature })), one.stamped);
    const decoded = decodeStampable(hexDecode(one.stamped));
    assert.equal(decoded.request.type, one.name);
    assert.equal(hexEncode(encodeRequest(decoded.request)), one.request);
    assert.equal(hexEncode(nextChallenge(challenge, signature)), one.nextChallenge);
  }
});

test('a stamp belongs to a registration, a guess or a deletion and to nothing else', () => {
  const seed = hexDecode(vectors.seed);
  const stamped = (request: Uint8Array) =>
    encodeStamped({ type: 'Stamped', request, deviceKey: publicKey(seed), signature: new Uint8Array(64) });
  for (const type of ['Register1', 'Recover1', 'Status', 'Challenge'] as const)
    assert.throws(() => decodeStampable(stamped(encodeRequest({ type }))), { code: 'cbor-malformed' });
  assert.equal(decodeStampable(stamped(encodeRequest({ type: 'Delete' }))).request.type, 'Delete');
  const [one] = vectors.cases;
  const nested = hexDecode(one!.stamped);
  assert.throws(() => decodeStampable(stamped(nested)), { code: 'cbor-malformed' });
  assert.equal(decodeStampable(hexDecode(one!.request)).stamped, undefined);
});
