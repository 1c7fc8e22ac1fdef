import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Transaction as SuiTransaction } from '@mysten/sui/transactions';
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

/** P2WPKH. */
function witnessScript(publicKey: Uint8Array): Buffer {
  const hash = createHash('sha256').update(publicKey).digest();
  return Buffer.concat([Uint8Array.of(0, 20), createHash('ripemd160').update(hash).digest()]);
}

const THEIR_SCRIPT = Buffer.concat([Uint8Array.of(0, 20), Buffer.alloc(20, 9)]);
const COIN = 100_000_000n;

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
  const script = witnessScript(publicKey);
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
    psbt.addOutput({ script: THEIR_SCRIPT, value });
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

test('L13: one Bitcoin transaction of several of our addresses counts whatever leaves them, once and never less', async () => {
  const scene = await Scene.of(running);
  const pathAt = (place: string) => `m/84'/0'/0'/${place}`;
  const places = ['0/0', '0/1', '0/2', '0/3'];
  const known = await scene.accounts('bitcoin', ...[...places, '1/0'].map(pathAt));
  const coinOf = (index: number, place: string) => ({
    script: witnessScript(known[index]!.publicKey),
    // Where it stands in the account: nobody has to believe it, because the script derives there.
    bip32Derivation: [
      { masterFingerprint: Buffer.alloc(4), pubkey: known[index]!.publicKey, path: pathAt(place) },
    ],
  });
  const own = places.map((place, index) => coinOf(index, place));
  const change = coinOf(4, '1/0');
  const theirs = { script: THEIR_SCRIPT };
  type Party = typeof theirs | typeof change;
  let coins = 0;
  /** Spends ten coins of each, which nothing spent before. */
  const psbtOf = (inputs: readonly Party[], outputs: readonly (readonly [Party, bigint])[]): string => {
    const psbt = new Psbt();
    for (const { script, ...claim } of inputs) {
      const previous = new BitcoinTransaction();
      coins += 1;
      previous.addInput(Buffer.alloc(32, 1), coins);
      previous.addOutput(script, 10n * COIN);
      psbt.addInput({
        hash: previous.getId(),
        index: 0,
        witnessUtxo: { script, value: 10n * COIN },
        nonWitnessUtxo: previous.toBuffer(),
        ...claim,
      });
    }
    for (const [party, value] of outputs) psbt.addOutput({ ...party, value });
    return psbt.toBase64();
  };
  const signs = (by: RawClient, bytes: string, place: string) =>
    scene.signs(by, { kind: 'PSBT', bytes }, 'bitcoin', pathAt(place));
  const withRoomFor = (name: string, max: bigint) =>
    scene.user(name, limited({ ...spending(max), per: ['user', 'asset'] }));

  // Ten coins leave and ten come back: nobody signs that under a limit of 2,000 satoshi.
  const twice = psbtOf(own.slice(0, 2), [
    [theirs, 10n * COIN - 1000n],
    [change, 10n * COIN],
  ]);
  const poor = await withRoomFor('poor', 2_000n);
  for (const place of ['0/0', '0/1'])
    assert.equal((await signs(poor, twice, place)).body?.code, 'spending-limit-exceeded', place);
  // The control: room for ten coins is room for both signatures, one after the other, and for nothing more.
  const rich = await withRoomFor('rich', 10n * COIN);
  const first = await signs(rich, twice, '0/0');
  assert.equal(first.status, 200, first.text);
  const { transaction } = (first.body as { result: { transaction: string } }).result;
  const second = await signs(rich, Buffer.from(transaction, 'base64url').toString('base64'), '0/1');
  assert.equal(second.status, 200, second.text);
  const more = await signs(rich, psbtOf(own.slice(0, 1), [[theirs, COIN]]), '0/0');
  assert.deepEqual([more.body?.code, used(more)], ['spending-limit-exceeded', String(10n * COIN)]);

  // Forty coins of four addresses are forty coins, though each address gives ten.
  const all = psbtOf(own, [[theirs, 40n * COIN]]);
  const fewer = await withRoomFor('fewer', 39n * COIN);
  for (const place of places)
    assert.equal((await signs(fewer, all, place)).body?.code, 'spending-limit-exceeded', place);
  const forty = await withRoomFor('forty', 40n * COIN);
  for (const place of places) assert.equal((await signs(forty, all, place)).status, 200, place);

  // Beside somebody else's input each signature answers for the coins of its address, and both count.
  const joint = psbtOf(
    [...own.slice(0, 2), theirs],
    [
      [theirs, 20n * COIN],
      [change, 10n * COIN],
    ],
  );
  const nine = await withRoomFor('nine', 39n * COIN);
  assert.equal((await signs(nine, joint, '0/0')).status, 200);
  const beside = await signs(nine, joint, '0/1');
  assert.deepEqual([beside.body?.code, used(beside)], ['spending-limit-exceeded', String(20n * COIN)]);
});

test('L13: sender and sponsor of one Sui transaction lose each their own coins, and both count', async () => {
  const scene = await Scene.of(running);
  const paths = ["m/44'/784'/0'/0'/0'", "m/44'/784'/0'/0'/1'"];
  const [sender, sponsor] = await scene.accounts('sui', ...paths);
  const object = (fill: string) => ({
    objectId: `0x${fill.repeat(32)}`,
    version: '7',
    digest: '11111111111111111111111111111112',
  });
  const transaction = new SuiTransaction();
  transaction.setSender(sender!.address);
  transaction.setGasOwner(sponsor!.address);
  transaction.setGasPayment([object('0a')]);
  transaction.setGasPrice(1000);
  transaction.setGasBudget(5_000_000);
  transaction.setExpiration({ None: true });
  const them = `0x${'66'.repeat(32)}`;
  const [part] = transaction.splitCoins(transaction.gas, [100_000_000n]);
  transaction.transferObjects([part!], them);
  transaction.moveCall({
    target: '0x2::pay::split_and_transfer',
    typeArguments: ['0x2::sui::SUI'],
    arguments: [
      transaction.objectRef(object('0b')),
      transaction.pure.u64(100_000_000n),
      transaction.pure.address(them),
    ],
  });
  const bytes = Buffer.from(await transaction.build());
  const limit = { ...spending(209_999_999n), per: ['user', 'asset'] };
  const accepting = { ...signing, accepts: [{ what: 'unresolved', kind: 'sponsored-gas' }] };
  const agent = await scene.user('agent', { version: 1, rules: [accepting], limits: [limit] });
  assert.equal((await scene.signs(agent, bytes, 'sui', paths[0])).status, 200);
  const second = await scene.signs(agent, bytes, 'sui', paths[1]);
  assert.deepEqual([second.body?.code, used(second)], ['spending-limit-exceeded', '105000000']);
  // The control: with room for what both lose, the budget of the gas with each, both sign.
  const enough = { version: 1, rules: [accepting], limits: [{ ...limit, max: '210000000' }] };
  const richer = await scene.user('richer', enough);
  for (const path of paths) assert.equal((await scene.signs(richer, bytes, 'sui', path)).status, 200, path);
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
