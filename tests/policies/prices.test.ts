import { withStack } from '../with-stack.ts';
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Transaction as EthereumTransaction } from 'ethers';
import { newCredentials, writeCredentials } from '@keystead/sdk/node/credentials';
import type { Answer, RawClient } from '../raw-client.ts';
import { limited, Scene, SOL, stampKeyOf } from './scene.ts';

const running = withStack();
const CLI = join(import.meta.dirname, '../../client/cli/src/main.ts');

const mayState = {
  version: 1,
  rules: [{ id: 'states', effect: 'allow', on: ['state-prices'], when: { constant: true } }],
};

/** One dollar a day, by two sources whose word is at most six seconds old. */
const dollars = {
  ...limited({
    id: 'usd',
    meter: 'usd',
    per: ['user'],
    window: { kind: 'rolling', seconds: 86_400 },
    max: '1000000',
  }),
  pricing: { maximumAgeSeconds: 6, maximumDeviation: 500, sources: 2 },
};

/** A server of prices that says what it is told to. */
async function feedServer(t: TestContext): Promise<{ url: string; usd: unknown; asked: number }> {
  const feed = { url: '', usd: 100 as unknown, asked: 0 };
  const server = createServer((_request, response) => {
    feed.asked += 1;
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ solana: { usd: feed.usd } }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  feed.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return feed;
}

/** A source: a user with a key of its own, and `keystead prices feed` as a process that holds it. */
async function sourceProcess(
  t: TestContext,
  scene: Scene,
  username: string,
  url: string,
): Promise<ChildProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-prices-'));
  const { organizationId } = scene;
  const { deploymentId } = running.stack;
  const credentials = newCredentials({ api: running.api, deploymentId, organizationId, username });
  writeCredentials(join(folder, 'source.json'), credentials);
  await scene.user(username, mayState, stampKeyOf(credentials.privateKey.expose()));
  const addTraits = { operator: `operator of ${username}` };
  await scene.root.native('updateUserInOrganization', { organizationId, username, addTraits });
  const assets = [{ asset: SOL, decimals: 9, at: '/solana/usd' }];
  writeFileSync(join(folder, 'feed.json'), JSON.stringify({ url, assets }));
  const given = ['prices', 'feed', join(folder, 'feed.json'), '--every', '1'];
  const child = spawn(process.execPath, [CLI, ...given, '--credentials', join(folder, 'source.json')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true });
  });
  return child;
}

/** Asks until the answer is the one that is expected. */
async function until(ask: () => Promise<Answer>, expected: (answer: Answer) => boolean): Promise<Answer> {
  for (const patience = Date.now() + 120_000; ; ) {
    const answer = await ask();
    if (expected(answer)) return answer;
    assert.ok(Date.now() < patience, answer.text);
    await wait(200);
  }
}

test('L21: two feeds, each a process with its own key, hold a limit in dollars; when one ends or lies, it denies', async (t) => {
  const scene = await Scene.of(running);
  const agent: RawClient = await scene.user('agent', dollars);
  const feeds = [await feedServer(t), await feedServer(t)];
  const denied = (why: RegExp) => (answer: Answer) =>
    answer.body?.code === 'spending-limit-exceeded' && why.test(String(answer.body.detail));
  // A hundredth of a dollar at a hundred dollars: 95,000 lamports and the fee of 5,000.
  const pays = () => scene.sends(agent, 95_000);

  assert.ok(denied(/no source has stated a price/)(await pays()));
  const [one] = [await sourceProcess(t, scene, 'one', feeds[0]!.url)];
  await until(pays, denied(/1 of 2 operators/));
  await sourceProcess(t, scene, 'other', feeds[1]!.url);
  await until(pays, ({ status }) => status === 200);
  // One source says that it costs half: whatever is true, nothing is signed by that.
  feeds[1]!.usd = '50.00';
  await until(pays, denied(/the sources disagree/));
  feeds[1]!.usd = 1.005e2;
  await until(pays, ({ status }) => status === 200);
  // Nothing, zero, less than nothing, and what is no number: not stated, so that the last price grows old.
  for (const usd of [null, 0, -100, 'NaN', '1e99']) {
    feeds[1]!.usd = usd;
    const { asked } = feeds[1]!;
    while (feeds[1]!.asked < asked + 2) await wait(100);
    await until(pays, denied(/1 of 2 operators/));
  }
  feeds[1]!.usd = 100;
  await until(pays, ({ status }) => status === 200);
  one.kill('SIGTERM');
  assert.deepEqual(await once(one, 'exit'), [0, null]);
  await until(pays, denied(/1 of 2 operators/));
});

/** Pays wei to nobody's address under a dollar a day; two sources whose word holds long are enough. */
const dollarsLong = { ...dollars, pricing: { maximumAgeSeconds: 3600, maximumDeviation: 500, sources: 2 } };
const ETHER = 'eip155:1/slip44:60';
const gwei = 10n ** 9n;

test('a source of prices says who runs it, or states nothing', async () => {
  const scene = await Scene.of(running);
  const nobodys = await scene.source('nobodys', null, 'state-prices');
  await assert.rejects(scene.statePrices(nobodys, { [SOL]: ['1', 9] }), {
    code: 'policy-denied',
  });
  // Negative control.
  const somebodys = await scene.source('somebodys', 'somebody', 'state-prices');
  await scene.statePrices(somebodys, { [SOL]: ['1', 9] });
});

test('two sources of one operator are one voice: alone it gives no price, and lowers none', async () => {
  const scene = await Scene.of(running);
  const agent = await scene.user('agent', dollarsLong);
  const sources = [];
  for (const name of ['one', 'two']) sources.push(await scene.source(name, 'same', 'state-prices'));
  // 0.00021 ether of fee and 0.000001 ether: 63 cents at 3,000 dollars.
  const pays = async (wei: bigint, nonce: number) => (await scene.sendsEther(agent, wei, nonce)).body?.detail;
  const state = async (by: readonly RawClient[], dollars: string) => {
    for (const source of by) await scene.statePrices(source, { [ETHER]: [`${dollars}000000`, 18] });
  };
  await state(sources, '3000');
  assert.match(String(await pays(1000n * gwei, 0)), /1 of 2 operators/);
  const other = await scene.source('other', 'another', 'state-prices');
  await state([other], '3000');
  assert.equal(await pays(1000n * gwei, 0), undefined);
  for (let times = 0; times < 5; times += 1) await state(sources, '3');
  assert.match(String(await pays(10n ** 18n, 1)), /the sources disagree/);
});

test('decimals of a token are what two operators say, and those of a coin what they are', async () => {
  const scene = await Scene.of(running);
  const token = 'eip155:1/erc20:0x1111111111111111111111111111111111111111';
  const agent = await scene.user('agent', {
    ...dollarsLong,
    limits: [
      {
        id: 'usd',
        meter: 'usd',
        across: { asset: [token] },
        window: { kind: 'rolling', seconds: 86_400 },
        max: '1000000',
      },
    ],
    pricing: { ...dollarsLong.pricing, sources: 1 },
  });
  const liar = await scene.source('liar', 'a liar', 'state-prices');
  const honest = await scene.source('honest', 'an honest one', 'state-prices');
  const second = await scene.source('second', 'another honest one', 'state-prices');
  let nonce = 0;
  const sends = async (amount: bigint) => {
    const data = `0xa9059cbb${'ee'.repeat(20).padStart(64, '0')}${amount.toString(16).padStart(64, '0')}`;
    const bytes = EthereumTransaction.from({
      type: 2,
      chainId: 1,
      nonce: nonce++,
      to: `0x${'11'.repeat(20)}`,
      data,
      gasLimit: 60_000n,
      maxFeePerGas: gwei,
      maxPriorityFeePerGas: 1n,
    }).unsignedSerialized;
    return (await scene.signs(agent, { kind: 'RLP_ENCODED', bytes }, 'ethereum')).body?.detail;
  };
  // With 18 of them a million tokens of six were worth a dollar in a million.
  await scene.statePrices(liar, { [token]: ['1000000', 18] });
  assert.match(String(await sends(1_000_000n)), /decimals/);
  await scene.statePrices(honest, { [token]: ['1000000', 6] });
  await scene.statePrices(second, { [token]: ['1000000', 6] });
  assert.match(String(await sends(1_000_001n)), /usd/);
  assert.equal(await sends(1_000_000n), undefined);
  await scene.statePrices(liar, { [token]: ['1000000', 18] });
  assert.match(String(await sends(1n)), /usd/);
  await assert.rejects(scene.statePrices(honest, { [ETHER]: ['3000000000', 6] }), {
    code: 'parameter-invalid',
  });
});
