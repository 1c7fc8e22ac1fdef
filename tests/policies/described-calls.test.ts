import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keypair, PublicKey, Transaction, TransactionInstruction } from '@solana/web3.js';
import { Interface, Transaction as EthereumTransaction } from 'ethers';
import type { Answer, RawClient } from '../raw-client.ts';
import { Scene, signing } from './scene.ts';

const running = withStack();

const ROUTER = '0x52908400098527886E0F7030069857D2E4169EE7';
const abi = new Interface(['function swap(address to, uint256 amount)', 'function drain(address to)']);
const TOKENS = new PublicKey('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA');
const ASSOCIATED = new PublicKey('ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL');
const fresh = () => Keypair.generate().publicKey;

/** A contract call that the chain knows nothing about. */
function calls(scene: Scene, by: RawClient, data: string, to = ROUTER): Promise<Answer> {
  const unsigned = EthereumTransaction.from({
    type: 2,
    chainId: 1,
    nonce: 0,
    to,
    gasLimit: 100_000n,
    maxFeePerGas: 1n,
    maxPriorityFeePerGas: 1n,
    data,
  }).unsignedSerialized;
  return scene.signs(by, { kind: 'RLP_ENCODED', bytes: unsigned }, 'ethereum');
}

const swapCall = {
  chain: 'ethereum',
  name: 'router.swap',
  network: 'eip155:1',
  contract: ROUTER,
  signature: 'swap(address to,uint256 amount)',
};
const named = (list: string, where: object) => ({ every: list, where });
const described = (name: string) => [{ what: 'unresolved', kind: 'described-call', subject: name }];
const swaps = (friend: string, max: number) => ({
  version: 1,
  calls: [swapCall],
  rules: [
    {
      ...signing,
      when: named('effects.calls', {
        all: [
          { field: 'item.name', operator: '==', value: 'router.swap' },
          { field: 'item.arguments["to"]', operator: '==', value: friend },
          { field: 'int(item.arguments["amount"])', operator: '<=', value: String(max) },
        ],
      }),
      accepts: described('router.swap'),
    },
  ],
});

test('a policy names the arguments of a contract call by the ABI that it holds', async () => {
  const scene = await Scene.of(running);
  const friend = '0x8617E340B3D01FA5F11F306F4090FD50E238070D';
  const agent = await scene.user('agent', swaps(friend, 100));
  const swap = (to: string, amount: bigint) => abi.encodeFunctionData('swap', [to, amount]);
  assert.equal((await calls(scene, agent, swap(friend, 100n))).status, 200);
  const tooMuch = await calls(scene, agent, swap(friend, 101n));
  assert.equal(tooMuch.body?.code, 'policy-denied', tooMuch.text);
  assert.match(tooMuch.text, /arguments\[\\"amount\\"\]/);
  for (const refused of [
    swap(ROUTER, 1n),
    abi.encodeFunctionData('drain', [friend]),
    // Another encoding than a compiler's is no call of this kind.
    `${swap(friend, 1n)}00`,
  ])
    assert.ok((await calls(scene, agent, refused)).status >= 400, refused);
  // The same bytes to another contract are not what is described.
  assert.ok((await calls(scene, agent, swap(friend, 1n), friend)).status >= 400);
});

test('what one policy describes loosens no other: the organization’s sees the call that it knows', async () => {
  const scene = await Scene.of(running);
  const { organizationId, root } = scene;
  const friend = '0x8617E340B3D01FA5F11F306F4090FD50E238070D';
  const agent = await scene.user('agent', swaps(friend, 100));
  const data = abi.encodeFunctionData('swap', [friend, 1n]);
  assert.equal((await calls(scene, agent, data)).status, 200);
  const organization = (policy: object) =>
    root.native('updatePolicy', { organizationId, policyName: 'all', policy });
  // It would accept anything that is described, and describes nothing itself.
  const accepting = { ...signing, accepts: [{ what: 'unresolved', kind: 'described-call' }] };
  await organization({ version: 1, rules: [accepting] });
  const denied = await calls(scene, agent, data);
  assert.equal(denied.body?.code, 'transaction-blocked', denied.text);
  await organization({ version: 1, calls: [{ ...swapCall, name: 'its-own' }], rules: [accepting] });
  assert.equal((await calls(scene, agent, data)).status, 200);
  const bound = { ...signing, accepts: [{ what: 'unresolved', kind: 'unknown-call' }] };
  await organization({ version: 1, rules: [bound] });
  assert.equal((await calls(scene, agent, data)).status, 200);
});

test('a policy names the arguments and accounts of an instruction by the IDL that it holds', async () => {
  const scene = await Scene.of(running);
  const from = new PublicKey(scene.address('Solana'));
  const [program, pool] = [fresh(), fresh()];
  const deposit = {
    chain: 'solana',
    name: 'pool.deposit',
    program: program.toBase58(),
    discriminator: 'f223c68952e1f2b6',
    arguments: [
      { name: 'amount', type: 'u64' },
      { name: 'memo', type: { option: 'string' } },
    ],
    accounts: ['user', 'pool'],
  };
  const agent = await scene.user('agent', {
    version: 1,
    calls: [deposit],
    rules: [
      {
        ...signing,
        when: named('effects.calls', {
          all: [
            { field: 'item.name', operator: '==', value: 'pool.deposit' },
            { field: 'item.arguments["account.pool"]', operator: '==', value: pool.toBase58() },
            { field: 'int(item.arguments["amount"])', operator: '<', value: '1000' },
          ],
        }),
        accepts: described('pool.deposit'),
      },
    ],
  });
  const sends = (amount: number, to = pool, tail = [0], code = program) => {
    const data = Buffer.concat([Buffer.from('f223c68952e1f2b6', 'hex'), Buffer.alloc(8), Buffer.from(tail)]);
    data.writeBigUInt64LE(BigInt(amount), 8);
    const instruction = new TransactionInstruction({
      programId: code,
      data,
      keys: [
        { pubkey: from, isSigner: true, isWritable: true },
        { pubkey: to, isSigner: false, isWritable: true },
      ],
    });
    const transaction = new Transaction({ feePayer: from, recentBlockhash: fresh().toBase58() })
      .add(instruction)
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    return scene.signs(agent, transaction, 'solana');
  };
  const first = await sends(999);
  assert.equal(first.status, 200, first.text);
  assert.equal((await sends(1000)).body?.code, 'policy-denied');
  assert.equal((await sends(1, fresh())).body?.code, 'policy-denied');
  // Data that does not fit is a call that no acceptance of the description names.
  for (const tail of [[], [0, 0], [2]])
    assert.equal((await sends(1, pool, tail)).body?.code, 'transaction-blocked', String(tail));
  assert.equal((await sends(1, pool, [0], fresh())).body?.code, 'policy-denied');
});

test('a policy recognises the token accounts of the owners that it names, and no others', async () => {
  const scene = await Scene.of(running);
  const from = new PublicKey(scene.address('Solana'));
  const [friend, stranger, mint] = [fresh(), fresh(), fresh()];
  const rule = {
    ...signing,
    when: named('effects.outflows', { field: 'item.to', operator: 'in', value: [friend.toBase58()] }),
  };
  const agent = await scene.user('agent', { version: 1, owners: [friend.toBase58()], rules: [rule] });
  const without = await scene.user('without', { version: 1, rules: [rule] });
  const accountOf = (owner: PublicKey) =>
    PublicKey.findProgramAddressSync([owner.toBuffer(), TOKENS.toBuffer(), mint.toBuffer()], ASSOCIATED)[0];
  const sends = (by: RawClient, destination: PublicKey) => {
    const instruction = new TransactionInstruction({
      programId: TOKENS,
      data: Buffer.from([12, 5, 0, 0, 0, 0, 0, 0, 0, 6]),
      keys: [accountOf(from), mint, destination, from].map((pubkey) => ({
        pubkey,
        isSigner: pubkey === from,
        isWritable: pubkey !== mint && pubkey !== from,
      })),
    });
    const transaction = new Transaction({ feePayer: from, recentBlockhash: fresh().toBase58() })
      .add(instruction)
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    return scene.signs(by, transaction, 'solana');
  };
  const paid = await sends(agent, accountOf(friend));
  assert.equal(paid.status, 200, paid.text);
  assert.equal((await sends(agent, accountOf(stranger))).body?.code, 'policy-denied');
  assert.equal((await sends(without, accountOf(friend))).body?.code, 'policy-denied');
});
