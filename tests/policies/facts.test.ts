import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Transaction as SuiTransaction } from '@mysten/sui/transactions';
import {
  AddressLookupTableAccount,
  Keypair,
  PublicKey,
  SystemProgram,
  TransactionInstruction,
  TransactionMessage,
  VersionedTransaction,
} from '@solana/web3.js';
import { Psbt, Transaction as BitcoinTransaction } from 'bitcoinjs-lib';
import type { Answer, RawClient } from '../raw-client.ts';
import { lamports, Scene, signing } from './scene.ts';

const running = withStack();

const TOKENS = new PublicKey('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA');
const fresh = () => Keypair.generate().publicKey;
const text = (key: PublicKey) => key.toBase58();

const paysOnly = (field: string, ...values: string[]) => ({
  version: 1,
  rules: [
    {
      ...signing,
      when: { every: 'effects.outflows', where: { field, operator: 'in', value: values } },
    },
  ],
});

/** Two sources of different operators. */
const sources = async (scene: Scene): Promise<[RawClient, RawClient]> => [
  await scene.source('one', 'Alpha', 'state-facts'),
  await scene.source('other', 'Beta', 'state-facts'),
];

async function states(scene: Scene, by: RawClient, ...facts: object[]): Promise<boolean[]> {
  const answer = await by.nativeRpc('stateFacts', { organizationId: scene.organizationId, facts });
  assert.equal(answer.status, 200, answer.text);
  return (answer.body!.result as { facts: { stands: boolean }[] }).facts.map(({ stands }) => stands);
}

const blocked = ({ body, text: shown }: Answer, kind: string) => {
  assert.equal(body?.code, 'transaction-blocked', shown);
  assert.match(JSON.stringify(body.trace), new RegExp(kind));
};
const passes = ({ status, text: shown }: Answer) => assert.equal(status, 200, shown);

/** Pays lamports to an entry of a lookup table. */
function paysEntry(scene: Scene, table: PublicKey, index: number, amount = 1000): Buffer {
  const from = new PublicKey(scene.address('Solana'));
  const to = fresh();
  const addresses = Array.from({ length: index + 1 }, (_, at) => (at === index ? to : fresh()));
  const message = new TransactionMessage({
    payerKey: from,
    recentBlockhash: text(fresh()),
    instructions: [SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports: amount })],
  }).compileToV0Message([
    new AddressLookupTableAccount({
      key: table,
      state: {
        deactivationSlot: 2n ** 64n - 1n,
        lastExtendedSlot: 0,
        lastExtendedSlotStartIndex: 0,
        addresses,
      },
    }),
  ]);
  return Buffer.from(new VersionedTransaction(message).serialize());
}

/** Nobody knows who would be paid. */
const hidden = ({ body, text: shown }: Answer) => {
  assert.equal(body?.code, 'policy-denied', shown);
  assert.match(JSON.stringify(body.trace), /outflows\[0\]\.to is missing/);
};

test('E6: a recipient in a lookup table is who two operators say it is; one alone, or two that disagree, leave it refused', async () => {
  const scene = await Scene.of(running);
  const [friend, table] = [text(fresh()), fresh()];
  const agent = await scene.user('agent', paysOnly('item.to', friend));
  const [one, other] = await sources(scene);
  const sameOperator = await scene.source('same', 'Alpha', 'state-facts');
  const nobody = await scene.source('nobody', null, 'state-facts');
  const entry = (index: number, address: string) => ({
    kind: 'lookup-table-entry',
    table: text(table),
    index,
    address,
  });
  const signs = (index: number) => scene.signs(agent, paysEntry(scene, table, index), 'solana');

  hidden(await signs(0));
  const unnamed = await nobody.nativeRpc('stateFacts', {
    organizationId: scene.organizationId,
    facts: [entry(0, friend)],
  });
  assert.equal(unnamed.body?.code, 'policy-denied');
  assert.deepEqual(await states(scene, one, entry(0, friend)), [false]);
  assert.deepEqual(await states(scene, sameOperator, entry(0, friend)), [false]);
  hidden(await signs(0));
  // Another entry of the same table stays unknown.
  assert.deepEqual(await states(scene, other, entry(0, friend)), [true]);
  passes(await signs(0));
  hidden(await signs(1));
  // The swap: sources agree, and the entry is somebody else.
  const thief = text(fresh());
  for (const by of [one, other]) await states(scene, by, entry(1, thief));
  const swapped = await signs(1);
  assert.equal(swapped.body?.code, 'policy-denied', swapped.text);
  assert.match(JSON.stringify(swapped.body?.trace), new RegExp(thief));
  // A node of one operator lies from now on: nobody is believed any more.
  assert.deepEqual(await states(scene, other, entry(0, thief)), [false]);
  hidden(await signs(0));
});

test('E6: facts are those of the wallet’s owner: who uses it by grant states none about it', async () => {
  const scene = await Scene.of(running);
  const guest = await Scene.of(running);
  const table = fresh();
  const { organizationId, wallet } = scene;
  await scene.root.native('grantOrganizationAccess', {
    ownerOrganizationId: organizationId,
    targetOrganizationId: guest.organizationId,
    walletId: wallet.walletId,
    policyName: 'guest',
    policy: { version: 'v0', scopes: ['signatureTransaction'] },
  });
  const fact = { kind: 'lookup-table-entry', table: text(table), index: 0, address: text(fresh()) };
  const signs = () =>
    guest.root.rpc('signTransaction', {
      organizationId: guest.organizationId,
      walletId: wallet.walletId,
      transaction: paysEntry(scene, table, 0).toString('base64url'),
      derivationInfo: { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' },
    });
  for (const by of await sources(guest)) await states(guest, by, fact);
  blocked(await signs(), 'lookup table');
  for (const by of await sources(scene)) await states(scene, by, fact);
  passes(await signs());
});

test('the mint of a plain token transfer, and whose account receives, are what two operators say', async () => {
  const scene = await Scene.of(running);
  const from = new PublicKey(scene.address('Solana'));
  const [mint, source, destination, owner] = [fresh(), fresh(), fresh(), fresh()];
  const asset = `solana/token:${text(mint)}`;
  const agent = await scene.user('agent', {
    ...paysOnly('item.to', text(owner)),
    limits: [lamports(100, { id: 'tokens', per: ['wallet'], across: { asset: [asset] } })],
  });
  const [one, other] = await sources(scene);
  const transfer = (amount: number): Buffer => {
    const data = Buffer.alloc(9);
    data.writeUInt8(3);
    data.writeBigUInt64LE(BigInt(amount), 1);
    const instruction = new TransactionInstruction({
      programId: TOKENS,
      data,
      keys: [
        { pubkey: source, isSigner: false, isWritable: true },
        { pubkey: destination, isSigner: false, isWritable: true },
        { pubkey: from, isSigner: true, isWritable: false },
      ],
    });
    const message = new TransactionMessage({
      payerKey: from,
      recentBlockhash: text(fresh()),
      instructions: [instruction],
    }).compileToV0Message();
    return Buffer.from(new VersionedTransaction(message).serialize());
  };
  const account = (at: PublicKey, of: PublicKey) => ({
    kind: 'token-account',
    account: text(at),
    mint: text(mint),
    owner: text(of),
  });
  const facts = [account(source, from), account(destination, owner)];
  assert.equal((await scene.signs(agent, transfer(60), 'solana')).body?.code, 'policy-denied');
  assert.deepEqual(await states(scene, one, ...facts), [false, false]);
  assert.equal((await scene.signs(agent, transfer(60), 'solana')).body?.code, 'policy-denied');
  assert.deepEqual(await states(scene, other, ...facts), [true, true]);
  passes(await scene.signs(agent, transfer(60), 'solana'));
  // It counts as the token that it is.
  assert.equal((await scene.signs(agent, transfer(41), 'solana')).body?.code, 'spending-limit-exceeded');
  passes(await scene.signs(agent, transfer(40), 'solana'));
});

test('E7: a Sui object is a coin of the type that two operators say, and no bound of its value', async () => {
  const scene = await Scene.of(running);
  const sender = scene.address('Sui');
  const [friend, object] = [`0x${'07'.repeat(32)}`, `0x${'0b'.repeat(32)}`];
  const coin = `0x${'0c'.repeat(32)}::usd::USD`;
  const reference = (objectId: string) => ({
    objectId,
    version: '7',
    digest: '11111111111111111111111111111112',
  });
  const agent = await scene.user('agent', paysOnly('item.to', friend));
  const build = async (amount: bigint | null): Promise<Buffer> => {
    const transaction = new SuiTransaction();
    transaction.setSender(sender);
    transaction.setGasPayment([reference(`0x${'0a'.repeat(32)}`)]);
    transaction.setGasPrice(1000n);
    transaction.setGasBudget(5_000_000n);
    transaction.setExpiration({ None: true });
    const given = transaction.objectRef(reference(object));
    const sent = amount === null ? given : transaction.splitCoins(given, [amount]);
    transaction.transferObjects([sent], friend);
    return Buffer.from(await transaction.build());
  };
  const signs = async (amount: bigint | null) => scene.signs(agent, await build(amount), 'sui');
  blocked(await signs(5n), 'object');
  const fact = { kind: 'object-type', object, type: `0x${'0'.repeat(63)}2::coin::Coin<${coin}>` };
  const [one, other] = await sources(scene);
  assert.deepEqual(await states(scene, one, fact), [false]);
  blocked(await signs(5n), 'object');
  assert.deepEqual(await states(scene, other, fact), [true]);
  passes(await signs(5n));
  blocked(await signs(null), 'bounds|unbounded');
});

test('E5: change is what the account’s own key derives within reach; what only says so is paid away', async () => {
  const scene = await Scene.of(running);
  const { publicKey } = await scene.bitcoinAccount();
  const keyAt = async (path: string): Promise<Buffer> => {
    const { organizationId, wallet, root } = scene;
    const accounts = [{ derivationPath: path, curve: 'Secp256k1', addressFormat: 'BitcoinSegwit' }];
    const params = { organizationId, walletId: wallet.walletId, accounts };
    const [account] = await root.call<{ publicKey: string }[]>('getAccounts', params);
    return Buffer.from(account!.publicKey, 'hex');
  };
  const hashOf = (key: Uint8Array) =>
    createHash('ripemd160').update(createHash('sha256').update(key).digest()).digest();
  const scriptOf = (key: Uint8Array) => Buffer.concat([Uint8Array.of(0, 20), hashOf(key)]);
  const friend = { script: Buffer.concat([Uint8Array.of(0, 20), Buffer.alloc(20, 9)]), value: 10_000n };
  const agent = await scene.user('agent', {
    version: 1,
    rules: [signing],
    limits: [lamports(25_000, { id: 'spent', window: { kind: 'transaction' } })],
  });
  let coins = 0;
  /** Pays 10,000 to a friend and 89,000 as the output says; 1,000 are the fee. */
  const spends = (script: Buffer, claims: { key: Uint8Array; path: string } | null): Promise<Answer> => {
    const own = scriptOf(publicKey);
    const previous = new BitcoinTransaction();
    previous.addInput(Buffer.alloc(32, (coins += 1)), 0);
    previous.addOutput(own, 100_000n);
    const psbt = new Psbt();
    psbt.addInput({
      hash: previous.getId(),
      index: 0,
      witnessUtxo: { script: own, value: 100_000n },
      nonWitnessUtxo: previous.toBuffer(),
    });
    psbt.addOutput(friend);
    psbt.addOutput({
      script,
      value: 89_000n,
      ...(claims === null
        ? {}
        : {
            bip32Derivation: [
              { masterFingerprint: Buffer.alloc(4), pubkey: Buffer.from(claims.key), path: claims.path },
            ],
          }),
    });
    return scene.signs(agent, { kind: 'PSBT', bytes: psbt.toBase64() }, 'bitcoin');
  };
  const change = async (index: number, branch = 1) => {
    const path = `m/84'/0'/0'/${branch}/${index}`;
    const key = await keyAt(path);
    return spends(scriptOf(key), { key, path });
  };
  const overLimit = ({ body, text: shown }: Answer) =>
    assert.equal(body?.code, 'spending-limit-exceeded', shown);

  passes(await change(0));
  passes(await change(19, 0));
  // It says of itself what it is not: a stranger's script, a stranger's key at our path.
  const ours = await keyAt("m/84'/0'/0'/1/1");
  const stranger = await keyAt("m/84'/0'/7'/1/1");
  overLimit(await spends(scriptOf(stranger), { key: ours, path: "m/84'/0'/0'/1/1" }));
  overLimit(await spends(scriptOf(stranger), { key: stranger, path: "m/84'/0'/0'/1/1" }));
  // Of another account, and without a claim nobody looks.
  overLimit(await spends(scriptOf(ours), { key: ours, path: "m/84'/0'/1'/1/1" }));
  overLimit(await spends(scriptOf(ours), null));
  // Ransom: an address of ours at which no wallet would look. 20 was left at 0, so 20 more are within reach.
  blocked(await change(21), 'out-of-reach|no wallet looks');
  passes(await change(20));
  passes(await change(40));
  blocked(await change(61), 'out-of-reach|no wallet looks');
});
