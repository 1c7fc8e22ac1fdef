/** What was signed and never sent: listed, and taken back, as an operator does it, on chains that really run. */
import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { chainNode } from '@keystead/cli/chain/json-rpc';
import { Keypair, NONCE_ACCOUNT_LENGTH, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { Psbt, Transaction as BitcoinTransaction } from 'bitcoinjs-lib';
import { Transaction as EthereumTransaction } from 'ethers';
import { ShellSession } from '../cli/shell-session.ts';
import { SEPOLIA, SEPOLIA_CHAIN_ID } from '../chains/anvil.ts';
import { DEVNET } from '../chains/litesvm-rpc.ts';
import type { Answer, RawClient } from '../raw-client.ts';
import { Scene, stampKeyOf } from './scene.ts';

const ETHER = 10n ** 18n;
const GENESIS = '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f';
const BITCOIN = `bip122:${GENESIS.slice(0, 32)}`;

const shell = new ShellSession();
after(() => shell.end());

let scene: Scene;
let agent: RawClient;
const running = withStack({ chains: true }, async (stack) => {
  scene = await Scene.of(stack);
  const seed = randomBytes(32);
  const key = stampKeyOf(seed);
  const always = { constant: true };
  const policy = {
    version: 1,
    rules: [
      {
        id: 'signs',
        effect: 'allow',
        on: ['sign-transaction', 'read', 'use-accounts'],
        when: always,
        accepts: [{ what: 'unresolved', kind: 'durable-nonce' }],
      },
    ],
  };
  agent = await scene.user('agent', policy, key);
  const credentials = {
    api: stack.api,
    deploymentId: stack.stack.deploymentId,
    organizationId: scene.organizationId,
    username: 'agent',
    algorithm: 'Ed25519',
    publicKey: key.publicKey,
    privateKey: seed.toString('base64url'),
  };
  writeFileSync(join(shell.folder, 'agent.json'), JSON.stringify(credentials), { mode: 0o600 });
  const nodes = { [SEPOLIA]: { url: stack.anvil.url }, [DEVNET]: { url: stack.solana.url } };
  writeFileSync(join(shell.folder, 'nodes.json'), JSON.stringify(nodes));
  Object.assign(shell.variables, { KEYSTEAD_HOME: stack.home, KEYSTEAD_CREDENTIALS: 'agent.json' });
});

interface Listed {
  readonly position: number;
  readonly network: string | null;
  readonly uniqueness: string;
  readonly ends: string;
}

async function runs(command: string): Promise<Record<string, unknown>> {
  const { stdout, stderr, code } = await shell.run(`keystead outcomes ${command} --json`);
  assert.equal(code, 0, `${stdout}${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}
const listed = async (file = 'nodes.json') => (await runs(`list ${file}`)).outstanding as readonly Listed[];

const bytesOf = ({ body, text }: Answer): Buffer => {
  const { transaction } = (body as { result?: { transaction: string } }).result ?? {};
  assert.equal(typeof transaction, 'string', text);
  return Buffer.from(transaction!, 'base64url');
};
const sends = (bytes: Buffer) =>
  chainNode(running.solana.url).call('sendTransaction', [bytes.toString('base64'), { encoding: 'base64' }]);

test('E19: a transaction over a durable nonce is listed until its nonce is advanced, and then never lands', async () => {
  const { solana } = running;
  const from = new PublicKey(scene.address('Solana'));
  solana.fund(from.toBase58(), 1_000_000_000n);
  /** A nonce account of ours, and a payment of 5,000,000 signed over its nonce and kept. */
  const kept = async () => {
    const [payer, account] = [Keypair.generate(), Keypair.generate()];
    solana.fund(payer.publicKey.toBase58(), 1_000_000_000n);
    const lamports = Number(solana.chain.minimumBalanceForRentExemption(BigInt(NONCE_ACCOUNT_LENGTH)));
    const creation = new Transaction({ feePayer: payer.publicKey, recentBlockhash: solana.blockhash() }).add(
      SystemProgram.createNonceAccount({
        fromPubkey: payer.publicKey,
        noncePubkey: account.publicKey,
        authorizedPubkey: from,
        lamports,
      }),
    );
    creation.sign(payer, account);
    await sends(creation.serialize());
    const { value } = (await chainNode(solana.url).call('getAccountInfo', [
      account.publicKey.toBase58(),
      {},
    ])) as {
      value: { data: string[] };
    };
    const nonce = new PublicKey(Buffer.from(value.data[0]!, 'base64').subarray(40, 72));
    const to = Keypair.generate().publicKey;
    const payment = new Transaction({ feePayer: from, recentBlockhash: nonce.toBase58() })
      .add(SystemProgram.nonceAdvance({ noncePubkey: account.publicKey, authorizedPubkey: from }))
      .add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports: 5_000_000 }));
    const unsigned = payment.serialize({ requireAllSignatures: false, verifySignatures: false });
    const bytes = bytesOf(await scene.signs(agent, unsigned, 'solana'));
    return { bytes, to: to.toBase58(), account: account.publicKey.toBase58() };
  };
  const [revoked, other] = [await kept(), await kept()];
  solana.expireBlockhash();
  const before = await listed();
  assert.deepEqual(
    before.map(({ uniqueness, network, ends }) => [uniqueness, network, ends]),
    [revoked, other].map(({ account }) => [
      'durable-nonce',
      DEVNET,
      `an advance of the nonce of ${account}, never by itself`,
    ]),
  );
  const taken = await runs(`revoke ${before[0]!.position} nodes.json`);
  assert.equal((taken.submission as { error?: unknown }).error, undefined, JSON.stringify(taken));
  assert.deepEqual(
    (await listed()).map(({ position }) => position),
    [before[1]!.position],
    'what advanced the nonce landed, and what was signed over it is void',
  );
  await assert.rejects(sends(revoked.bytes), /Blockhash not found/);
  assert.equal(solana.balance(revoked.to), 0n);
  const again = await shell.run(`keystead outcomes revoke ${before[0]!.position} nodes.json`);
  assert.match(again.stderr, /it can land no more[\s\S]*nothing is left to revoke/);
  // The control: without the advance it lands, whenever its holder likes.
  await sends(other.bytes);
  assert.equal(solana.balance(other.to), 5_000_000n);
  assert.deepEqual(await listed(), []);
});

test('E19: an EVM transaction that was kept lands no more once its nonce is taken, in the mempool or not', async () => {
  const { anvil } = running;
  const from = scene.address('Ethereum');
  await anvil.fund(from, 100n * ETHER);
  const to = `0x${randomBytes(20).toString('hex')}`;
  const signs = async (nonce: number): Promise<string> => {
    const unsigned = EthereumTransaction.from({
      type: 2,
      chainId: SEPOLIA_CHAIN_ID,
      nonce,
      to,
      value: ETHER,
      gasLimit: 21_000n,
      maxFeePerGas: 5n * 10n ** 9n,
      maxPriorityFeePerGas: 3n * 10n ** 9n,
    }).unsignedSerialized;
    const signed = await scene.signs(agent, { kind: 'RLP_ENCODED', bytes: unsigned }, 'ethereum');
    return `0x${bytesOf(signed).toString('hex')}`;
  };
  const mempool = async (raw: string) => (await anvil.call('eth_sendRawTransaction', [raw])) as string;
  const first = await signs(0);
  const [open] = await listed();
  assert.deepEqual(
    [open!.uniqueness, open!.network, open!.ends],
    ['nonce', SEPOLIA, 'another transaction with nonce 0'],
  );
  // The control: nothing else stands between the bytes and the money.
  const snapshot = await anvil.call('evm_snapshot', []);
  assert.ok(await anvil.mined(await mempool(first)));
  assert.equal(await anvil.balance(to), ETHER);
  await anvil.call('evm_revert', [snapshot]);

  await runs(`revoke ${open!.position} nodes.json`);
  await assert.rejects(mempool(first), /nonce too low/);
  await anvil.call('anvil_mine', ['0x64']);
  assert.deepEqual(await listed(), []);

  // What a node has already is replaced, for more than it pays.
  await anvil.call('evm_setAutomine', [false]);
  await mempool(await signs(1));
  const [pending] = await listed();
  await runs(`revoke ${pending!.position} nodes.json`);
  await anvil.call('evm_setAutomine', [true]);
  await anvil.call('anvil_mine', ['0x64']);
  assert.equal(await anvil.balance(to), 0n);
  assert.deepEqual(await listed(), []);
});

test('E19: an output that a kept Bitcoin transaction spends is spent to the account itself, for a higher fee', async (t) => {
  const { address, publicKey } = await scene.bitcoinAccount();
  const hash = createHash('sha256').update(publicKey).digest();
  const script = Buffer.concat([Uint8Array.of(0, 20), createHash('ripemd160').update(hash).digest()]);
  const previous = new BitcoinTransaction();
  previous.addInput(Buffer.alloc(32, 1), 0);
  previous.addOutput(script, 100_000n);
  const psbt = new Psbt();
  psbt.addInput({
    hash: previous.getId(),
    index: 0,
    witnessUtxo: { script, value: 100_000n },
    nonWitnessUtxo: previous.toBuffer(),
  });
  psbt.addOutput({ script: Buffer.concat([Uint8Array.of(0, 20), Buffer.alloc(20, 9)]), value: 99_000n });
  bytesOf(await scene.signs(agent, { kind: 'PSBT', bytes: psbt.toBase64() }, 'bitcoin'));
  const id = previous.getId();
  const said: Readonly<Record<string, string>> = {
    '/block-height/0': GENESIS,
    '/blocks/tip/height': '100',
    [`/tx/${id}/outspend/0`]: JSON.stringify({ spent: false }),
    [`/tx/${id}`]: JSON.stringify({ vout: [{ value: 100_000, scriptpubkey_address: address }] }),
    [`/tx/${id}/hex`]: previous.toHex(),
  };
  const server = createServer(({ url = '' }, response) => {
    const body = said[url];
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const nodes = { [BITCOIN]: { url: `http://127.0.0.1:${port}` } };
  writeFileSync(join(shell.folder, 'bitcoin.json'), JSON.stringify(nodes));
  const open = (await listed('bitcoin.json')).find(({ uniqueness }) => uniqueness === 'utxo');
  assert.equal(open?.network, BITCOIN);
  const { transaction } = await runs(`revoke ${open!.position} bitcoin.json --unsent`);
  const signed = Psbt.fromBuffer(Buffer.from(transaction as string, 'base64url')).extractTransaction(true);
  assert.equal(Buffer.from(signed.ins[0]!.hash).reverse().toString('hex'), id);
  assert.deepEqual(
    signed.outs.map((out) => [Buffer.from(out.script).toString('hex'), out.value]),
    [[script.toString('hex'), 100_000n - 1000n - 240n]],
  );
  const poor = await shell.run(
    `keystead outcomes revoke ${open!.position} bitcoin.json --unsent --fee 100000`,
  );
  assert.match(poor.stderr, /too few for a fee of 100000/);
});
