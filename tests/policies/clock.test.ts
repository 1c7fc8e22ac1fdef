/** Limits and time: the programs themselves in one process, since a test moves no clock of a machine. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AnswerSignature } from '@keystead/protocol/answer';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { type Answered, InProcess } from '../core/in-process.ts';
import { HostileWorld } from '../attacks/hostile-world.ts';
import { stamped } from '../core/stamped.ts';
import { FEE, lamports, limited, signing } from './scene.ts';

const seedOf = (fill: number) => new Uint8Array(32).fill(fill);
const PATH = { derivationPath: "m/44'/501'/0'/0'", curve: 'Ed25519', addressFormat: 'Solana' };
const HOUR = 3_600_000;

/** An organization with a wallet, in a deployment whose clock the test holds. */
class ClockedScene {
  shift = 0;
  readonly deployment: InProcess;
  organizationId = '';
  #walletId = '';
  #address = '';
  #users = 1;

  /** A clock that stands still and is moved by `shift`, or the machine's, which goes on and is shifted. */
  readonly #standing: number | null;

  private constructor(largestClockJump: number, standing: number | null) {
    this.#standing = standing;
    this.deployment = new InProcess({ clock: () => this.now(), settings: { largestClockJump } });
  }

  now(): number {
    return (this.#standing ?? Date.now()) + this.shift;
  }

  static async of(largestClockJump = 0, standing: number | null = null): Promise<ClockedScene> {
    const scene = new ClockedScene(largestClockJump, standing);
    const made = await scene.call('createOrganization', {
      organizationName: 'Clock',
      users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [scene.#key('root', 1)] }],
      tags: [],
    });
    scene.organizationId = String(made.organizationId);
    const { organizationId } = scene;
    const wallet = await scene.call('createWallet', { organizationId, walletName: 'W' });
    scene.#walletId = String(wallet.walletId);
    const accounts = wallet.accounts as { addressFormat: string; address: string }[];
    scene.#address = accounts.find(({ addressFormat }) => addressFormat === 'Solana')!.address;
    return scene;
  }

  #key(authenticatorName: string, fill: number) {
    const publicKey = base64urlEncode(ed25519.publicKey(seedOf(fill)));
    return { authenticatorName, authenticatorKind: 'keypair', publicKey, algorithm: 'Ed25519' };
  }

  ask(method: string, params: object, by = 1, at = this.now()): Promise<Answered> {
    return this.deployment.submit(stamped(method, params, seedOf(by), at));
  }

  async call(method: string, params: object, by = 1): Promise<Record<string, unknown>> {
    const answer = await this.ask(method, params, by);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body as Record<string, unknown>;
  }

  /** Adds a user in whose transactions a policy of the organization holds; gives the number of its key. */
  async agent(policy: object): Promise<number> {
    const { organizationId } = this;
    await this.call('updatePolicy', { organizationId, policyName: 'everybody', policy });
    return this.user({ type: 'CEL', preset: 'LEGACY_USER_ROLE' });
  }

  /** Adds a user and gives the number of its key. */
  async user(policy: object, traits: Readonly<Record<string, string>> = {}): Promise<number> {
    this.#users += 1;
    const { organizationId } = this;
    const username = `user ${this.#users}`;
    await this.call('addUserToOrganization', {
      organizationId,
      user: {
        username,
        policy,
        traits,
        authenticators: [this.#key(username, this.#users)],
      },
    });
    return this.#users;
  }

  /** Stamped at `at`, where the caller has another clock. */
  pays(by: number, amount: number, at = this.now()): Promise<Answered> {
    const from = new PublicKey(this.#address);
    const to = Keypair.generate().publicKey;
    const transaction = new Transaction({ feePayer: from, recentBlockhash: to.toBase58() })
      .add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports: amount }))
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    const { organizationId } = this;
    return this.ask(
      'signTransaction',
      {
        organizationId,
        walletId: this.#walletId,
        transaction: transaction.toString('base64url'),
        derivationInfo: PATH,
      },
      by,
      at,
    );
  }
}

const code = ({ body }: Answered) => (body as { code?: string }).code;

test('L10: what was never sent is given back when its blockhash is too old and two operators did not find it', async () => {
  const scene = await ClockedScene.of();
  const { organizationId } = scene;
  const agent = await scene.agent(limited(lamports(100_000, { window: { kind: 'lifetime' } })));
  const sources = [
    await scene.user({ type: 'ROOT' }, { operator: 'Alpha' }),
    await scene.user({ type: 'ROOT' }, { operator: 'Beta' }),
  ];
  const paid = await scene.pays(agent, 100_000 - FEE);
  assert.equal(paid.status, 200);
  const { position } = AnswerSignature.decode(paid.signature).statement;
  const state = (by: number) =>
    scene.ask('stateOutcomes', { organizationId, outcomes: [{ position, outcome: 'expired' }] }, by);
  scene.shift = 290_000;
  assert.equal(code(await state(sources[0]!)), 'parameter-invalid');
  scene.shift = 310_000;
  assert.equal((await state(sources[0]!)).status, 200);
  assert.equal(code(await scene.pays(agent, 1)), 'spending-limit-exceeded');
  assert.equal((await state(sources[1]!)).status, 200);
  assert.equal((await scene.pays(agent, 100_000 - FEE)).status, 200);
  assert.equal(code(await scene.pays(agent, 1)), 'spending-limit-exceeded');
});

test('L11: what a durable nonce lets land for ever is never given back, however old it is', async () => {
  const world = new HostileWorld();
  const { organizationId, wallet } = await world.tenant();
  const { walletId } = wallet;
  const address = wallet.accounts.find(
    ({ derivationPath }) => derivationPath === PATH.derivationPath,
  )!.address;
  const from = new PublicKey(address);
  const seeds = { agent: seedOf(61), alpha: seedOf(62), beta: seedOf(63) };
  for (const [username, seed] of Object.entries(seeds)) {
    const publicKey = base64urlEncode(ed25519.publicKey(seed));
    const key = { authenticatorName: 'key', authenticatorKind: 'keypair', publicKey, algorithm: 'Ed25519' };
    const policy = username === 'agent' ? { type: 'CEL', preset: 'LEGACY_USER_ROLE' } : { type: 'ROOT' };
    const user = { username, policy, traits: { operator: username }, authenticators: [key] };
    await world.done(world.call('addUserToOrganization', { organizationId, user }));
  }
  const rules = [{ ...signing, accepts: [{ what: 'unresolved', kind: 'durable-nonce' }] }];
  const limits = [lamports(100_000, { window: { kind: 'lifetime' } })];
  const newPolicy = { type: 'POLICY', policy: { version: 1, rules, limits } };
  await world.done(
    world.nativeCall('updateUserInOrganization', { organizationId, username: 'agent', newPolicy }),
  );
  const pays = (amount: number, durable: boolean): Promise<Answered> => {
    const to = Keypair.generate().publicKey;
    const transaction = new Transaction({ feePayer: from, recentBlockhash: to.toBase58() });
    if (durable) transaction.add(SystemProgram.nonceAdvance({ noncePubkey: to, authorizedPubkey: from }));
    transaction.add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports: amount }));
    const bytes = transaction.serialize({ requireAllSignatures: false, verifySignatures: false });
    const params = {
      organizationId,
      walletId,
      transaction: bytes.toString('base64url'),
      derivationInfo: PATH,
    };
    return world.stack.submit(world.call('signTransaction', params, seeds.agent));
  };
  const expired = (answer: Answered, seed: Uint8Array): Promise<Answered> => {
    const { position } = AnswerSignature.decode(answer.signature).statement;
    const outcomes = [{ position, outcome: 'expired' }];
    return world.stack.submit(world.call('stateOutcomes', { organizationId, outcomes }, seed));
  };
  const durable = await pays(40_000 - FEE, true);
  const usual = await pays(60_000 - FEE, false);
  assert.deepEqual([durable.status, usual.status], [200, 200], JSON.stringify(durable.body));
  world.now += 30 * 24 * HOUR;
  for (const seed of [seeds.alpha, seeds.beta]) {
    assert.equal(code(await expired(durable, seed)), 'parameter-invalid');
    // The control: what had a recent blockhash is given back.
    assert.equal((await expired(usual, seed)).status, 200);
  }
  assert.equal(code(await pays(60_001 - FEE, false)), 'spending-limit-exceeded');
  assert.equal((await pays(60_000 - FEE, false)).status, 200);
});

/** A clock that stands, and a user whose transactions a window of this kind bounds: `fits` of them and no more. */
async function windowed(window: object, at: string, fits = 1) {
  const scene = await ClockedScene.of(0, Date.parse(at));
  const agent = await scene.agent(limited(lamports(fits * 100_000, { window })));
  const pays = async (moment: string | number) => {
    scene.shift = (typeof moment === 'number' ? moment : Date.parse(moment)) - Date.parse(at);
    const answer = await scene.pays(agent, 100_000 - FEE);
    return answer.status === 200 || code(answer);
  };
  return pays;
}

const FULL = 'spending-limit-exceeded';

test('L5: a rolling window is full for all of its length but one millisecond, and then open', async () => {
  const start = Date.parse('2026-05-01T12:00:00Z');
  for (const [after, expected] of [
    [59_999, FULL],
    [60_000, true],
    [60_001, true],
  ] as const) {
    const pays = await windowed({ kind: 'rolling', seconds: 60 }, '2026-05-01T12:00:00Z');
    assert.equal(await pays(start), true);
    assert.equal(await pays(start + after), expected, String(after));
  }
});

test('L6: a burst around a boundary passes a fixed window, as the page on policies says, and no rolling one', async () => {
  for (const [window, expected] of [
    [{ kind: 'fixed', seconds: 3600, anchor: '2026-01-01T00:00:00Z' }, true],
    [{ kind: 'rolling', seconds: 3600 }, FULL],
  ] as const) {
    const pays = await windowed(window, '2026-05-01T00:59:59.000Z');
    assert.equal(await pays('2026-05-01T00:59:59.999Z'), true);
    assert.equal(await pays('2026-05-01T00:59:59.999Z'), FULL);
    assert.equal(await pays('2026-05-01T01:00:00.000Z'), expected);
    assert.equal(await pays('2026-05-01T01:00:00.000Z'), FULL);
  }
  const page = readFileSync(join(import.meta.dirname, '../../docs/policies.md'), 'utf8');
  assert.match(page, /fixed or calendar window lets twice its limit leave around a boundary/);
});

test('L7: a local day of 23 or 25 hours has one budget, and so has one with a leap second', async () => {
  const berlin = { kind: 'calendar', unit: 'day', timeZone: 'Europe/Berlin' };
  for (const [begins, lastInstant, next] of [
    ['2026-03-28T23:00:00Z', '2026-03-29T21:59:59.999Z', '2026-03-29T22:00:00Z'],
    ['2026-10-24T22:00:00Z', '2026-10-25T22:59:59.999Z', '2026-10-25T23:00:00Z'],
  ] as const) {
    const pays = await windowed(berlin, begins);
    assert.equal(await pays(begins), true);
    assert.equal(await pays(lastInstant), FULL, lastInstant);
    assert.equal(await pays(next), true, next);
    assert.equal(await pays(next), FULL);
  }
  // Clocks show a leap second as one that comes twice: it is of the old day each time, and what was counted stays.
  const utc = { kind: 'calendar', unit: 'day', timeZone: 'UTC' };
  const pays = await windowed(utc, '2026-12-31T23:59:50Z');
  assert.equal(await pays('2026-12-31T23:59:59.900Z'), true);
  assert.equal(await pays('2026-12-31T23:59:59.100Z'), FULL);
  assert.equal(await pays('2026-12-31T23:59:59.999Z'), FULL);
  assert.equal(await pays('2027-01-01T00:00:00.000Z'), true);
  // And back before midnight once more: the new day's budget is used up, and the old one's does not come back.
  assert.equal(await pays('2026-12-31T23:59:59.500Z'), FULL);
});

test('L20: a clock that goes back gives no new budget', async () => {
  const scene = await ClockedScene.of();
  const agent = await scene.agent(limited(lamports(101_000)));
  assert.equal((await scene.pays(agent, 90_000)).status, 200);
  scene.shift = -HOUR;
  // Stamps of that hour are over, and for a caller whose clock is right the window has not moved.
  assert.equal(code(await scene.pays(agent, 10_000)), 'stamp-expired');
  assert.equal(code(await scene.pays(agent, 10_000, Date.now())), 'spending-limit-exceeded');
  scene.shift = 0;
  assert.equal((await scene.pays(agent, 1)).status, 200);
});

test('L20: a clock that jumps ahead gives no budget: nothing is signed until it is right again', async () => {
  const DAY = 24 * HOUR;
  const YEAR = 365 * DAY;
  for (const bound of [DAY, 0]) {
    const scene = await ClockedScene.of(bound);
    const agent = await scene.agent(limited(lamports(101_000)));
    assert.equal((await scene.pays(agent, 90_000)).status, 200);
    scene.shift = YEAR;
    // With the defence off the window has moved on.
    const jumped = await scene.pays(agent, 90_000);
    assert.deepEqual([jumped.status, code(jumped)], bound === 0 ? [200, undefined] : [503, 'signer-refused']);
    if (bound === 0) continue;
    scene.shift = 0;
    assert.equal(code(await scene.pays(agent, 90_000)), 'spending-limit-exceeded');
    assert.equal((await scene.pays(agent, 1)).status, 200);
  }
});
