import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Keypair, PublicKey, SystemProgram, Transaction, TransactionInstruction } from '@solana/web3.js';
import { Transaction as EthereumTransaction, Interface, MaxUint256 } from 'ethers';
import { runCommandLine } from '@keystead/cli/command-line';
import { readSurroundings } from '@keystead/cli/surroundings';
import { createClient } from '@keystead/sdk/client';
import { newCredentials, writeCredentials } from '@keystead/sdk/node/credentials';
import type { Answer, RawClient } from '../raw-client.ts';
import { FEE, lamports, limited, Scene, signing, SOL, stampKeyOf } from './scene.ts';

const running = withStack();

const TOKEN_PROGRAM = new PublicKey('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA');
const TOKEN_2022_PROGRAM = new PublicKey('TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb');
const ASSOCIATED_TOKEN_PROGRAM = new PublicKey('ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL');
const WRAPPED_SOL = new PublicKey('So11111111111111111111111111111111111111112');

const TOKEN = `0x${'11'.repeat(20)}`;
/** Another contract that calls itself the same. */
const NAMESAKE = `0x${'22'.repeat(20)}`;
/** Polygon's own coin, as a contract. */
const POLYGON_COIN = '0x0000000000000000000000000000000000001010';
const MULTICALL3 = '0xcA11bde05977b3631167028862bE2a173976CA11';
const ETHEREUM = {
  derivationPath: "m/44'/60'/0'/0/0",
  curve: 'Secp256k1',
  addressFormat: 'Ethereum',
};
const ENTRY_POINT = '0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108';
const SPENDER = `0x${'33'.repeat(20)}`;
const token = new Interface([
  'function transfer(address,uint256)',
  'function approve(address,uint256)',
  'function transferFrom(address,address,uint256)',
  'function burn(uint256)',
  'function multicall(bytes[])',
  'function multiSend(bytes)',
  'function withdrawTo(address,uint256)',
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

function calls(
  scene: Scene,
  by: RawClient,
  to: string,
  data: string,
  nonce: number,
  value = 0n,
  chainId = 1,
): Promise<Answer> {
  const bytes = EthereumTransaction.from({
    type: 2,
    chainId,
    nonce,
    to,
    data,
    value,
    gasLimit: 100_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1n,
  }).unsignedSerialized;
  return by.rpc('signTransaction', {
    organizationId: scene.organizationId,
    walletId: scene.wallet.walletId,
    transaction: { kind: 'RLP_ENCODED', bytes },
    derivationInfo: ETHEREUM,
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

test('L16: a signed permit of 1,000 counts like an approval of it, and one without bound is refused', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', {
    version: 1,
    rules: [{ ...signing, on: ['sign-typed-data'] }],
    limits: [ofAsset(erc20(TOKEN), 100)],
  });
  const fields = (text: string) =>
    text.split(',').map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] }));
  const permit = (value: bigint, nonce: number) =>
    agent.rpc('ethereumSignTypedData', {
      organizationId: scene.organizationId,
      walletId: scene.wallet.walletId,
      derivationInfo: ETHEREUM,
      typedData: {
        types: {
          EIP712Domain: fields('string name,string version,uint256 chainId,address verifyingContract'),
          Permit: fields('address owner,address spender,uint256 value,uint256 nonce,uint256 deadline'),
        },
        primaryType: 'Permit',
        domain: { name: 'Token', version: '1', chainId: 1, verifyingContract: TOKEN },
        message: {
          owner: scene.address('Ethereum'),
          spender: SPENDER,
          value: String(value),
          nonce,
          deadline: 9_999_999_999,
        },
      },
    });
  assert.equal((await permit(1000n, 0)).body?.code, 'spending-limit-exceeded');
  assert.equal((await permit(MaxUint256, 0)).body?.code, 'transaction-blocked');
  assert.equal((await permit(60n, 0)).status, 200);
  // Of a permit nothing shows that the other one cannot be used: both count.
  assert.equal((await permit(60n, 0)).body?.code, 'spending-limit-exceeded');
  assert.equal((await permit(40n, 1)).status, 200);
});

test('L17: a Batch that hides three transfers, calls four deep and 64 calls are summed; one deeper or one more is refused', async () => {
  const scene = await Scene.of(running);
  const mint = Keypair.generate().publicKey;
  const agent = await scene.user(
    'agent',
    limited(ofAsset(erc20(TOKEN), 100), { ...ofAsset(`solana/token:${mint.toBase58()}`, 100), id: 'mint' }),
  );
  const us = new PublicKey(scene.address('Solana'));
  const [from, to] = [Keypair.generate().publicKey, Keypair.generate().publicKey];
  const batch = (...amounts: number[]) => {
    const each = (amount: number) => [12, amount, 0, 0, 0, 0, 0, 0, 0, 6];
    const instruction = new TransactionInstruction({
      programId: TOKEN_PROGRAM,
      data: Buffer.from([255, ...amounts.flatMap((amount) => [4, 10, ...each(amount)])]),
      keys: amounts.flatMap(() =>
        [from, mint, to, us].map((pubkey) => ({ pubkey, isSigner: pubkey.equals(us), isWritable: true })),
      ),
    });
    const recentBlockhash = Keypair.generate().publicKey.toBase58();
    const bytes = new Transaction({ feePayer: us, recentBlockhash })
      .add(instruction)
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    return scene.signs(agent, bytes, 'solana');
  };
  assert.equal((await batch(40, 40, 40)).body?.code, 'spending-limit-exceeded');
  assert.equal((await batch(40, 40, 20)).status, 200);
  const transfer = (amount: bigint) => token.encodeFunctionData('transfer', [SPENDER, amount]);
  const nested = (levels: number, amount: bigint) =>
    Array.from({ length: levels }).reduce<string>(
      (inner) => token.encodeFunctionData('multicall', [[inner]]),
      transfer(amount),
    );
  assert.equal((await calls(scene, agent, TOKEN, nested(4, 101n), 0)).body?.code, 'spending-limit-exceeded');
  assert.equal((await calls(scene, agent, TOKEN, nested(4, 36n), 0)).status, 200);
  const deeper = await calls(scene, agent, TOKEN, nested(5, 1n), 1);
  assert.equal(deeper.body?.code, 'transaction-too-complex');
  const many = (count: number, amount: bigint) => {
    const call = transfer(amount).slice(2);
    const one = `00${TOKEN.slice(2)}${'0'.repeat(64)}${(call.length / 2).toString(16).padStart(64, '0')}${call}`;
    return token.encodeFunctionData('multiSend', [`0x${one.repeat(count)}`]);
  };
  assert.equal((await calls(scene, agent, SPENDER, many(64, 2n), 1)).body?.code, 'spending-limit-exceeded');
  assert.equal((await calls(scene, agent, SPENDER, many(65, 0n), 1)).body?.code, 'transaction-too-complex');
  assert.equal((await calls(scene, agent, SPENDER, many(64, 1n), 1)).status, 200);
  assert.equal((await calls(scene, agent, TOKEN, transfer(1n), 2)).body?.code, 'spending-limit-exceeded');
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

test('E8: ether sent to a contract counts as sent there, although its call data names us, or many others', async () => {
  const scene = await Scene.of(running);
  const batches = new Interface([
    'function aggregate3Value((address target,bool allowFailure,uint256 value,bytes callData)[] calls)',
  ]);
  const ether = 10n ** 18n;
  const named = (...targets: string[]) =>
    batches.encodeFunctionData('aggregate3Value', [
      targets.map((target) => ({ target, allowFailure: false, value: ether, callData: '0x' })),
    ]);
  const limit = { ...ofAsset('eip155:1/slip44:60', 0), max: String(2n * ether), excludeOwn: true };
  const agent = await scene.user('agent', limited(limit));
  const data = named(...Array.from({ length: 10 }, () => scene.address('Ethereum')));
  const sent = await calls(scene, agent, SPENDER, data, 0, 10n * ether);
  assert.equal(sent.body?.code, 'spending-limit-exceeded');
  // The control: of Multicall3 it is known that it passes on what it is told to, or fails.
  const passed = await calls(scene, agent, MULTICALL3, data, 1, 10n * ether);
  assert.equal(passed.status, 200, passed.text);
  const each = await scene.user('each', limited({ ...limit, per: ['destination'] }));
  const many = named(...Array.from({ length: 10 }, (_, index) => `0x${String(index + 10).repeat(20)}`));
  const split = await calls(scene, each, SPENDER, many, 2, 10n * ether);
  assert.equal(split.body?.code, 'spending-limit-exceeded');
  assert.equal((await calls(scene, each, MULTICALL3, many, 3, 10n * ether)).status, 200);
});

test('E9: the token with the id zero is not nothing: without a price it leaves under no limit in US dollars', async () => {
  const scene = await Scene.of(running);
  await scene.pricedAlike({ 'eip155:1/slip44:60': ['3000000000', 18], [erc20(TOKEN)]: ['1000000', 6] });
  const agent = await scene.user('agent', {
    type: 'CEL',
    preset: 'DAPP_CONNECTION_USER',
    walletId: scene.wallet.walletId,
    usdLimit: { usdCentsLimitPerDay: 100, memoryAccount: 'a', memoryId: 0, memoryBump: 0 },
  });
  const own = scene.address('Ethereum');
  const zero = [
    token.encodeFunctionData('transferFrom', [own, SPENDER, 0n]),
    token.encodeFunctionData('approve', [SPENDER, 0n]),
    token.encodeFunctionData('burn', [0n]),
  ];
  for (const data of zero)
    assert.equal((await calls(scene, agent, NAMESAKE, data, 0)).body?.code, 'spending-limit-exceeded');
  // The control: a contract with a price is one of amounts, and an amount of zero is worth next to nothing.
  for (const data of zero) assert.equal((await calls(scene, agent, TOKEN, data, 0)).status, 200);
});

test('L18: wrapping SOL into the own token account spends the fee only; closing that account to somebody else has no bound', async () => {
  const scene = await Scene.of(running);
  const own = (excludeOwn: boolean) => ({ ...lamports(FEE + 1), ...(excludeOwn ? { excludeOwn } : {}) });
  const agent = await scene.user('agent', limited(own(true)));
  const us = new PublicKey(scene.address('Solana'));
  const them = Keypair.generate().publicKey;
  const tokens = (owner: PublicKey) =>
    PublicKey.findProgramAddressSync(
      [owner.toBuffer(), TOKEN_PROGRAM.toBuffer(), WRAPPED_SOL.toBuffer()],
      ASSOCIATED_TOKEN_PROGRAM,
    )[0];
  const runs = (...instructions: TransactionInstruction[]) => {
    const recentBlockhash = Keypair.generate().publicKey.toBase58();
    const transaction = new Transaction({ feePayer: us, recentBlockhash });
    for (const each of instructions) transaction.add(each);
    const bytes = transaction.serialize({ requireAllSignatures: false, verifySignatures: false });
    return scene.signs(agent, bytes, 'solana');
  };
  const ofTokens = (data: number[], ...accounts: PublicKey[]) =>
    new TransactionInstruction({
      programId: TOKEN_PROGRAM,
      data: Buffer.from(data),
      keys: accounts.map((pubkey) => ({ pubkey, isSigner: pubkey.equals(us), isWritable: true })),
    });
  const wraps = (account: PublicKey) => [
    SystemProgram.transfer({ fromPubkey: us, toPubkey: account, lamports: 1_000_000_000 }),
    ofTokens([17], account),
  ];
  const elsewhere = await runs(...wraps(tokens(them)));
  assert.equal(elsewhere.body?.code, 'spending-limit-exceeded');
  assert.equal((await runs(...wraps(tokens(us)))).status, 200);
  const closes = await runs(ofTokens([9], tokens(us), them, us));
  assert.deepEqual([closes.body?.code, closes.body?.rule], ['transaction-blocked', 'effects-unbounded']);
  // A policy that does not leave out what is its own counts it.
  await scene.change('agent', limited(own(false)));
  assert.equal((await runs(...wraps(tokens(us)))).body?.code, 'spending-limit-exceeded');
});

test('L18: what a mint of Token-2022 may keep of a transfer to ourselves counts, all of it or the fee that is stated', async () => {
  const scene = await Scene.of(running);
  const mint = Keypair.generate().publicKey;
  const limit = { ...ofAsset(`solana/token:${mint.toBase58()}`, 100), excludeOwn: true };
  const agent = await scene.user('agent', limited(limit));
  const us = new PublicKey(scene.address('Solana'));
  const moves = (program: PublicKey, data: number[]) => {
    const tokens = PublicKey.findProgramAddressSync(
      [us.toBuffer(), program.toBuffer(), mint.toBuffer()],
      ASSOCIATED_TOKEN_PROGRAM,
    )[0];
    const transaction = new Transaction({
      feePayer: us,
      recentBlockhash: Keypair.generate().publicKey.toBase58(),
    }).add(
      new TransactionInstruction({
        programId: program,
        data: Buffer.from(data),
        keys: [Keypair.generate().publicKey, mint, tokens, us].map((pubkey) => ({
          pubkey,
          isSigner: pubkey.equals(us),
          isWritable: true,
        })),
      }),
    );
    const bytes = transaction.serialize({ requireAllSignatures: false, verifySignatures: false });
    return scene.signs(agent, bytes, 'solana');
  };
  const u64 = (value: number) => [value & 255, value >> 8, 0, 0, 0, 0, 0, 0];
  const unstated = [12, ...u64(1000), 6];
  assert.equal((await moves(TOKEN_2022_PROGRAM, unstated)).body?.code, 'spending-limit-exceeded');
  const stated = (fee: number) => moves(TOKEN_2022_PROGRAM, [26, 1, ...u64(1000), 6, ...u64(fee)]);
  assert.equal((await stated(101)).body?.code, 'spending-limit-exceeded');
  assert.equal((await stated(100)).status, 200);
  // The control: a mint of the first program keeps nothing.
  assert.equal((await moves(TOKEN_PROGRAM, unstated)).status, 200);
});

test('L26: a coin has one budget under all of its names', async () => {
  const scene = await Scene.of(running);
  const limit = (max: bigint) => ({ ...lamports(0), max: String(max), per: ['wallet', 'asset'] });
  const agent = await scene.user('agent', limited(limit(10n ** 18n)));
  // Polygon: the coin is a contract as well. Nine tenths of the budget go out as a token, then as the coin.
  const most = token.encodeFunctionData('transfer', [SPENDER, (9n * 10n ** 18n) / 10n]);
  assert.equal((await calls(scene, agent, POLYGON_COIN, most, 0, 0n, 137)).status, 200);
  const again = await calls(scene, agent, POLYGON_COIN, most, 1, 0n, 137);
  assert.equal(again.body?.code, 'spending-limit-exceeded');
  const bytes = EthereumTransaction.from({
    type: 2,
    chainId: 137,
    nonce: 1,
    to: SPENDER,
    value: (9n * 10n ** 18n) / 10n,
    gasLimit: 21_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1n,
  }).unsignedSerialized;
  const asCoin = await scene.signs(agent, { kind: 'RLP_ENCODED', bytes }, 'ethereum');
  assert.equal(asCoin.body?.code, 'spending-limit-exceeded');
  // Negative control: on another chain the contract is a token like any other.
  assert.equal((await calls(scene, agent, POLYGON_COIN, most, 0)).status, 200);
});

test('L26: SOL that is wrapped on the way out counts as SOL', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user(
    'agent',
    limited({ ...lamports(3 * FEE), excludeOwn: true, per: ['wallet'], across: { asset: [SOL] } }),
  );
  const us = new PublicKey(scene.address('Solana'));
  const them = Keypair.generate().publicKey;
  const wrapped = (owner: PublicKey, mint: PublicKey) =>
    PublicKey.findProgramAddressSync(
      [owner.toBuffer(), TOKEN_PROGRAM.toBuffer(), mint.toBuffer()],
      ASSOCIATED_TOKEN_PROGRAM,
    )[0];
  const sends = (amount: bigint, mint: PublicKey) => {
    const data = Buffer.alloc(10);
    data.set([12]);
    data.writeBigUInt64LE(amount, 1);
    data.set([9], 9);
    const accounts = [wrapped(us, mint), mint, wrapped(them, mint), us];
    const transaction = new Transaction({
      feePayer: us,
      recentBlockhash: Keypair.generate().publicKey.toBase58(),
    }).add(
      new TransactionInstruction({
        programId: TOKEN_PROGRAM,
        data,
        keys: accounts.map((pubkey) => ({ pubkey, isSigner: pubkey.equals(us), isWritable: true })),
      }),
    );
    const bytes = transaction.serialize({ requireAllSignatures: false, verifySignatures: false });
    return scene.signs(agent, bytes, 'solana');
  };
  const large = await sends(1_000_000_000n, WRAPPED_SOL);
  assert.equal(large.body?.code, 'spending-limit-exceeded');
  assert.equal((await sends(1n, WRAPPED_SOL)).status, 200);
  // Negative control: a token of another mint is not SOL.
  assert.equal((await sends(1_000_000_000n, Keypair.generate().publicKey)).status, 200);
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

test('E9: withdrawTo of a token that wraps another takes the token, and of an entry point the coin', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(ofAsset(erc20(TOKEN), 100)));
  const withdraws = (contract: string, amount: bigint) =>
    calls(scene, agent, contract, token.encodeFunctionData('withdrawTo', [SPENDER, amount]), 0);
  assert.equal((await withdraws(TOKEN, 101n)).body?.code, 'spending-limit-exceeded');
  assert.equal((await withdraws(TOKEN, 100n)).status, 200);
  // The control: what an entry point holds is the coin, which this limit does not look at.
  assert.equal((await withdraws(ENTRY_POINT, 101n)).status, 200);
});

test('E12: a signed user operation counts its gas at the highest price beside what its account is told to pay', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', {
    version: 1,
    rules: [{ ...signing, on: ['sign-typed-data'] }],
    limits: [ofAsset('eip155:1/slip44:60', 1_000_000)],
  });
  const fields = (text: string) =>
    text.split(',').map((field) => ({ type: field.split(' ')[0], name: field.split(' ')[1] }));
  const word = (high: number, low: number) =>
    `0x${high.toString(16).padStart(32, '0')}${low.toString(16).padStart(32, '0')}`;
  const execute = (value: number) =>
    new Interface(['function execute(address,uint256,bytes)']).encodeFunctionData('execute', [
      SPENDER,
      value,
      '0x',
    ]);
  let nonce = 0;
  const signs = (gas: number, value: number, paymasterAndData = '0x') =>
    agent.rpc('ethereumSignTypedData', {
      organizationId: scene.organizationId,
      walletId: scene.wallet.walletId,
      derivationInfo: ETHEREUM,
      typedData: {
        types: {
          PackedUserOperation: fields(
            'address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData',
          ),
        },
        primaryType: 'PackedUserOperation',
        domain: { name: 'ERC4337', version: '1', chainId: 1, verifyingContract: ENTRY_POINT },
        message: {
          sender: NAMESAKE,
          nonce: String(nonce++),
          initCode: '0x',
          callData: execute(value),
          accountGasLimits: word(gas, gas),
          preVerificationGas: String(gas),
          gasFees: word(1, 10),
          paymasterAndData,
        },
      },
    });
  // Three times the gas at ten wei each.
  assert.equal((await signs(33_334, 0)).body?.code, 'spending-limit-exceeded');
  assert.equal((await signs(10_000, 700_001)).body?.code, 'spending-limit-exceeded');
  assert.equal((await signs(1, 1, `${SPENDER}${'00'.repeat(32)}`)).body?.code, 'transaction-blocked');
  assert.equal((await signs(10_000, 600_000)).status, 200);
  assert.equal((await signs(3_334, 0)).body?.code, 'spending-limit-exceeded');
  assert.equal((await signs(3_333, 10)).status, 200);
});

test('assets on several chains that a list names as one have one budget in dollars, and each has its own without', async () => {
  const scene = await Scene.of(running);
  const mint = Keypair.generate().publicKey;
  const ethereum = erc20(TOKEN);
  const binance = `eip155:56/erc20:${NAMESAKE}`;
  const solana = `solana/token:${mint.toBase58()}`;
  const listed = [ethereum, binance, solana];
  // 6, 18 and 6 decimals: base units of them have no sum.
  await scene.pricedAlike({
    [ethereum]: ['1000000', 6],
    [binance]: ['1000000', 18],
    [solana]: ['1000000', 6],
  });
  const policy = (over: object) => ({
    version: 1,
    lists: { dollars: listed },
    rules: [signing],
    limits: [{ id: 'dollars', meter: 'usd', window: { kind: 'lifetime' }, max: '100000000', ...over }],
  });
  const one = await scene.user('one', policy({ per: ['user'], across: { asset: { list: 'dollars' } } }));
  const each = await scene.user(
    'each',
    policy({ per: ['user', 'asset'], across: { asset: { list: 'dollars' } } }),
  );
  const us = new PublicKey(scene.address('Solana'));
  const transfer = (amount: bigint) => token.encodeFunctionData('transfer', [SPENDER, amount]);
  const pays = (by: RawClient, nonce: number) => [
    () => calls(scene, by, TOKEN, transfer(60_000_000n), nonce),
    () => calls(scene, by, NAMESAKE, transfer(60n * 10n ** 18n), nonce, 0n, 56),
    () => {
      const accounts = [Keypair.generate().publicKey, mint, Keypair.generate().publicKey, us];
      const data = Buffer.alloc(10);
      data.set([12]);
      data.writeBigUInt64LE(60_000_000n, 1);
      data.set([6], 9);
      const bytes = new Transaction({ feePayer: us, recentBlockhash: accounts[0]!.toBase58() })
        .add(
          new TransactionInstruction({
            programId: TOKEN_PROGRAM,
            data,
            keys: accounts.map((pubkey) => ({ pubkey, isSigner: pubkey.equals(us), isWritable: true })),
          }),
        )
        .serialize({ requireAllSignatures: false, verifySignatures: false });
      return scene.signs(by, bytes, 'solana');
    },
  ];
  const [first, ...others] = pays(one, 0);
  assert.equal((await first!()).status, 200);
  for (const other of others) assert.equal((await other()).body?.code, 'spending-limit-exceeded');
  for (const pay of pays(each, 1)) {
    const answer = await pay();
    assert.equal(answer.status, 200, answer.text);
  }
  // A sum of base units is refused when it is written.
  const sum = { ...ofAsset('', 0), across: { asset: listed }, max: '1' };
  await assert.rejects(scene.change('one', limited(sum)), { code: 'parameter-invalid' });
});

test('L27: one wallet has one budget, whichever way it is asked', async (t) => {
  const scene = await Scene.of(running);
  const { organizationId, wallet } = scene;
  const { walletId } = wallet;
  await scene.root.native('updatePolicy', {
    organizationId,
    policyName: 'everybody',
    policy: limited(lamports(3 * (FEE + 1))),
  });
  const folder = mkdtempSync(join(tmpdir(), 'keystead-budget-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const credentials = newCredentials({
    api: running.api,
    deploymentId: running.stack.deploymentId,
    organizationId,
    walletId,
    username: 'clerk',
  });
  const path = join(folder, 'clerk.json');
  writeCredentials(path, credentials);
  const key = stampKeyOf(credentials.privateKey.expose());
  const clerk = await scene.user('clerk', { type: 'CEL', preset: 'LEGACY_USER_ROLE' }, key);
  const client = createClient({
    baseUrl: running.api,
    root: running.stack.deploymentId,
    stamper: { algorithm: 'ed25519', publicKey: key.publicKeyBytes, sign: async (bytes) => key.sign(bytes) },
  });
  const bySdk = () =>
    client.call('signTransaction', {
      organizationId,
      walletId,
      chain: 'solana',
      transaction: scene.transfer(1).toString('base64url'),
      derivationInfo: "m/44'/501'/0'/0'",
    });
  const byCommand = async (): Promise<string> => {
    const file = join(folder, 'transaction');
    writeFileSync(file, `0x${scene.transfer(1).toString('hex')}`);
    let printed = '';
    const given = ['sign', 'transaction', file, '--chain', 'solana', '--credentials', path, '--json'];
    const surroundings = { ...readSurroundings(), say: (line: string) => void (printed += line) };
    await runCommandLine(given, surroundings, (text) => (printed += text));
    return printed;
  };
  assert.equal((await scene.sends(clerk, 1)).status, 200, 'as published clients ask');
  await bySdk();
  assert.match(await byCommand(), /"signature":/);
  await assert.rejects(bySdk(), { code: 'spending-limit-exceeded' });
  assert.equal((await scene.sends(clerk, 1)).body?.code, 'spending-limit-exceeded');
  assert.match(await byCommand(), /spending-limit-exceeded/);
});
