/**
 * Nodes that lie (rows E7 and E18): what a node says is no part of a decision, and loosens nothing. Sources that ask nodes what
 * became of transactions are in tests/policies/sources.test.ts.
 */
import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { chainNode } from '@keystead/cli/chain/json-rpc';
import { ethereumTransfer } from '@keystead/cli/chain/ethereum-transfer';
import { SEPOLIA_CHAIN_ID } from '../chains/anvil.ts';
import { DEVNET } from '../chains/litesvm-rpc.ts';
import type { Lie } from '../chains/lying-node.ts';
import type { Answer, RawClient } from '../raw-client.ts';
import { FEE, lamports, limited, Scene } from '../policies/scene.ts';

const running = withStack({ chains: true, lying: true });

const PATH = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };
const whole = { id: 'whole', ...lamports(100_000, { window: { kind: 'lifetime' } }) };

/** Signs and broadcasts. */
const sends = (scene: Scene, by: RawClient, transaction: Buffer): Promise<Answer> =>
  by.nativeRpc('signTransaction', {
    organizationId: scene.organizationId,
    walletId: scene.wallet.walletId,
    chain: 'solana',
    transaction: transaction.toString('base64url'),
    derivationInfo: PATH,
    network: DEVNET,
  });

const outcomeOf = ({ status, body }: Answer) => ({
  status,
  code: body?.code ?? null,
  trace: body?.trace ?? null,
  signature: (body?.result as { signature?: string } | undefined)?.signature ?? null,
});

test('E18: a node that flips what it simulates changes no decision, and is not asked before one', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(whole));
  const [small, large] = [scene.transfer(1), scene.transfer(100_001)];
  const dryRun = (transaction: Buffer) =>
    agent.native<{ effects: object; decision: object }>('simulateTransaction', {
      organizationId: scene.organizationId,
      walletId: scene.wallet.walletId,
      chain: 'solana',
      transaction: transaction.toString('base64url'),
      derivationInfo: PATH,
    });
  const { solana } = running.lying;
  const decided = async () =>
    Promise.all(
      [small, large].map(async (transaction) => {
        const { effects, decision } = await dryRun(transaction);
        return { effects, decision };
      }),
    );
  const honest = await decided();
  assert.deepEqual(
    honest.map(({ decision }) => (decision as { outcome: string }).outcome),
    ['allow', 'deny'],
  );
  const flips = (err: string | null): Lie => {
    let flipped = err;
    return ({ method }, truth) => {
      if (method !== 'simulateTransaction') return truth;
      flipped = flipped === null ? 'InsufficientFunds' : null;
      return { ...(truth as object), value: { ...(truth as { value: object }).value, err: flipped } };
    };
  };
  for (const lie of [flips(null), flips('AccountNotFound'), () => ({ value: { err: null, logs: [] } })]) {
    solana.lie = lie;
    assert.deepEqual(await decided(), honest);
    assert.equal((await scene.sends(agent, 100_001)).body?.code, 'spending-limit-exceeded');
  }
  assert.deepEqual(solana.asked, [], 'no decision asks a node');
  // The control: the node is there, and is asked to send what was decided; the limit has counted it whatever it says.
  const sent = await sends(scene, agent, small);
  assert.equal(sent.status, 200, sent.text);
  assert.deepEqual(solana.asked, ['sendTransaction']);
});

test('E7: what a node says of a Solana broadcast changes neither signature nor usage', async () => {
  const scene = await Scene.of(running);
  running.solana.fund(scene.address('Solana'), 1_000_000n);
  const agent = await scene.user('agent', limited(whole));
  const { solana } = running.lying;
  const lies: readonly [string, Lie][] = [
    ['the truth', (_, truth) => truth],
    ['another id', ({ method }, truth) => (method === 'sendTransaction' ? '1'.repeat(88) : truth)],
    ['nothing', () => null],
    ['nonsense', () => ({ toString: 7 })],
  ];
  const payments = lies.map(() => scene.transfer(10_000 - FEE));
  for (const [index, [what, lie]] of lies.entries()) {
    solana.lie = lie;
    const first = outcomeOf(await sends(scene, agent, payments[index]!));
    assert.equal(first.status, 200, what);
    assert.equal(typeof first.signature, 'string', what);
  }
  // 40,000 of 100,000 are spent: nothing came back because a node said that it failed, and nothing went.
  solana.lie = (_, truth) => truth;
  assert.equal((await scene.sends(agent, 60_001 - FEE)).body?.code, 'spending-limit-exceeded');
  assert.equal((await scene.sends(agent, 60_000 - FEE)).status, 200);
});

test('E7: an EVM transaction that a lying node filled in is judged by what it says: a fee of the node’s choice counts', async () => {
  const scene = await Scene.of(running);
  const ether = 10n ** 18n;
  const limit = { ...lamports(0), id: 'ether', window: { kind: 'lifetime' }, max: String(ether) };
  const agent = await scene.user('agent', limited(limit));
  const { ethereum } = running.lying;
  const made = (lie: Lie) => {
    ethereum.lie = lie;
    return ethereumTransfer(chainNode(ethereum.url), {
      chainId: BigInt(SEPOLIA_CHAIN_ID),
      from: scene.address('Ethereum'),
      to: `0x${randomBytes(20).toString('hex')}`,
      value: 1n,
      fees: {},
    });
  };
  const signs = async (lie: Lie) => {
    const bytes = `0x${Buffer.from(await made(lie)).toString('hex')}`;
    return scene.signs(agent, { kind: 'RLP_ENCODED', bytes }, 'ethereum');
  };
  const quantity = (value: bigint) => `0x${value.toString(16)}`;
  const says =
    (method: string, value: unknown): Lie =>
    (call, truth) =>
      call.method === method ? value : truth;
  for (const [what, lie] of [
    ['a priority fee', says('eth_maxPriorityFeePerGas', quantity(ether))],
    ['gas', says('eth_estimateGas', quantity(10n ** 16n))],
    [
      'a base fee',
      (call, truth) =>
        call.method === 'eth_getBlockByNumber'
          ? { ...(truth as object), baseFeePerGas: quantity(ether) }
          : truth,
    ],
  ] as readonly [string, Lie][])
    assert.equal((await signs(lie)).body?.code, 'spending-limit-exceeded', what);
  // Of another chain, and what is no number: nothing is made that could be signed.
  for (const lie of [says('eth_chainId', '0x1'), says('eth_getTransactionCount', 'many'), () => null])
    await assert.rejects(made(lie), { name: 'CommandError' });
  const { status } = await signs((_, truth) => truth);
  assert.equal(status, 200, 'control: the honest node');
});
