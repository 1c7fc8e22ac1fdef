import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerSignature } from '@keystead/protocol/answer';
import type { Answer, RawClient } from '../raw-client.ts';
import { FEE, lamports, limited, Scene, SOL } from './scene.ts';

const running = withStack();

const GAS = 21_000n * 1_000_000_000n;
const ETHER = 10n ** 18n;

const ether = (max: bigint) => ({
  id: 'ether',
  meter: 'amount',
  per: ['wallet', 'asset'],
  window: { kind: 'lifetime' },
  max: String(max * ETHER),
});

/** Where the entry of an answer stands. */
function positionOf({ body, text }: Answer): number {
  assert.equal(typeof body?.signature, 'string', text);
  return AnswerSignature.decode(Buffer.from(String(body!.signature), 'base64url')).statement.position;
}

const source = (scene: Scene, name: string, operator: string | null): Promise<RawClient> =>
  scene.source(name, operator, 'state-outcomes');

const states = (scene: Scene, by: RawClient, ...outcomes: object[]) =>
  by.nativeRpc('stateOutcomes', { organizationId: scene.organizationId, outcomes });

const stands = (answer: Answer) => {
  assert.equal(answer.status, 200, answer.text);
  return (answer.body!.result as { outcomes: { outcome: string; stands: boolean }[] }).outcomes[0]!.stands;
};

const HASH = `0x${'ab'.repeat(32)}`;

test('L9: what the key of a wallet refuses for ever takes up nothing', async () => {
  const scene = await Scene.of(running, { caps: [{ asset: SOL, amount: '50000' }] });
  const agent = await scene.user('agent', limited(lamports(100_000, { window: { kind: 'lifetime' } })));
  const refused = await scene.sends(agent, 60_000);
  assert.deepEqual([refused.status, refused.body?.code], [403, 'key-constraint'], refused.text);
  // The whole limit is there: two signatures of what the key lets leave at once.
  assert.equal((await scene.sends(agent, 50_000 - FEE)).status, 200);
  assert.equal((await scene.sends(agent, 50_000 - FEE)).status, 200);
  assert.equal((await scene.sends(agent, 1)).body?.code, 'spending-limit-exceeded');
});

test('L10: what cannot land is given back once, when two operators say the same, and on the word of one never', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(ether(10n)));
  const sends = (value: bigint, nonce: number) => scene.sendsEther(agent, value * ETHER - GAS, nonce);
  const position = positionOf(await sends(10n, 0));
  const replaced = { position, outcome: 'replaced', by: HASH };
  const one = await source(scene, 'one', 'Alpha');
  const sameOperator = await source(scene, 'same', 'Alpha');
  const other = await source(scene, 'other', 'Beta');
  const nobody = await source(scene, 'nobody', null);

  const denied = async () => assert.equal((await sends(1n, 7)).body?.code, 'spending-limit-exceeded');
  assert.equal((await states(scene, nobody, replaced)).body?.code, 'policy-denied');
  assert.equal((await states(scene, agent, replaced)).body?.code, 'policy-denied');
  assert.equal(stands(await states(scene, one, replaced)), false);
  assert.equal(stands(await states(scene, one, { ...replaced })), false);
  assert.equal(stands(await states(scene, sameOperator, replaced)), false);
  await denied();
  // Two operators that do not mean the same.
  assert.equal(stands(await states(scene, other, { ...replaced, by: `${HASH}00` })), false);
  await denied();
  assert.equal(stands(await states(scene, other, { position, outcome: 'landed' })), false);
  await denied();
  assert.equal(stands(await states(scene, other, replaced)), true);

  assert.equal((await sends(10n, 1)).status, 200);
  // Final: it is not given back again, and nobody takes it back.
  assert.equal(stands(await states(scene, one, replaced)), true);
  assert.equal(stands(await states(scene, one, { position, outcome: 'landed' })), true);
  await denied();
});

test('L10: of a group only what no member can spend any more is given back', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(ether(10n)));
  const sends = (value: bigint, nonce: number) => scene.sendsEther(agent, value * ETHER - GAS, nonce);
  const first = positionOf(await sends(4n, 0));
  const second = positionOf(await sends(9n, 0));
  const sources = [await source(scene, 'one', 'Alpha'), await source(scene, 'other', 'Beta')];
  const settle = async (outcome: object) => {
    for (const by of sources) await states(scene, by, outcome);
  };
  await settle({ position: second, outcome: 'replaced', by: HASH });
  // The first one may be what took the place.
  assert.equal((await sends(7n, 1)).body?.code, 'spending-limit-exceeded');
  assert.equal((await sends(6n, 1)).status, 200);
  await settle({ position: first, outcome: 'replaced', by: HASH });
  assert.equal((await sends(5n, 2)).body?.code, 'spending-limit-exceeded');
  assert.equal((await sends(4n, 2)).status, 200);
});

test('L14: of what failed on chain the fee stays spent, and the rest is given back', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(lamports(100_000)));
  const position = positionOf(await scene.sends(agent, 90_000));
  const failed = { position, outcome: 'failed', by: 'x'.repeat(88) };
  for (const [name, operator] of [
    ['one', 'Alpha'],
    ['other', 'Beta'],
  ] as const)
    await states(scene, await source(scene, name, operator), failed);
  assert.equal((await scene.sends(agent, 100_001 - 2 * FEE)).body?.code, 'spending-limit-exceeded');
  assert.equal((await scene.sends(agent, 100_000 - 2 * FEE)).status, 200);
});

test('L10, L11: nothing is released that could still land, and nothing that signed no transaction', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(ether(10n)));
  const one = await source(scene, 'one', 'Alpha');
  const solana = positionOf(await scene.sends(agent, 1));
  const ethereum = positionOf(await scene.sendsEther(agent, 1n, 0));
  const refused = async (field: string, outcome: object) => {
    const { body } = await states(scene, one, outcome);
    assert.deepEqual([body?.code, body?.field], ['parameter-invalid', `params.outcomes[0].${field}`]);
  };
  // Its blockhash may still be recent, whatever a source says.
  await refused('outcome', { position: solana, outcome: 'expired' });
  await refused('outcome', { position: ethereum, outcome: 'expired' });
  await refused('outcome', { position: solana, outcome: 'replaced', by: HASH });
  await refused('by', { position: ethereum, outcome: 'replaced' });
  await refused('by', { position: ethereum, outcome: 'landed', by: HASH });
  await refused('position', { position: 1, outcome: 'landed' });
  await refused('position', { position: 10_000, outcome: 'landed' });
  const denied = await scene.sendsEther(agent, 20n * ETHER, 1);
  await refused('position', { position: positionOf(denied), outcome: 'landed' });
});
