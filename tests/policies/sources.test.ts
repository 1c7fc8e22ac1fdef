/** `keystead outcomes` and `keystead facts`: sources that ask chains of their own, and nodes that lie. */
import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bitcoinOutcome, checkBitcoinNetwork, type Esplora } from '@keystead/cli/outcomes/bitcoin-outcome';
import { readNodeFile } from '@keystead/cli/outcomes/node-file';
import type { UnsettledEntry } from '@keystead/cli/outcomes/unsettled-entries';
import { solanaOutcome } from '@keystead/cli/outcomes/solana-outcome';
import { type ChainNode, chainNode } from '@keystead/cli/chain/json-rpc';
import { factsState } from '@keystead/cli/commands/facts/state';
import { tokenAccountFact } from '@keystead/cli/facts/solana-facts';
import { objectTypeFact } from '@keystead/cli/facts/sui-facts';
import { CommandArguments } from '@keystead/cli/command-arguments';
import { outcomesState } from '@keystead/cli/commands/outcomes/state';
import { readSurroundings } from '@keystead/cli/surroundings';
import { signedBytesDigest } from '@keystead/protocol/signed-bytes';
import { AnswerSignature } from '@keystead/protocol/answer';
import { Transaction as EthereumTransaction } from 'ethers';
import { type Address, lamports as asLamports } from '@solana/kit';
import {
  AddressLookupTableAccount,
  PublicKey,
  SystemProgram,
  Transaction,
  TransactionMessage,
  VersionedTransaction,
} from '@solana/web3.js';
import { Psbt, Transaction as BitcoinTransaction } from 'bitcoinjs-lib';
import { ShellSession } from '../cli/shell-session.ts';
import { SEPOLIA, SEPOLIA_CHAIN_ID } from '../chains/anvil.ts';
import { type LyingNode, startLyingNode } from '../chains/lying-node.ts';
import { DEVNET } from '../chains/litesvm-rpc.ts';
import type { Answer, RawClient } from '../raw-client.ts';
import { FEE, lamports, limited, Scene, stampKeyOf } from './scene.ts';

const ETHER = 10n ** 18n;
const GAS = 21_000n * 10n ** 9n;
const nodes = (ethereum: string, solana: string) =>
  JSON.stringify({ [SEPOLIA]: { url: ethereum }, [DEVNET]: { url: solana } });

const shell = new ShellSession();
after(() => shell.end());

let ethereumNode: LyingNode;
let solanaNode: LyingNode;
const running = withStack({ chains: true }, async (stack) => {
  shell.variables.KEYSTEAD_HOME = stack.home;
  ethereumNode = await startLyingNode(stack.anvil.url);
  solanaNode = await startLyingNode(stack.solana.url);
  writeFileSync(join(shell.folder, 'honest.json'), nodes(stack.anvil.url, stack.solana.url));
  writeFileSync(join(shell.folder, 'lying.json'), nodes(ethereumNode.url, solanaNode.url));
});
after(async () => {
  await ethereumNode?.stop();
  await solanaNode?.stop();
});

/** A source with credentials of its own. */
async function source(scene: Scene, username: string, operator: string): Promise<void> {
  const seed = randomBytes(32);
  const key = stampKeyOf(seed);
  const rules = [
    {
      id: 'states',
      effect: 'allow',
      on: ['state-outcomes', 'state-facts', 'read'],
      when: { constant: true },
    },
  ];
  await scene.user(username, { version: 1, rules }, key);
  const { organizationId } = scene;
  const addTraits = { operator };
  await scene.root.native('updateUserInOrganization', { organizationId, username, addTraits });
  const credentials = {
    api: running.api,
    deploymentId: running.stack.deploymentId,
    organizationId,
    username,
    algorithm: 'Ed25519',
    publicKey: key.publicKey,
    privateKey: seed.toString('base64url'),
  };
  writeFileSync(join(shell.folder, `${username}.json`), JSON.stringify(credentials), { mode: 0o600 });
}

interface Stated {
  readonly position: number;
  readonly outcome: string;
  readonly by?: string;
  readonly stands: boolean;
}

/** The command itself, in this process: a program of its own for each would take most of the time. */
async function runs(username: string, file: string): Promise<readonly Stated[]> {
  const words = [join(shell.folder, file), '--credentials', join(shell.folder, `${username}.json`)];
  const surroundings = { ...readSurroundings(), home: running.home, say: () => {} };
  const { json } = await outcomesState.run(new CommandArguments(outcomesState, words), surroundings);
  return (json as { stated: Stated[] }).stated;
}

const untold = {
  account: { walletId: new Uint8Array(16), derivationPath: '', addressFormat: '' },
  takesUp: true,
};

const positionOf = ({ body, text }: Answer): number => {
  assert.equal(typeof body?.signature, 'string', text);
  return AnswerSignature.decode(Buffer.from(String(body!.signature), 'base64url')).statement.position;
};

/** A payment on Sepolia: to be broadcast, or not. */
function pays(
  scene: Scene,
  by: RawClient,
  wei: bigint,
  nonce: number,
  data = '0x',
  to?: string,
): Promise<Answer> {
  const unsigned = EthereumTransaction.from({
    type: 2,
    chainId: SEPOLIA_CHAIN_ID,
    nonce,
    to: to ?? `0x${randomBytes(20).toString('hex')}`,
    value: wei - (data === '0x' ? GAS : 5n * GAS),
    gasLimit: data === '0x' ? 21_000n : 105_000n,
    maxFeePerGas: 10n ** 9n,
    maxPriorityFeePerGas: 1n,
    data,
  }).unsignedSerialized;
  return scene.signs(by, { kind: 'RLP_ENCODED', bytes: unsigned }, 'ethereum');
}

async function mines(signed: Answer): Promise<string> {
  const { transaction } = (signed.body as { result: { transaction: string } }).result;
  const raw = `0x${Buffer.from(transaction, 'base64url').toString('hex')}`;
  return (await running.anvil.call('eth_sendRawTransaction', [raw])) as string;
}

const finalises = () => running.anvil.call('anvil_mine', ['0x64']);

test('E7: what took the place of a transaction is stated from the chain; a node that lies releases nothing', async () => {
  const scene = await Scene.of(running);
  await running.anvil.fund(scene.address('Ethereum'), 100n * ETHER);
  const limit = { ...lamports(0), id: 'ether', window: { kind: 'lifetime' }, max: String(10n * ETHER) };
  const agent = await scene.user('agent', {
    ...limited(limit),
    rules: [
      {
        id: 'signs',
        effect: 'allow',
        on: ['sign-transaction'],
        when: { constant: true },
        accepts: [{ what: 'unresolved', kind: 'unknown-call' }],
      },
    ],
  });
  await source(scene, 'alpha', 'Alpha');
  await source(scene, 'beta', 'Beta');
  const dear = positionOf(await pays(scene, agent, 9n * ETHER, 0));
  const cheap = await pays(scene, agent, ETHER, 0);
  const denied = async () =>
    assert.equal((await pays(scene, agent, 2n * ETHER, 1)).body?.code, 'spending-limit-exceeded');

  // Nothing is final yet, and nothing is said.
  assert.deepEqual(await runs('alpha', 'honest.json'), []);
  const hash = await mines(cheap);
  await running.anvil.mined(hash);
  assert.deepEqual(await runs('alpha', 'honest.json'), []);
  await finalises();
  const expected = [
    { position: dear, outcome: 'replaced', by: hash },
    { position: positionOf(cheap), outcome: 'landed' },
  ];
  const without = (stated: readonly Stated[]) => stated.map(({ stands: _, ...each }) => each);
  const honest = await runs('alpha', 'honest.json');
  assert.deepEqual(without(honest), expected);
  assert.ok(honest.every(({ stands }) => !stands));
  assert.deepEqual(await runs('alpha', 'honest.json'), [], 'the same is not stated again');
  await denied();

  const lies: readonly [string, LyingNode['lie']][] = [
    ['another network', ({ method }, truth) => (method === 'eth_chainId' ? '0x1' : truth)],
    ['nothing happened', ({ method }, truth) => (method === 'eth_getTransactionCount' ? '0x0' : truth)],
    [
      'nothing is final',
      ({ method }, truth) =>
        method === 'eth_getBlockByNumber' ? { ...(truth as object), number: '0x0' } : truth,
    ],
    [
      'another content',
      ({ method, params }, truth) => {
        if (method !== 'eth_getBlockByNumber' || params[1] !== true) return truth;
        const { transactions } = truth as { transactions: object[] };
        return {
          ...(truth as object),
          transactions: transactions.map((each) => ({ ...each, value: '0x1' })),
        };
      },
    ],
    [
      'no such transaction',
      ({ method }, truth) =>
        method === 'eth_getBlockByNumber' ? { ...(truth as object), transactions: [] } : truth,
    ],
    [
      'another sender',
      ({ method, params }, truth) => {
        if (method !== 'eth_getBlockByNumber' || params[1] !== true) return truth;
        const { transactions } = truth as { transactions: object[] };
        const from = `0x${'11'.repeat(20)}`;
        return { ...(truth as object), transactions: transactions.map((each) => ({ ...each, from })) };
      },
    ],
    ['nonsense', () => 7],
  ];
  for (const [what, lie] of lies) {
    ethereumNode.lie = lie;
    assert.deepEqual(await runs('beta', 'lying.json'), [], what);
    await denied();
  }
  assert.ok(ethereumNode.asked.includes('eth_getBlockByNumber'));
  // What landed is called failed: the fee only would stay. The other operator disagrees, and nothing is given back.
  ethereumNode.lie = ({ method }, truth) =>
    method === 'eth_getTransactionReceipt' ? { ...(truth as object), status: '0x0' } : truth;
  const failed = await runs('beta', 'lying.json');
  assert.deepEqual(
    failed.map(({ outcome, stands }) => [outcome, stands]),
    [
      ['replaced', true],
      ['failed', false],
    ],
  );
  // The control: what both say is given back, and no more: 1 of the 10 is spent.
  assert.equal((await pays(scene, agent, 9n * ETHER, 1)).status, 200);
  assert.equal((await pays(scene, agent, ETHER / 1000n, 2)).body?.code, 'spending-limit-exceeded');
});

test('a transaction that reverts is stated as failed, and its fee stays spent', async () => {
  const scene = await Scene.of(running);
  await running.anvil.fund(scene.address('Ethereum'), 100n * ETHER);
  const limit = { ...lamports(0), id: 'ether', window: { kind: 'lifetime' }, max: String(10n * ETHER) };
  const rule = {
    id: 'signs',
    effect: 'allow',
    on: ['sign-transaction'],
    when: { constant: true },
    accepts: [{ what: 'unresolved', kind: 'unknown-call' }],
  };
  const agent = await scene.user('agent', { version: 1, rules: [rule], limits: [limit] });
  // Code that always reverts: PUSH0 PUSH0 REVERT.
  const contract = `0x${randomBytes(20).toString('hex')}`;
  await running.anvil.call('anvil_setCode', [contract, '0x5f5ffd']);
  const signed = await pays(scene, agent, 10n * ETHER, 0, '0x12345678', contract);
  const hash = await mines(signed);
  assert.equal(await running.anvil.mined(hash), false);
  await finalises();
  for (const [name, operator] of [
    ['gamma', 'Gamma'],
    ['delta', 'Delta'],
  ] as const) {
    await source(scene, name, operator);
    const stated = await runs(name, 'honest.json');
    assert.deepEqual(
      stated.map(({ outcome, by }) => [outcome, by]),
      [['failed', hash]],
    );
  }
  assert.equal((await pays(scene, agent, 10n * ETHER, 1)).body?.code, 'spending-limit-exceeded');
  assert.equal((await pays(scene, agent, 10n * ETHER - 5n * GAS, 1)).status, 200);
});

test('E7: a Solana transaction is found by what was signed, and expired only when final history is past it', async () => {
  const scene = await Scene.of(running);
  const from = new PublicKey(scene.address('Solana'));
  running.solana.fund(scene.address('Solana'), 1_000_000_000n);
  const agent = await scene.user('agent', limited(lamports(500_000_000)));
  const to = new PublicKey(randomBytes(32));
  const unsigned = (amount: number) =>
    new Transaction({ feePayer: from, recentBlockhash: running.solana.blockhash() }).add(
      SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports: amount }),
    );
  const wire = (transaction: Transaction) =>
    transaction.serialize({ requireAllSignatures: false, verifySignatures: false });
  const [sent, kept] = [unsigned(10_000_000), unsigned(20_000_000)];
  const signed = await scene.signs(agent, wire(sent), 'solana');
  const position = positionOf(signed);
  const { transaction } = (signed.body as { result: { transaction: string } }).result;
  const bytes = Buffer.from(transaction, 'base64url').toString('base64');
  await chainNode(running.solana.url).call('sendTransaction', [bytes, { encoding: 'base64' }]);
  await source(scene, 'epsilon', 'Epsilon');
  await source(scene, 'zeta', 'Zeta');
  // As a program of its own, which ends after one round.
  const watched = await shell.run(
    'keystead outcomes watch honest.json --credentials epsilon.json --rounds 1 --json',
  );
  assert.deepEqual([watched.code, JSON.parse(watched.stdout)], [0, { stated: 1 }], watched.stderr);
  const second = await runs('zeta', 'honest.json');
  assert.deepEqual(
    second.map((each) => [each.position, each.outcome, each.stands]),
    [[position, 'landed', true]],
  );

  // An entry of now, as the engine would hold it, for the transaction that nobody sent.
  const entry = (of: Transaction, time = Date.now()) => ({
    position: 1,
    time,
    effects: {
      chain: 'solana' as const,
      network: null,
      version: 'legacy',
      signers: [from.toBase58()],
      feePayer: from.toBase58(),
      maxFee: null,
      validity: {
        uniqueness: 'blockhash' as const,
        key: of.recentBlockhash!,
        notBefore: null,
        notAfter: null,
      },
    },
    bytesDigest: signedBytesDigest([{ algorithm: 'ed25519', bytes: of.serializeMessage() }]),
    ...untold,
    stated: null,
  });
  const honest = chainNode(running.solana.url);
  const liar = chainNode(solanaNode.url);
  assert.deepEqual(await solanaOutcome(honest, entry(sent)), { outcome: 'landed' });
  assert.equal(await solanaOutcome(honest, entry(kept)), null, 'its blockhash is recent');
  // A node that says it is too old, while its own final history is not far enough.
  solanaNode.lie = ({ method }, truth) => (method === 'isBlockhashValid' ? { value: false } : truth);
  assert.equal(await solanaOutcome(liar, entry(kept)), null);
  running.solana.expireBlockhash();
  assert.equal(await solanaOutcome(honest, entry(kept)), null, 'not 300 seconds later');
  running.solana.ahead = 400;
  assert.deepEqual(await solanaOutcome(honest, entry(kept)), { outcome: 'expired' });
  assert.deepEqual(await solanaOutcome(honest, entry(sent)), { outcome: 'landed' });
  const nonce = entry(kept);
  const durable = {
    ...nonce.effects,
    validity: { ...nonce.effects.validity, uniqueness: 'durable-nonce' as const },
  };
  assert.equal(await solanaOutcome(honest, { ...nonce, effects: durable }), null, 'it never expires');
  // What is said to be ours and is not, and what is hidden.
  solanaNode.lie = ({ method }, truth) =>
    method === 'getSignaturesForAddress'
      ? (truth as object[]).map((each) => ({ ...each, signature: '1'.repeat(64) }))
      : truth;
  await assert.rejects(solanaOutcome(liar, entry(sent)), { name: 'NodeLies' });
  solanaNode.lie = ({ method }, truth) => (method === 'getSignaturesForAddress' ? [] : truth);
  assert.deepEqual(await solanaOutcome(liar, entry(sent)), { outcome: 'expired' });
  // One operator that hides it is not believed: the other knows it landed, and it stays spent.
  const { body } = await scene.sends(agent, 500_000_000 - 10_000_000 - 2 * FEE + 1);
  assert.equal(body?.code, 'spending-limit-exceeded');
  const again = await scene.sends(agent, 500_000_000 - 10_000_000 - 2 * FEE);
  assert.equal(again.status, 200, again.text);
});

test('E7: of a Bitcoin transaction whose input is spent six blocks deep it is known whether it is ours', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited({ ...lamports(1_000_000), id: 'coins' }));
  const { address, publicKey } = await scene.bitcoinAccount();
  const hash = createHash('sha256').update(publicKey).digest();
  const script = Buffer.concat([Uint8Array.of(0, 20), createHash('ripemd160').update(hash).digest()]);
  const previous = new BitcoinTransaction();
  previous.addInput(Buffer.alloc(32, 1), 0);
  previous.addOutput(script, 100_000n);
  const signs = async (fee: bigint): Promise<{ transaction: BitcoinTransaction; digest: Uint8Array }> => {
    const psbt = new Psbt();
    psbt.addInput({
      hash: previous.getId(),
      index: 0,
      witnessUtxo: { script, value: 100_000n },
      nonWitnessUtxo: previous.toBuffer(),
    });
    psbt.addOutput({
      script: Buffer.concat([Uint8Array.of(0, 20), Buffer.alloc(20, 9)]),
      value: 100_000n - fee,
    });
    const answer = await scene.signs(agent, { kind: 'PSBT', bytes: psbt.toBase64() }, 'bitcoin');
    assert.equal(answer.status, 200, answer.text);
    const { transaction } = (answer.body as { result: { transaction: string } }).result;
    const signed = Psbt.fromBuffer(Buffer.from(transaction, 'base64url')).extractTransaction(true);
    // BIP-143, by another library, over the script of the key's hash.
    const code = Buffer.concat([
      Uint8Array.of(0x76, 0xa9, 20),
      script.subarray(2),
      Uint8Array.of(0x88, 0xac),
    ]);
    const bytes = signed.hashForWitnessV0(0, code, 100_000n, BitcoinTransaction.SIGHASH_ALL);
    return { transaction: signed, digest: signedBytesDigest([{ algorithm: 'ecdsa', bytes }]) };
  };
  const [ours, replacing] = [await signs(1000n), await signs(5000n)];
  const outpoint = `${previous.getId()}:0`;
  const entry = (bytesDigest: Uint8Array): UnsettledEntry => ({
    position: 1,
    time: 0,
    effects: {
      chain: 'bitcoin',
      network: null,
      version: 'psbt0',
      signers: [address],
      feePayer: address,
      maxFee: null,
      validity: { uniqueness: 'utxo', key: outpoint, notBefore: null, notAfter: null },
    },
    bytesDigest,
    ...untold,
    stated: null,
  });
  /** Says that `spender` stands in block 100. */
  const server = (
    spender: BitcoinTransaction,
    tip = 105,
    more: Readonly<Record<string, string>> = {},
  ): Esplora => {
    const id = spender.getId();
    const said: Readonly<Record<string, string>> = {
      '/blocks/tip/height': String(tip),
      [`/tx/${previous.getId()}/outspend/0`]: JSON.stringify({
        spent: true,
        txid: id,
        vin: 0,
        status: { confirmed: true, block_height: 100 },
      }),
      [`/tx/${id}/hex`]: spender.toHex(),
      [`/tx/${id}`]: JSON.stringify({
        vin: [{ prevout: { value: 100_000, scriptpubkey: script.toString('hex') } }],
      }),
      ...more,
    };
    return { get: async (path) => said[path] ?? assert.fail(path) };
  };
  const outcome = (of: Esplora, digest: Uint8Array) => bitcoinOutcome(of, 'mainnet', entry(digest));
  const { transaction } = replacing;
  assert.deepEqual(await outcome(server(ours.transaction), ours.digest), { outcome: 'landed' });
  assert.deepEqual(await outcome(server(transaction), ours.digest), {
    outcome: 'replaced',
    by: transaction.getId(),
  });
  assert.equal(await outcome(server(transaction, 104), ours.digest), null, 'five blocks are not final');
  const id = transaction.getId();
  for (const more of [
    // The content of another transaction, and one that spends something else.
    { [`/tx/${id}/hex`]: ours.transaction.toHex() },
    {
      [`/tx/${previous.getId()}/outspend/0`]: JSON.stringify({
        spent: true,
        txid: previous.getId(),
        status: { confirmed: true, block_height: 1 },
      }),
      [`/tx/${previous.getId()}/hex`]: previous.toHex(),
    },
    { [`/tx/${id}`]: '{"vin":[]}' },
  ])
    await assert.rejects(outcome(server(transaction, 105, more), ours.digest), { name: 'NodeLies' });
  await assert.rejects(
    checkBitcoinNetwork(
      server(transaction, 1, { '/block-height/0': '00' }),
      'bip122:000000000019d6689c085ae165831e93',
    ),
    { name: 'NodeLies' },
  );
});

test('a file of nodes names each network once and nothing that is not read', () => {
  const url = 'https://node.example/';
  assert.equal(readNodeFile(JSON.stringify({ 'eip155:1': { url }, [DEVNET]: { url } })).size, 2);
  for (const file of [
    'x',
    '[]',
    JSON.stringify({ 'eip155:01': { url } }),
    JSON.stringify({ 'sui:mainnet': { url } }),
    JSON.stringify({ 'eip155:1': { url: 'file:///etc/passwd' } }),
    JSON.stringify({ 'eip155:1': { url, private: true } }),
    JSON.stringify({ 'eip155:1': null }),
    JSON.stringify({ [DEVNET]: { url }, 'solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp': { url } }),
  ])
    assert.throws(() => readNodeFile(file), { name: 'CommandError' }, file);
});

test('E6: a lookup table is stated from the chain; a node that swaps an entry leaves it unresolved', async () => {
  const scene = await Scene.of(running);
  const from = new PublicKey(scene.address('Solana'));
  const [friend, other, table] = [randomBytes(32), randomBytes(32), randomBytes(32)].map(
    (bytes) => new PublicKey(bytes),
  ) as [PublicKey, PublicKey, PublicKey];
  const data = Buffer.alloc(56 + 64);
  data.writeUInt32LE(1, 0);
  friend.toBuffer().copy(data, 56);
  other.toBuffer().copy(data, 88);
  running.solana.chain.setAccount({
    address: table.toBase58() as Address,
    data,
    executable: false,
    lamports: asLamports(10_000_000n),
    programAddress: 'AddressLookupTab1e1111111111111111111111111' as Address,
    space: BigInt(data.length),
  });
  const to = { field: 'item.to', operator: 'in', value: [friend.toBase58()] };
  const when = { every: 'effects.outflows', where: to };
  const rules = [{ id: 'signs', effect: 'allow', on: ['sign-transaction'], when }];
  const agent = await scene.user('agent', { version: 1, rules });
  const pays = async () => {
    const message = new TransactionMessage({
      payerKey: from,
      recentBlockhash: new PublicKey(randomBytes(32)).toBase58(),
      instructions: [SystemProgram.transfer({ fromPubkey: from, toPubkey: friend, lamports: 1 })],
    }).compileToV0Message([
      new AddressLookupTableAccount({
        key: table,
        state: {
          deactivationSlot: 2n ** 64n - 1n,
          lastExtendedSlot: 0,
          lastExtendedSlotStartIndex: 0,
          addresses: [friend, other],
        },
      }),
    ]);
    return scene.signs(agent, Buffer.from(new VersionedTransaction(message).serialize()), 'solana');
  };
  const states = async (username: string, url: string, ...words: string[]) => {
    const given = [...words, '--rpc', url, '--credentials', join(shell.folder, `${username}.json`)];
    const surroundings = { ...readSurroundings(), home: running.home, say: () => {} };
    const { json } = await factsState.run(new CommandArguments(factsState, given), surroundings);
    return (json as { stated: { subject: string; stands: boolean }[] }).stated;
  };
  await source(scene, 'eta', 'Eta');
  await source(scene, 'theta', 'Theta');
  const words = ['--table', table.toBase58()];
  const stated = await states('eta', running.solana.url, ...words);
  assert.deepEqual(
    stated.map(({ subject, stands }) => [subject, stands]),
    [
      [`${table.toBase58()}#0`, false],
      [`${table.toBase58()}#1`, false],
    ],
  );
  solanaNode.lie = ({ method }, truth) => {
    if (method !== 'getAccountInfo') return truth;
    const swapped = Buffer.from(data);
    other.toBuffer().copy(swapped, 56);
    return { value: { ...(truth as { value: object }).value, data: [swapped.toString('base64'), 'base64'] } };
  };
  assert.deepEqual(
    (await states('theta', solanaNode.url, ...words)).map(({ stands }) => stands),
    [false, true],
  );
  assert.equal((await pays()).status, 403);
  // What is no table, of another program, or not there, is not stated.
  for (const value of [null, { owner: 'x', data: [] }, { owner: table.toBase58(), data: ['', 'base64'] }]) {
    solanaNode.lie = () => ({ value });
    await assert.rejects(states('theta', solanaNode.url, ...words), { name: 'CommandError' });
  }
  assert.equal((await pays()).status, 403);
  assert.ok((await states('theta', running.solana.url, ...words)).every(({ stands }) => stands));
  const paid = await pays();
  assert.equal(paid.status, 200, paid.text);
});

test('token accounts and objects are stated with what the node says of them, in one spelling', async () => {
  const answers = (value: unknown): ChainNode => ({ call: async () => value });
  const [mint, owner] = [new PublicKey(randomBytes(32)), new PublicKey(randomBytes(32))];
  const account = (length: number, program: string, type?: number) => {
    const data = Buffer.alloc(length);
    mint.toBuffer().copy(data);
    owner.toBuffer().copy(data, 32);
    if (type !== undefined) data[165] = type;
    return answers({ value: { owner: program, data: [data.toString('base64'), 'base64'] } });
  };
  const [token, token2022] = [
    'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA',
    'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb',
  ] as const;
  const fact = { kind: 'token-account', account: 'A', mint: mint.toBase58(), owner: owner.toBase58() };
  for (const node of [account(165, token), account(165, token2022), account(170, token2022, 2)])
    assert.deepEqual(await tokenAccountFact(node, 'A'), fact);
  // A mint, with and without extensions, and an account of another program.
  for (const node of [account(82, token), account(234, token2022, 1), account(165, mint.toBase58())])
    await assert.rejects(tokenAccountFact(node, 'A'), { name: 'CommandError' });
  const id = `0x${'00'.repeat(31)}0a`;
  const full = (digits: string) => `0x${digits.padStart(64, '0')}`;
  assert.deepEqual(
    await objectTypeFact(answers({ data: { objectId: '0xa', type: '0x2::coin::Coin<0xAB::usd::USD>' } }), id),
    { kind: 'object-type', object: id, type: `${full('2')}::coin::Coin<${full('ab')}::usd::USD>` },
  );
  for (const data of [null, { objectId: '0xb', type: '0x2::a::A' }, { objectId: '0xa', type: 'package' }])
    await assert.rejects(objectTypeFact(answers({ data }), id), { name: 'CommandError' });
});
