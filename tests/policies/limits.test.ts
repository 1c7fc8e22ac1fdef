import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { ComputeBudgetProgram, Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { copyStore } from '@keystead/cli/ledger/store-file';
import { Entry } from '@keystead/protocol/entry';
import { AnswerSignature } from '@keystead/protocol/answer';
import type { Answer } from '../raw-client.ts';
import { FEE, lamports, limited, Scene, SOL } from './scene.ts';

const running = withStack();

const allowed = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 200).length;
const codes = (answers: readonly Answer[]) =>
  new Set(answers.filter(({ status }) => status !== 200).map(({ body }) => body?.code));

/** Ten transfers of one lamport with their fees fit. */
const TEN = 10 * (FEE + 1);

test('L1: of 40 requests at once under a cap of 10, exactly 10 are signed and the others name the limit', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(lamports(TEN)));
  const answers = await Promise.all(Array.from({ length: 40 }, () => scene.sends(agent, 1)));
  assert.equal(allowed(answers), 10);
  assert.deepEqual(codes(answers), new Set(['spending-limit-exceeded']));
  const refused = answers.find(({ status }) => status !== 200)!.body!;
  assert.equal(refused.rule, 'user/lamports');
  assert.deepEqual(refused.limit, {
    scope: `amount asset="${SOL}" wallet="${scene.wallet.walletId}"`,
    used: String(TEN),
    requested: String(FEE + 1),
    max: String(TEN),
  });
});

test('L2: what remains is allowed to the last unit, and one unit more is not; the fee counts', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(lamports(100_000)));
  const over = await scene.sends(agent, 100_001 - FEE);
  assert.equal(over.body?.code, 'spending-limit-exceeded');
  assert.deepEqual(over.body?.counterfactual, [
    { field: 'effects.outflows[0].amount', is: 'atMost', value: String(100_000 - FEE) },
  ]);
  assert.equal((await scene.sends(agent, 100_000 - FEE)).status, 200);
  assert.equal((await scene.sends(agent, 0)).status, 400);
});

test('L3: amounts are exact up to 2^256 - 1, and every other spelling of a number is refused', async () => {
  const scene = await Scene.of(running);
  const most = 2n ** 256n - 1n;
  const agent = await scene.user('agent', limited(lamports(0, { max: String(most) })));
  const spellings = ['', '-1', '1e3', '0x10', ' 1', '1 ', '01', '1.0', '+1', 'NaN', '١', String(most + 1n)];
  for (const max of [...spellings, 1, 1.5, null, true]) {
    const refused = scene.change('agent', limited(lamports(0, { max })));
    await assert.rejects(refused, { code: 'parameter-invalid' }, String(max));
  }
  // Nothing has changed: a nonce for each, since of one nonce the dearest counts.
  const GAS = 21_000n * 1_000_000_000n;
  let used = 0n;
  for (const [nonce, wei] of [0n, 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 255n].entries()) {
    assert.equal((await scene.sendsEther(agent, wei, nonce)).status, 200, String(wei));
    used += wei + GAS;
  }
  const over = await scene.sendsEther(agent, most - used - GAS + 1n, 9);
  assert.equal(over.body?.code, 'spending-limit-exceeded');
  assert.equal((over.body!.limit as { used: string }).used, String(used));
  assert.equal((await scene.sendsEther(agent, most - used - GAS, 9)).status, 200);
  assert.equal((await scene.sendsEther(agent, 0n, 10)).body?.code, 'spending-limit-exceeded');
});

test('L3: an amount in the fields of a transaction is a canonical integer or nothing', async () => {
  const scene = await Scene.of(running);
  const limit = { ...lamports(0, { max: String(2n ** 255n) }), per: ['wallet', 'asset'] };
  const agent = await scene.user('agent', limited(limit));
  const pays = (value: unknown) =>
    scene.signs(
      agent,
      {
        kind: 'EIP_1559',
        chainId: 1,
        nonce: 0,
        maxFeePerGas: 1,
        maxPriorityFeePerGas: 1,
        gasLimit: 21_000,
        to: `0x${'11'.repeat(20)}`,
        value,
      },
      'ethereum',
    );
  const spellings = ['', '-1', '1e3', ' 1', '1 ', '01', '1.0', '+1', 'NaN', '0x', '0x01', String(2n ** 256n)];
  for (const value of [...spellings, -1, 1.5, 2 ** 64, true, []])
    assert.equal((await pays(value)).status, 400, String(value));
  // The control: zero, and one number in the three ways in which clients write it.
  for (const value of ['0', 0, '0x0', '16', 16, '0x10', String(2n ** 64n)]) {
    const answer = await pays(value);
    assert.equal(answer.status, 200, `${String(value)}: ${answer.text}`);
  }
});

test('L4: two rows whose sum does not fit into 64 or 256 bits are denied, and nothing wraps', async () => {
  const scene = await Scene.of(running);
  const wide = await scene.user('wide', limited(lamports(0, { max: String(2n ** 256n - 1n) })));
  assert.equal((await scene.sendsEther(wide, 2n ** 255n, 0)).status, 200);
  const over = await scene.sendsEther(wide, 2n ** 255n, 1);
  assert.equal(over.body?.code, 'spending-limit-exceeded');
  const { used, requested } = over.body!.limit as { used: string; requested: string };
  assert.ok(BigInt(used) + BigInt(requested) >= 2n ** 256n);
  assert.equal((await scene.sendsEther(wide, 1n, 1)).status, 200);
  const most = 2n ** 64n - 1n;
  const narrow = await scene.user('narrow', limited(lamports(0, { max: String(most) })));
  assert.equal((await scene.sends(narrow, 2n ** 63n)).status, 200);
  assert.equal((await scene.sends(narrow, 2n ** 63n)).body?.code, 'spending-limit-exceeded');
  assert.equal((await scene.sends(narrow, 2n ** 63n - 2n * BigInt(FEE) - 1n)).status, 200);
});

test('L5: what has left the rolling window counts no more', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user(
    'agent',
    limited(lamports(FEE + 1, { window: { kind: 'rolling', seconds: 2 } })),
  );
  const start = Date.now();
  assert.equal((await scene.sends(agent, 1)).status, 200);
  const second = await scene.sends(agent, 1);
  // On a machine that is busy for two seconds the window has moved on already.
  if (Date.now() < start + 2000) assert.equal(second.body?.code, 'spending-limit-exceeded');
  const patience = Date.now() + 30_000;
  while ((await scene.sends(agent, 1)).status !== 200)
    assert.ok(Date.now() < patience, 'the window never moved on');
});

test('L8: killed between decision and signature, the count stands and the same bytes get their one signature', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(lamports(TEN)));
  const bodies = Array.from({ length: 20 }, () => scene.body(agent, scene.transfer(1)));
  const sent = bodies.map((body) => agent.send(body).catch(() => null));
  await running.killAll();
  await Promise.all(sent);
  const answers: Answer[] = [];
  for (const body of bodies) {
    let answer: Answer | null = null;
    for (const patience = Date.now() + 60_000; ; ) {
      answer = await agent.send(body).catch(() => null);
      if (answer !== null && answer.status < 500 && answer.status !== 429) break;
      assert.ok(Date.now() < patience, answer?.text ?? 'no answer');
    }
    answers.push(answer);
  }
  assert.equal(allowed(answers), 10);
  const again = await Promise.all(bodies.map((body) => agent.send(body)));
  assert.deepEqual(
    again.map(({ body }) => body?.result),
    answers.map(({ body }) => body?.result),
  );
});

test('L8: a restart of everything keeps what was used up', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(lamports(2 * (FEE + 1))));
  assert.equal((await scene.sends(agent, 1)).status, 200);
  await running.restart();
  const later = running.client(agent.key);
  assert.equal((await scene.sends(later, 1)).status, 200);
  assert.equal((await scene.sends(later, 1)).body?.code, 'spending-limit-exceeded');
});

test('L15: the fee is part of what leaves', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(lamports(100_000, { window: { kind: 'transaction' } })));
  assert.equal((await scene.sends(agent, 90_000)).status, 200);
  assert.equal((await scene.sends(agent, 99_000)).body?.code, 'spending-limit-exceeded');
});

test('L15: a priority fee of 10 SOL beside one lamport is more than a limit of 1 SOL', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(lamports(1_000_000_000)));
  const from = new PublicKey(scene.address('Solana'));
  const pays = (microLamports: number) => {
    const to = Keypair.generate().publicKey;
    const bytes = new Transaction({ feePayer: from, recentBlockhash: to.toBase58() })
      .add(
        ComputeBudgetProgram.setComputeUnitLimit({ units: 1_000_000 }),
        ComputeBudgetProgram.setComputeUnitPrice({ microLamports }),
        SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports: 1 }),
      )
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    return scene.signs(agent, bytes, 'solana');
  };
  const dear = await pays(10_000_000_000);
  assert.equal(dear.body?.code, 'spending-limit-exceeded');
  assert.equal((dear.body!.limit as { requested: string }).requested, String(10_000_000_001 + FEE));
  // The control: a price of a tenth of what is left.
  assert.equal((await pays(100_000_000)).status, 200);
});

test('L19: lowering, raising, deleting and writing a policy anew leaves usage as it was', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', limited(lamports(10 * FEE)));
  assert.equal((await scene.sends(agent, 4 * FEE)).status, 200);
  await scene.change('agent', limited(lamports(3 * FEE)));
  assert.equal((await scene.sends(agent, 1)).body?.code, 'spending-limit-exceeded');
  await scene.change('agent', { version: 1, rules: [] });
  assert.equal((await scene.sends(agent, 1)).body?.code, 'policy-denied');
  const renamed = lamports(10 * FEE, {
    id: 'other',
    window: { kind: 'calendar', unit: 'month', timeZone: 'UTC' },
  });
  await scene.change('agent', limited(renamed));
  assert.equal((await scene.sends(agent, 4 * FEE + 1)).body?.code, 'spending-limit-exceeded');
  assert.equal((await scene.sends(agent, 4 * FEE)).status, 200);
});

test('L21: a missing price denies limits in US dollars, and no others', async () => {
  const scene = await Scene.of(running);
  const dollars = {
    id: 'usd',
    meter: 'usd',
    per: ['user'],
    window: { kind: 'rolling', seconds: 86_400 },
    max: '1000000',
  };
  const rich = await scene.user('rich', limited(dollars));
  const plain = await scene.user('plain', limited(lamports(1_000_000_000)));
  const missing = await scene.sends(rich, 1);
  assert.equal(missing.body?.code, 'spending-limit-exceeded');
  assert.match(String(missing.body?.detail), /no source has stated a price/);
  assert.equal((await scene.sends(plain, 1)).status, 200);
  await scene.pricedAlike({ [SOL]: ['100000000', 9] });
  assert.equal((await scene.sends(rich, 9_000_000)).status, 200);
  // What it cost stands in its entry: price, sources and times.
  const line =
    /^user\/usd: solana\/slip44:501 at 1(0{35}) \(the median of 2: feed at 20\d\d-[-0-9:.TZ]+, other at 20\d\d-[-0-9:.TZ]+\)$/;
  assert.ok((await lastTrace(running, scene.organizationId)).some((each) => line.test(each)));
  assert.equal((await scene.sends(rich, 1_000_000)).body?.code, 'spending-limit-exceeded');
});

test('L21: stale, zero, senseless and contradictory prices deny limits in US dollars, and no others', async () => {
  const scene = await Scene.of(running);
  const { organizationId } = scene;
  const usd = { id: 'usd', meter: 'usd', per: ['user'], window: { kind: 'lifetime' }, max: '1000000000' };
  const pricing = { maximumAgeSeconds: 3, maximumDeviation: 500, sources: 2 };
  const rich = await scene.user('rich', { ...limited(usd), pricing });
  const plain = await scene.user('plain', limited(lamports(1_000_000_000)));
  const one = await scene.source('one', 'Alpha', 'state-prices');
  const other = await scene.source('other', 'Beta', 'state-prices');
  const denied = async (why: RegExp) => {
    const answer = await scene.sends(rich, 1);
    assert.equal(answer.body?.code, 'spending-limit-exceeded', answer.text);
    assert.match(String(answer.body?.detail), why);
    assert.equal((await scene.sends(plain, 1)).status, 200);
  };
  for (const micros of ['0', '-1', 'NaN', '1e30', '1.5', '']) {
    const prices = [{ asset: SOL, microsPerUnit: micros, decimals: 9 }];
    const { body } = await one.nativeRpc('statePrices', { organizationId, prices });
    assert.equal(body?.code, 'parameter-invalid', micros);
  }
  await denied(/no source has stated a price/);
  await scene.statePrices(one, { [SOL]: ['100000000', 9] });
  await scene.statePrices(other, { [SOL]: ['50000000', 9] });
  await denied(/disagree/);
  // The price of the moon is a price: it denies because nothing fits.
  for (const by of [one, other]) await scene.statePrices(by, { [SOL]: ['9'.repeat(30), 9] });
  await denied(/are more than 1000000000/);
  await wait(3100);
  await denied(/0 of 2 operators|no price|old|stale/);
});

test('L23: when the second of two limits fails, neither is used up', async () => {
  const scene = await Scene.of(running);
  const { organizationId } = scene;
  const agent = await scene.user('agent', limited(lamports(3 * FEE, { id: 'wallet' })));
  await scene.root.native('updatePolicy', {
    organizationId,
    policyName: 'everybody',
    policy: limited(lamports(2 * FEE, { id: 'organization', per: ['organization', 'asset'] })),
  });
  const second = await scene.sends(agent, FEE + 1);
  assert.deepEqual(
    [second.body?.code, second.body?.rule],
    ['spending-limit-exceeded', 'everybody/organization'],
  );
  assert.equal((await scene.sends(agent, FEE)).status, 200);
  assert.equal((await scene.sends(scene.root, 1)).body?.rule, 'everybody/organization');
  await scene.root.native('updatePolicy', { organizationId, policyName: 'everybody', policy: null });
  assert.equal((await scene.sends(scene.root, 1)).status, 200);
  assert.equal((await scene.sends(agent, 1)).body?.rule, 'user/wallet');
});

test('L25: after the heads log was lost, what was spent before is not known: windows from before count as full', async () => {
  const scene = await Scene.of(running);
  const { organizationId } = scene;
  const lifetime = { kind: 'lifetime' };
  const agent = await scene.user('agent', limited(lamports(100_000)));
  const other = await scene.user('other', limited(lamports(100_000, { window: lifetime })));
  assert.equal((await scene.sends(agent, 1)).status, 200);
  await running.restart(() => rmSync(running.heads, { recursive: true }), { reanchorEpoch: 1 });
  // Native stamps name whole seconds: one of the second in which the epoch began could be older.
  await wait(1000);
  const root = running.client(scene.root.key);
  const read = await root.nativeRpc('getOrganization', { organizationId });
  const { statement } = AnswerSignature.decode(Buffer.from(String(read.body?.signature), 'base64url'));
  const head = Buffer.from(statement.head).toString('base64url');
  const seen = `${organizationId};${statement.position};${head}`;
  assert.equal((await root.nativeRpc('freeze', { organizationId }, { seen })).status, 200);
  await root.native('unfreeze', { organizationId });
  const denied = await scene.sends(running.client(agent.key), 1);
  assert.equal(denied.body?.code, 'spending-limit-exceeded');
  assert.equal((denied.body!.limit as { used: string }).used, '100000');
  // A lifetime counts what the chain has.
  assert.equal((await scene.sends(running.client(other.key), 100_000 - 2 * FEE - 1)).status, 200);
  assert.equal((await scene.sends(running.client(other.key), 1)).body?.code, 'spending-limit-exceeded');
  // One that was founded later lost nothing.
  const later = await Scene.of(running);
  const fresh = await later.user('agent', limited(lamports(100_000)));
  assert.equal((await later.sends(fresh, 1)).status, 200);
});

const databaseOf = (directory: string) =>
  readdirSync(directory).filter((name) => name.startsWith('store.sqlite'));

function copyDatabase(from: string, to: string): void {
  for (const name of databaseOf(to)) rmSync(join(to, name));
  for (const name of databaseOf(from)) cpSync(join(from, name), join(to, name));
}

test('L25: a backup of the database from before the last spending brings no budget back', async () => {
  const scene = await Scene.of(running);
  const { home } = running;
  const backup = join(home, '..', 'backup');
  const agent = await scene.user('agent', limited(lamports(2 * (FEE + 1))));
  assert.equal((await scene.sends(agent, 1)).status, 200);
  await running.restart(() => cpSync(home, backup, { recursive: true }));
  const spent = async (by = running.client(agent.key)) => scene.sends(by, 1);
  assert.equal((await spent()).status, 200);
  const entries = running.entries(scene.organizationId);
  // The log of heads has what the backup lacks, and the chain is whole again.
  await running.restart(() => {
    copyDatabase(backup, home);
    assert.ok(running.entries(scene.organizationId) < entries);
  });
  assert.match(running.logged(), /"event":"rolled-forward"/);
  assert.equal((await spent()).body?.code, 'spending-limit-exceeded');
});

/** What the newest entry of an organization says of its decision. */
async function lastTrace(
  { home }: { readonly home: string },
  organizationId: string,
): Promise<readonly string[]> {
  const store = await copyStore(join(home, 'store.sqlite'));
  try {
    const id = Buffer.from(organizationId.replaceAll('-', ''), 'hex');
    const sql = 'SELECT bytes FROM entries WHERE organization = ? ORDER BY position DESC LIMIT 1';
    const bytes = store.database.prepare(sql).get(id)!.bytes as Uint8Array;
    return Entry.decode(bytes.subarray(0, bytes.length - 32)).decision.trace;
  } finally {
    store.close();
  }
}
