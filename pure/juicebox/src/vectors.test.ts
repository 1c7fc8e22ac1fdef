import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { scalarFromWide, scalarToBytes } from '@keystead/crypto/ristretto255';
import { sha256 } from '@keystead/crypto/sha256';
import { cborDecode } from './cbor.ts';
import { decryptSecret, encryptSecret, padSecret } from './encrypted-secret.ts';
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from './messages.ts';
import { blind, evaluateBlinded, finalize, oprfPrivateKey, oprfPublicKey } from './oprf.ts';
import { proveEvaluation, verifyEvaluation } from './oprf-proof.ts';
import { pinSalt } from './stretched-pin.ts';

const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../vectors/juicebox-${name}.json`, import.meta.url), 'utf8'));

describe('the vectors of the Juicebox protocol', () => {
  test('the OPRF and its proof give the bytes of the published implementation', () => {
    const cases = vectors('oprf').vectors;
    assert.equal(cases.length, 10);
    for (const { inputs, outputs } of cases) {
      const key = scalarFromWide(hexDecode(inputs.private_key_seed));
      const factor = scalarFromWide(hexDecode(inputs.blinding_factor_seed));
      const nonce = scalarFromWide(hexDecode(inputs.beta_t_seed));
      const input = hexDecode(inputs.input);
      assert.equal(hexEncode(scalarToBytes(key)), outputs.private_key);
      const publicKey = oprfPublicKey(key);
      assert.equal(hexEncode(publicKey), outputs.public_key);
      const blinded = blind(input, factor);
      assert.equal(hexEncode(blinded.input), outputs.blinded_input);
      const result = evaluateBlinded(key, blinded.input);
      assert.equal(hexEncode(result), outputs.blinded_output);
      const statement = { publicKey, input: blinded.input, result };
      const proof = proveEvaluation(key, statement, nonce);
      assert.equal(hexEncode(proof.c), outputs.proof_c);
      assert.equal(hexEncode(proof.betaZ), outputs.proof_beta_z);
      assert.equal(verifyEvaluation(statement, proof), true);
      const otherProof = { ...proof, c: scalarToBytes(1n) };
      assert.equal(verifyEvaluation(statement, otherProof), false);
      assert.equal(hexEncode(finalize(input, factor, result)), outputs.output);
    }
  });

  test('a realm proves an evaluation for the public key as it is stored, byte for byte', () => {
    const { recover2_evaluation: vector } = vectors('go-realm-cbor');
    const key = oprfPrivateKey(hexDecode(vector.oprf_private_key));
    const input = hexDecode(vector.oprf_blinded_input);
    const result = evaluateBlinded(key, input);
    assert.equal(hexEncode(result), vector.oprf_blinded_result);
    const publicKey = hexDecode(vector.oprf_public_key_as_stored);
    const nonce = scalarFromWide(hexDecode(vector.beta_t_seed));
    const proof = proveEvaluation(key, { publicKey, input, result }, nonce);
    assert.equal(hexEncode(proof.c), vector.proof_c);
    assert.equal(hexEncode(proof.betaZ), vector.proof_beta_z);
  });

  test('salt, padding and encryption of the secret give the published bytes', () => {
    const {
      pin_hashing,
      secret_encryption: sealed,
      secret_padding,
      dleq_proof_cbor,
    } = vectors('pin-and-secret');
    for (const { version, user_info_utf8, salt } of pin_hashing)
      assert.equal(hexEncode(pinSalt(hexDecode(version), utf8Encode(user_info_utf8))), salt);
    const key = hexDecode(sealed.key);
    const secret = utf8Encode(sealed.secret_utf8);
    const encrypted = encryptSecret(key, secret);
    assert.equal(hexEncode(encrypted), sealed.encrypted_secret);
    assert.deepEqual(decryptSecret(key, encrypted), secret);
    assert.equal(secret_padding.length, 3);
    for (const { secret: plain, padded } of secret_padding)
      assert.equal(hexEncode(padSecret(hexDecode(plain))), padded);
    const proof = cborDecode(hexDecode(dleq_proof_cbor.cbor)) as ReadonlyMap<string, Uint8Array>;
    assert.equal(hexEncode(proof.get('c')!), dleq_proof_cbor.c);
    assert.equal(hexEncode(proof.get('beta_z')!), dleq_proof_cbor.beta_z);
  });

  test('requests and answers of the Go realm are read, and what it refuses is refused', () => {
    const { requests, responses, event_user_id } = vectors('go-realm-cbor');
    const [register1, recover3, unknown, truncated] = requests;
    for (const { cbor } of [register1, recover3])
      assert.equal(hexEncode(encodeRequest(decodeRequest(hexDecode(cbor)))), cbor);
    for (const { cbor } of [unknown, truncated])
      assert.throws(() => decodeRequest(hexDecode(cbor)), { code: 'cbor-malformed' });
    const [ok] = responses;
    const response = decodeResponse('Register1', hexDecode(ok.cbor));
    assert.equal(hexEncode(encodeResponse(response)), ok.cbor);
    const { tenant, user, sha256_hex } = event_user_id;
    assert.equal(hexEncode(sha256(utf8Encode(`${tenant}:${user}`))), sha256_hex);
  });

  test('every request that the published client sent is written again byte for byte, and every answer is read', () => {
    let requests = 0;
    for (const { messages } of vectors('transcript-software').steps) {
      for (const message of messages) {
        const request = decodeRequest(hexDecode(message.request_cbor));
        assert.equal(hexEncode(encodeRequest(request)), message.request_cbor);
        requests += 1;
        if (message.response_cbor === undefined) continue;
        const response = decodeResponse(request.type, hexDecode(message.response_cbor));
        // The recording realm wrote map keys in another order.
        assert.deepEqual(decodeResponse(request.type, encodeResponse(response)), response);
      }
    }
    assert.ok(requests > 40, `${requests} requests`);
  });
});

describe('messages', () => {
  test('no input makes a decoder throw anything but a refusal', () => {
    const valid = vectors('transcript-software').steps.flatMap(
      ({ messages }: { messages: { request_cbor: string }[] }) =>
        messages.map(({ request_cbor }) => hexDecode(request_cbor)),
    ) as Uint8Array[];
    const longest = valid.reduce((a, b) => (b.length > a.length ? b : a));
    assert.equal(longest.length, 663);
    let refused = 0;
    for (let at = 0; at < longest.length; at++) {
      for (const change of [0x01, 0x20, 0x80, 0xff]) {
        const bytes = new Uint8Array(longest);
        bytes[at]! ^= change;
        try {
          decodeRequest(bytes);
        } catch (error) {
          assert.ok(error instanceof CryptoError, `byte ${at}: ${error}`);
          refused += 1;
        }
      }
      assert.throws(() => decodeRequest(longest.subarray(0, at)), { code: 'cbor-malformed' });
    }
    assert.ok(refused > 300);
  });

  test('trailing bytes, duplicate keys, unknown members and longer heads than needed are refused', () => {
    const good = hexDecode(
      'a1685265636f76657233a26776657273696f6e50050a9dab91f63676be18d118949c1b4f6e756e6c6f636b5f6b65795f7461675090ad6dd4d63b99d06b6d3eb8d08f5b1d',
    );
    decodeRequest(good);
    const hex = hexEncode(good);
    const bad = [
      `${hex}00`,
      `${hex.replace('a26776', 'a36776')}616100`,
      hex.replace('6776657273696f6e50', '6776657273696f6e5810'),
      hex.replace('6e756e6c6f636b5f6b65795f746167', '6776657273696f6e'),
      '9f',
      'fb0000000000000000',
      'c0685265636f76657231',
      'a0',
      '8163616263'.repeat(3),
      '81'.repeat(40),
      '9bffffffffffffffff',
    ];
    for (const text of bad)
      assert.throws(() => decodeRequest(hexDecode(text)), { code: 'cbor-malformed' }, text);
  });

  test('a byte string may be written as an array of integers', () => {
    const tag =
      'a1685265636f76657233a26776657273696f6e90' +
      '01'.repeat(16) +
      '6e756e6c6f636b5f6b65795f74616790' +
      '1820'.repeat(16);
    const request = decodeRequest(hexDecode(tag));
    assert.equal(request.type, 'Recover3');
    assert.equal('unlockKeyTag' in request && hexEncode(request.unlockKeyTag), '20'.repeat(16));
    assert.throws(() => decodeRequest(hexDecode(tag.replace('1820', '190100'))), { code: 'cbor-malformed' });
  });
});
