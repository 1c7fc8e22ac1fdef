import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vectors } from '../testing/vectors.ts';
import { hexDecode, hexEncode } from './hex.ts';
import { noiseInitiate, noiseRespond } from './noise-nk.ts';
import { publicKey } from './x25519.ts';

interface Vector {
  readonly init_prologue: string;
  readonly init_ephemeral: string;
  readonly init_remote_static: string;
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly handshake_hash: string | undefined;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const cases = vectors<{ vectors: readonly Vector[] }>('juicebox-noise-nk.json').vectors;
const hex = (text: string | undefined) => hexDecode(text ?? '');

test('the Noise NK handshake and its transport give the bytes of other implementations', () => {
  assert.equal(cases.length, 3);
  for (const vector of cases) {
    const [first, second, ...rest] = vector.messages;
    const prologue = hex(vector.init_prologue);
    const initiator = noiseInitiate(
      hex(vector.init_remote_static),
      hex(vector.init_ephemeral),
      hex(first!.payload),
      prologue,
    );
    const { message } = initiator;
    assert.equal(hexEncode(message.ephemeral) + hexEncode(message.payload), first!.ciphertext);
    const responder = noiseRespond(hex(vector.resp_static), message, prologue);
    assert.equal(hexEncode(responder.payload), first!.payload);
    const answered = responder.answer(hex(vector.resp_ephemeral), hex(second!.payload));
    assert.equal(
      hexEncode(answered.message.ephemeral) + hexEncode(answered.message.payload),
      second!.ciphertext,
    );
    const finished = initiator.finish(answered.message);
    assert.equal(hexEncode(finished.payload), second!.payload);
    const { handshake_hash: hash } = vector;
    if (hash) assert.equal(hexEncode(finished.transport.handshakeHash), hash);
    for (const [index, { payload, ciphertext }] of rest.entries()) {
      const name = index % 2 === 0 ? 'toResponder' : 'toInitiator';
      const [from, to] =
        index % 2 === 0 ? [finished.transport, answered.transport] : [answered.transport, finished.transport];
      const sealed = from[name].seal(hex(payload));
      assert.equal(hexEncode(sealed), ciphertext);
      assert.equal(hexEncode(to[name].open(sealed)), payload);
    }
  }
});

test('a first message for another static key does not open, nor one with a low-order key', () => {
  const secret = new Uint8Array(32).fill(7);
  const { message } = noiseInitiate(publicKey(secret), new Uint8Array(32).fill(9), new Uint8Array(3));
  assert.deepEqual(noiseRespond(secret, message).payload, new Uint8Array(3));
  assert.throws(() => noiseRespond(new Uint8Array(32).fill(8), message), { code: 'decryption-failed' });
  const low = { ...message, ephemeral: new Uint8Array(32) };
  assert.throws(() => noiseRespond(secret, low), { code: 'point-malformed' });
});
