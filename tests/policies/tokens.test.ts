import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Transaction as EthereumTransaction, Interface, MaxUint256 } from 'ethers';
import { createClient } from '@keystead/sdk/client';
import { newStampKey, type Answer, type RawClient } from '../raw-client.ts';
import { FEE, lamports, limited, Scene } from './scene.ts';

const running = withStack();

const TOKEN = `0x${'11'.repeat(20)}`;
/** Another contract that calls itself the same. */
const NAMESAKE = `0x${'22'.repeat(20)}`;
const SPENDER = `0x${'33'.repeat(20)}`;
const token = new Interface([
  'function transfer(address,uint256)',
  'function approve(address,uint256)',
  'function multicall(bytes[])',
]);

/** A limit of one asset: the fee is of another. */
const ofAsset = (asset: string, max: number) => ({
  id: 'tokens',
  meter: 'amount',
  across: { asset: [asset] },
  window: { kind: 'rolling', seconds: 86_400 },
  max: String(max),
});
const erc20 = (contract: string) => `eip155:1/erc20:${contract}`;

function calls(scene: Scene, by: RawClient, to: string, data: string, nonce: number): Promise<Answer> {
  const bytes = EthereumTransaction.from({
    type: 2,
    chainId: 1,
    nonce,
    to,
    data,
    gasLimit: 100_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1n,
  }).unsignedSerialized;
  return by.rpc('signTransaction', {
    organizationId: scene.organizationId,
    walletId: scene.wallet.walletId,
    transaction: { kind: 'RLP_ENCODED', bytes },
    derivationInfo: { derivationPath: "m/44'/60'/0'/0/0", curve: 'Secp256k1', addressFormat: 'Ethereum' },
  });
}

test('L16: an allowance counts as if it were taken, and one without bound is refused', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(ofAsset(erc20(TOKEN), 100)));
  const approve = (amount: bigint, nonce: number) =>
    calls(scene, agent, TOKEN, token.encodeFunctionData('approve', [SPENDER, amount]), nonce);
  assert.equal((await approve(1000n, 0)).body?.code, 'spending-limit-exceeded');
  assert.equal((await approve(MaxUint256, 1)).body?.code, 'transaction-blocked');
  assert.equal((await approve(100n, 2)).status, 200);
  const transfer = token.encodeFunctionData('transfer', [SPENDER, 1n]);
  assert.equal((await calls(scene, agent, TOKEN, transfer, 3)).body?.code, 'spending-limit-exceeded');
});

test('L17: transfers inside a batch are added up', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(ofAsset(erc20(TOKEN), 100)));
  const batch = (...amounts: bigint[]) =>
    token.encodeFunctionData('multicall', [
      amounts.map((amount) => token.encodeFunctionData('transfer', [SPENDER, amount])),
    ]);
  assert.equal(
    (await calls(scene, agent, TOKEN, batch(40n, 40n, 40n), 0)).body?.code,
    'spending-limit-exceeded',
  );
  assert.equal((await calls(scene, agent, TOKEN, batch(40n, 40n, 20n), 1)).status, 200);
});

test('L26: a token is its contract: one that calls itself the same has a budget of its own', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user(
    'agent',
    limited(ofAsset(erc20(TOKEN), 100), { ...ofAsset(erc20(NAMESAKE), 5), id: 'namesake' }),
  );
  const transfer = token.encodeFunctionData('transfer', [SPENDER, 100n]);
  assert.equal((await calls(scene, agent, NAMESAKE, transfer, 0)).body?.code, 'spending-limit-exceeded');
  assert.equal((await calls(scene, agent, TOKEN, transfer, 1)).status, 200);
  const few = token.encodeFunctionData('transfer', [SPENDER, 5n]);
  assert.equal((await calls(scene, agent, NAMESAKE, few, 2)).status, 200);
});

test('L27: one wallet has one budget, whichever way it is asked', async () => {
  const scene = await Scene.of(running);
  const { organizationId, wallet } = scene;
  const key = newStampKey();
  const agent = await scene.user('agent', limited(lamports(2 * (FEE + 1))), key);
  const client = createClient({
    baseUrl: running.api,
    root: running.stack.deploymentId,
    stamper: { algorithm: 'ed25519', publicKey: key.publicKeyBytes, sign: async (bytes) => key.sign(bytes) },
  });
  const bySdk = () =>
    client.call('signTransaction', {
      organizationId,
      walletId: wallet.walletId,
      chain: 'solana',
      transaction: scene.transfer(1).toString('base64url'),
      derivationInfo: "m/44'/501'/0'/0'",
    });
  assert.equal((await scene.sends(agent, 1)).status, 200, 'as published clients ask');
  await bySdk();
  await assert.rejects(bySdk(), { code: 'spending-limit-exceeded' });
  assert.equal((await scene.sends(agent, 1)).body?.code, 'spending-limit-exceeded');
});
