/** Limits and time: the programs themselves in one process, since a test moves no clock of a machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerSignature } from '@keystead/protocol/answer';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { type Answered, InProcess } from '../core/in-process.ts';
import { stamped } from '../core/stamped.ts';
import { FEE, lamports, limited } from './scene.ts';

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

  private constructor(largestClockJump: number) {
    this.deployment = new InProcess({ clock: () => Date.now() + this.shift, settings: { largestClockJump } });
  }

  static async of(largestClockJump = 0): Promise<ClockedScene> {
    const scene = new ClockedScene(largestClockJump);
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

  ask(method: string, params: object, by = 1): Promise<Answered> {
    return this.deployment.submit(stamped(method, params, seedOf(by), Date.now() + this.shift));
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

  pays(by: number, amount: number): Promise<Answered> {
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

test('L20: a clock that goes back gives no new budget', async () => {
  const scene = await ClockedScene.of();
  const agent = await scene.agent(limited(lamports(100_000)));
  assert.equal((await scene.pays(agent, 90_000)).status, 200);
  scene.shift = -HOUR / 12;
  assert.equal(code(await scene.pays(agent, 10_000)), 'spending-limit-exceeded');
});

test('L20: a clock that jumps ahead gives no budget: nothing is signed until it is right again', async () => {
  const DAY = 24 * HOUR;
  for (const bound of [DAY, 0]) {
    const scene = await ClockedScene.of(bound);
    const agent = await scene.agent(limited(lamports(101_000)));
    assert.equal((await scene.pays(agent, 90_000)).status, 200);
    scene.shift = 1.5 * DAY;
    // With the defence off the window has moved on.
    const jumped = await scene.pays(agent, 90_000);
    assert.deepEqual([jumped.status, code(jumped)], bound === 0 ? [200, undefined] : [503, 'signer-refused']);
    if (bound === 0) continue;
    scene.shift = 0;
    assert.equal(code(await scene.pays(agent, 90_000)), 'spending-limit-exceeded');
    assert.equal((await scene.pays(agent, 1)).status, 200);
  }
});
