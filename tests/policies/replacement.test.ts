import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Psbt, Transaction as BitcoinTransaction } from 'bitcoinjs-lib';
import type { Answer, RawClient } from '../raw-client.ts';
import { FEE, limited, Scene, signing } from './scene.ts';

const running = withStack();

/** A limit of whatever one wallet spends of each asset. */
const spending = (max: bigint) => ({
  id: 'spending',
  meter: 'amount',
  per: ['wallet', 'asset'],
  window: { kind: 'rolling', seconds: 86_400 },
  max: String(max),
});

/** Highest fee of `sendsEther`, in wei. */
const GAS = 21_000n * 1_000_000_000n;
const ETHER = 10n ** 18n;

const used = (answer: Answer) => (answer.body?.limit as { used?: string } | undefined)?.used;

test('L12: a replacement under the same nonce counts what it adds, and another nonce counts whole', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(spending(10n * ETHER)));
  const sends = (ether: bigint, nonce: number) => scene.sendsEther(agent, ether * ETHER - GAS, nonce);
  assert.equal((await sends(6n, 0)).status, 200);
  const other = await sends(6n, 1);
  assert.deepEqual([other.body?.code, used(other)], ['spending-limit-exceeded', String(6n * ETHER)]);
  // Cheaper ones and dearer ones of the same nonce: at most one of them lands.
  assert.equal((await sends(2n, 0)).status, 200);
  assert.equal((await sends(9n, 0)).status, 200);
  assert.equal((await sends(8n, 0)).status, 200);
  const more = await sends(2n, 1);
  assert.deepEqual([more.body?.code, used(more)], ['spending-limit-exceeded', String(9n * ETHER)]);
  assert.equal((await sends(1n, 1)).status, 200);
  const dearer = await sends(10n, 0);
  assert.deepEqual([dearer.body?.code, used(dearer)], ['spending-limit-exceeded', String(ETHER)]);
});

test('L12: a count of requests counts replacements too', async () => {
  const scene = await Scene.of(running);
  const count = { id: 'requests', meter: 'count', per: ['user'], window: { kind: 'lifetime' }, max: '2' };
  const agent = await scene.user('agent', limited(count));
  assert.equal((await scene.sendsEther(agent, 1n, 0)).status, 200);
  assert.equal((await scene.sendsEther(agent, 2n, 0)).status, 200);
  assert.equal((await scene.sendsEther(agent, 3n, 0)).body?.code, 'rate-limit-exceeded');
});

test('L13: Bitcoin transactions that share an input count as one, and those that share none count each', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(spending(250_000n)));
  const { publicKey } = await scene.bitcoinAccount();
  const hash = createHash('sha256').update(publicKey).digest();
  const script = Buffer.concat([Uint8Array.of(0, 20), createHash('ripemd160').update(hash).digest()]);
  const coins = Array.from({ length: 4 }, (_, index) => {
    const previous = new BitcoinTransaction();
    previous.addInput(Buffer.alloc(32, index + 1), 0);
    previous.addOutput(script, 100_000n);
    return previous;
  });
  const spends = (by: RawClient, ...inputs: number[]): Promise<Answer> => {
    const psbt = new Psbt();
    for (const index of inputs)
      psbt.addInput({
        hash: coins[index]!.getId(),
        index: 0,
        witnessUtxo: { script, value: 100_000n },
        nonWitnessUtxo: coins[index]!.toBuffer(),
      });
    const value = BigInt(inputs.length) * 100_000n - 1000n;
    psbt.addOutput({ script: Buffer.concat([Uint8Array.of(0, 20), Buffer.alloc(20, 9)]), value });
    return scene.signs(by, { kind: 'PSBT', bytes: psbt.toBase64() }, 'bitcoin');
  };
  assert.equal((await spends(agent, 0, 1)).status, 200);
  // Shares coin 1 of the first: of both together at most 200,000 leave.
  assert.equal((await spends(agent, 1, 2)).status, 200);
  // Shares coin 2 of the second only: the first one can land beside it.
  const beside = await spends(agent, 2);
  assert.deepEqual([beside.body?.code, used(beside)], ['spending-limit-exceeded', '200000']);
  const apart = await spends(agent, 3);
  assert.deepEqual([apart.body?.code, used(apart)], ['spending-limit-exceeded', '200000']);
  assert.equal((await spends(agent, 1)).status, 200);
});

test('L11: Solana transactions count each: neither a recent blockhash nor a durable nonce excludes another', async () => {
  const scene = await Scene.of(running);
  const policy = limited(spending(BigInt(3 * FEE)));
  const accepting = {
    ...policy,
    rules: [{ ...signing, accepts: [{ what: 'unresolved', kind: 'durable-nonce' }] }],
  };
  const agent = await scene.user('agent', accepting);
  assert.equal((await scene.signs(agent, scene.durableTransfer(1), 'solana')).status, 200);
  const again = await scene.signs(agent, scene.durableTransfer(2), 'solana');
  assert.equal(again.status, 200, again.text);
  const third = await scene.signs(agent, scene.durableTransfer(3), 'solana');
  assert.deepEqual([third.body?.code, used(third)], ['spending-limit-exceeded', String(2 * FEE + 3)]);
});
