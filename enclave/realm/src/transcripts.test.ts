import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { equalBytes } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { noiseRespond, type NoiseTransport } from '@keystead/crypto/noise-nk';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import {
  decodeRequest,
  decodeResponse,
  type SecretsRequest,
  type SecretsResponse,
} from '@keystead/juicebox/messages';
import {
  decodeClientRequest,
  decodeClientResponse,
  encodeClientRequest,
  padResponse,
  unpadResponse,
} from '@keystead/juicebox/noise-messages';
import { verifyEvaluation } from '@keystead/juicebox/oprf-proof';
import { encodeResponse } from '@keystead/juicebox/messages';
import { RealmWorld } from '../testing/realm-world.ts';

const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../vectors/juicebox-${name}.json`, import.meta.url), 'utf8'));

/** Equal but for the proof, which is random: it is verified instead. */
function assertSame(request: SecretsRequest, ours: SecretsResponse, recorded: SecretsResponse): void {
  if ('evaluation' in ours && 'evaluation' in recorded && request.type === 'Recover2') {
    const { proof, ...evaluation } = ours.evaluation;
    const { proof: _, ...expected } = recorded.evaluation;
    assert.deepEqual(evaluation, expected);
    const statement = {
      publicKey: evaluation.oprfSignedPublicKey.publicKey,
      input: request.blindedInput,
      result: evaluation.blindedResult,
    };
    assert.equal(verifyEvaluation(statement, proof), true);
  } else assert.deepEqual(ours, recorded);
}

test('the recorded session of the published client with three realms gives the recorded answers', async () => {
  const worlds = new Map<string, ReturnType<RealmWorld['start']>>();
  let compared = 0;
  for (const { step, messages } of vectors('transcript-software').steps) {
    for (const { realm_id, request_cbor, response_cbor } of messages) {
      const realm = worlds.get(realm_id) ?? new RealmWorld({ realmId: hexDecode(realm_id) }).start();
      worlds.set(realm_id, realm);
      const request = decodeRequest(hexDecode(request_cbor));
      const recorded = decodeResponse(request.type, hexDecode(response_cbor));
      const ours = await realm.ask('user', request);
      assert.equal(ours.type, request.type, step);
      assertSame(request, ours, recorded);
      compared += 1;
    }
  }
  assert.deepEqual([worlds.size, compared], [3, 55]);
});

test('the recorded Noise session gives the recorded answers, and a forgotten session is begun anew', async () => {
  const { server_static_secret, server_static_public, server_ephemeral_secrets_in_order, exchanges } =
    vectors('transcript-noise');
  const ephemerals: Uint8Array[] = server_ephemeral_secrets_in_order.map(hexDecode);
  const staticSecret = hexDecode(server_static_secret);
  const realmId = decodeClientRequest(hexDecode(exchanges[0].client_request_cbor)).realm;
  let handshake = false;
  const world = new RealmWorld({
    realmId,
    noiseKey: () => new SecretBytes(staticSecret),
    random: (length) => {
      if (handshake && length === 32) {
        handshake = false;
        return new Uint8Array(ephemerals[0]!);
      }
      return crypto.getRandomValues(new Uint8Array(length));
    },
  });
  let realm = world.start();
  assert.equal(hexEncode(realm.realm.publicKey), server_static_public);
  let transport: NoiseTransport | undefined;
  for (const exchange of exchanges) {
    const envelope = decodeClientRequest(hexDecode(exchange.client_request_cbor));
    const { encrypted } = envelope;
    // The recording's tenant key is not ours; nothing else of the request is changed.
    const body = encodeClientRequest({ ...envelope, token: world.token('user') });
    if (exchange.client_response_cbor === undefined) {
      realm.kill();
      realm = world.start();
      const lost = await realm.request(undefined, body);
      assert.equal(lost.status, 400);
      assert.deepEqual(decodeClientResponse(lost.body), { type: 'Refused', refusal: 'MissingSession' });
      ephemerals.shift();
      transport = undefined;
      continue;
    }
    const request = decodeRequest(hexDecode(exchange.plaintext_secrets_request));
    const recorded = decodeResponse(
      request.type,
      unpadResponse(hexDecode(exchange.plaintext_padded_response)),
    );
    handshake = encrypted.type === 'Handshake';
    const answer = await realm.request(undefined, body);
    assert.equal(answer.status, 200);
    const response = decodeClientResponse(answer.body);
    if (encrypted.type === 'Handshake') {
      const { payload, answer: respond } = noiseRespond(staticSecret, encrypted.message);
      assert.equal(hexEncode(payload), exchange.plaintext_secrets_request);
      const expected = respond(new Uint8Array(ephemerals[0]!), padResponse(encodeResponse(recorded)));
      transport = expected.transport;
      assert.ok(
        response.type === 'Handshake' && equalBytes(response.message.payload, expected.message.payload),
      );
    } else {
      assert.ok(response.type === 'Transport');
      const plaintext = transport!.toInitiator.open(response.ciphertext);
      assertSame(request, decodeResponse(request.type, unpadResponse(plaintext)), recorded);
    }
  }
});
