/** Rules that let pass after a delay (spec/approval.md §5), in one process whose clock the test holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { RawRequest } from '@keystead/protocol/frames';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { HostileWorld, keypair, member, solana, stranger, type Tenant } from '../attacks/hostile-world.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const vault = 86_400;
const guardian = new Uint8Array(32).fill(61);

interface Told {
  readonly code?: string;
  readonly subject?: string;
  readonly releaseAtMs?: string;
}

/** Small payments pass at once, larger ones after a day; whatever passes counts towards a limit. */
const policy = (changes: object = {}) => ({
  version: 1,
  rules: [
    { id: 'reads', effect: 'allow', on: ['read', 'approve', 'dry-run'], when: { constant: true } },
    { id: 'small', effect: 'allow', on: ['sign-transaction'], when: spends('<=', 1000) },
    {
      id: 'vault',
      effect: 'allow',
      on: ['sign-transaction'],
      when: spends('>', 1000),
      delaySeconds: vault,
      ...changes,
    },
  ],
  limits: [
    {
      id: 'week',
      meter: 'amount',
      per: ['wallet', 'asset'],
      window: { kind: 'rolling', seconds: 604_800 },
      max: '1000000',
    },
  ],
});

function spends(operator: string, value: number): object {
  return {
    every: 'effects.outflows',
    where: { field: 'item.amount', operator, value: String(value) },
  };
}

/** A member whose payments a policy delays, and a guardian who may say no. */
class Vault {
  readonly world: HostileWorld;
  tenant!: Tenant;

  constructor(options: ConstructorParameters<typeof HostileWorld>[0] = {}) {
    this.world = new HostileWorld(options);
  }

  static async of(options: ConstructorParameters<typeof HostileWorld>[0] = {}): Promise<Vault> {
    const vaulted = new Vault(options);
    const { world } = vaulted;
    vaulted.tenant = await world.tenant();
    const { organizationId } = vaulted.tenant;
    await world.addMember(organizationId);
    await world.done(
      world.call('addUserToOrganization', {
        organizationId,
        user: {
          username: 'guardian',
          policy: { type: 'CEL', preset: 'LEGACY_USER_ROLE' },
          authenticators: [keypair('g', guardian)],
        },
      }),
    );
    await vaulted.change(policy());
    return vaulted;
  }

  change(document: object): Promise<unknown> {
    const { organizationId } = this.tenant;
    return this.world.done(
      this.world.call('updatePolicy', { organizationId, policyName: 'vault', policy: document }),
    );
  }

  /** A payment with a blockhash that no other has. */
  payment(lamports: number, to: PublicKey): object {
    const { organizationId, wallet } = this.tenant;
    const address = wallet.accounts.find(({ derivationPath }) => derivationPath === solana.derivationPath)!;
    const from = new PublicKey(address.address);
    const transaction = new Transaction({
      feePayer: from,
      recentBlockhash: Keypair.generate().publicKey.toBase58(),
    })
      .add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports }))
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    return {
      organizationId,
      walletId: wallet.walletId,
      chain: 'solana',
      transaction: transaction.toString('base64url'),
      derivationInfo: solana,
    };
  }

  async pays(
    lamports: number,
    to: PublicKey,
    approvals?: readonly string[],
  ): Promise<Told & { status: number }> {
    this.world.now += 1000;
    const raw = this.world.nativeCall(
      'signTransaction',
      this.payment(lamports, to),
      member,
      approvals === undefined ? {} : { approvals },
    );
    const { status, body } = await this.world.submit(raw);
    return { status, ...(body as Told) };
  }

  async verdict(subject: string, verdict: 'approve' | 'reject', by = guardian): Promise<string> {
    this.world.now += 1000;
    const { organizationId } = this.tenant;
    const raw = this.world.nativeCall(
      'approve',
      { organizationId, subject, verdict, expiresInMs: 7 * DAY },
      by,
    );
    await this.world.done(raw);
    return base64urlEncode(RawRequest.encode(raw));
  }
}

const someone = () => Keypair.generate().publicKey;

test('a request waits as long as its rule says, is released once, and what is small never waits', async () => {
  const vaulted = await Vault.of();
  const { world } = vaulted;
  const to = someone();
  assert.equal((await vaulted.pays(1000, to)).status, 200);
  const asked = await vaulted.pays(5000, to);
  assert.deepEqual([asked.status, asked.code], [403, 'delay-required']);
  const releaseAt = Date.parse(asked.releaseAtMs!);
  assert.equal(releaseAt, world.now + vault * 1000);
  world.now = releaseAt - 1001;
  const early = await vaulted.pays(5000, to);
  assert.deepEqual(
    [early.code, early.subject, early.releaseAtMs],
    ['delay-required', asked.subject, asked.releaseAtMs],
  );
  // The blockhash of then is stale: it is bound late.
  world.now = releaseAt - 1000;
  assert.equal((await vaulted.pays(5000, to)).status, 200);
  assert.equal((await vaulted.pays(5000, to)).code, 'delay-required');
});

test('anybody who may approve can cancel what waits, and nothing that was cancelled is released', async () => {
  const vaulted = await Vault.of();
  const { world } = vaulted;
  const to = someone();
  const { subject } = await vaulted.pays(5000, to);
  const other = await vaulted.pays(6000, to);
  await vaulted.verdict(subject!, 'reject');
  world.now += DAY;
  assert.equal((await vaulted.pays(5000, to)).code, 'approval-rejected');
  assert.equal((await vaulted.pays(6000, to)).status, 200, JSON.stringify(other));
});

test('what waited is released for the same recipient and amount only, and for the same organization', async () => {
  const vaulted = await Vault.of();
  const { world } = vaulted;
  const to = someone();
  await vaulted.pays(5000, to);
  world.now += DAY;
  assert.equal((await vaulted.pays(5001, to)).code, 'delay-required');
  assert.equal((await vaulted.pays(5000, someone())).code, 'delay-required');
  assert.equal((await vaulted.pays(5000, to)).status, 200);
});

test('everything is judged again at the release: limits, policies, freezes', async () => {
  const to = someone();
  const changes: [string, (vaulted: Vault) => Promise<unknown>, ((vaulted: Vault) => Promise<unknown>)?][] = [
    [
      'spending-limit-exceeded',
      async (vaulted) => vaulted.change({ ...policy(), limits: [{ ...policy().limits[0], max: '4000' }] }),
    ],
    ['policy-denied', (vaulted) => vaulted.change({ ...policy(), rules: policy().rules.slice(0, 2) })],
    ['delay-required', (vaulted) => vaulted.change(policy({ delaySeconds: 2 * vault }))],
    ['approval-required', (vaulted) => vaulted.change(policy({ approvals: 1 }))],
    [
      'user-frozen',
      ({ world, tenant: { organizationId } }) =>
        world.done(world.call('freeze', { organizationId, username: 'member' })),
      ({ world, tenant: { organizationId } }) =>
        world.done(world.call('unfreeze', { organizationId, username: 'member' })),
    ],
  ];
  for (const [code, change, back] of changes) {
    const vaulted = await Vault.of();
    await vaulted.pays(5000, to);
    vaulted.world.now += DAY;
    await change(vaulted);
    assert.equal((await vaulted.pays(5000, to)).code, code);
    await (back ?? (() => vaulted.change(policy())))(vaulted);
    assert.equal((await vaulted.pays(5000, to)).status, 200, code);
  }
});

test('a delay and approvals run beside each other, and both have to be there', async () => {
  const vaulted = await Vault.of();
  const { world } = vaulted;
  await vaulted.change(policy({ approvals: 1 }));
  const to = someone();
  const { code, subject } = await vaulted.pays(5000, to);
  assert.equal(code, 'approval-required');
  const approval = await vaulted.verdict(subject!, 'approve');
  assert.equal((await vaulted.pays(5000, to, [approval])).code, 'delay-required');
  world.now += DAY;
  assert.equal((await vaulted.pays(5000, to)).code, 'approval-required');
  assert.equal((await vaulted.pays(5000, to, [approval])).status, 200);
  assert.equal((await vaulted.pays(5000, to, [approval])).code, 'delay-required');
});

test('what waited for approvals alone was never announced: its delay begins anew when a policy asks for one', async () => {
  const vaulted = await Vault.of();
  const { world } = vaulted;
  const [reads, small, vaultRule] = policy().rules;
  const undelayed = { ...vaultRule, delaySeconds: undefined };
  await vaulted.change({ ...policy(), rules: [reads, small, { ...undelayed, approvals: 1 }] });
  const to = someone();
  const { code, subject } = await vaulted.pays(5000, to);
  assert.equal(code, 'approval-required');
  world.now += 3 * DAY;
  await vaulted.change(policy());
  const asked = await vaulted.pays(5000, to);
  assert.deepEqual([asked.code, asked.subject], ['delay-required', subject]);
  assert.equal(Date.parse(asked.releaseAtMs!), world.now + vault * 1000);
  world.now += vault * 1000;
  assert.equal((await vaulted.pays(5000, to)).status, 200);
});

test('a wait outlives every process, and no clock that jumps ahead ends it', async () => {
  const vaulted = await Vault.of({ settings: { largestClockJump: DAY / 2 } });
  const { world } = vaulted;
  const to = someone();
  const { releaseAtMs } = await vaulted.pays(5000, to);
  const early = world.now;
  world.skew.policy = DAY;
  assert.notEqual((await vaulted.pays(5000, to)).status, 200);
  world.skew.policy = 0;
  world.now = early + DAY;
  world.restart();
  world.now += 1000;
  const raw = world.nativeCall('signTransaction', vaulted.payment(5000, to), member);
  assert.equal(await world.answerTo(raw), undefined);
  world.now = early + 60_000;
  world.restart();
  assert.deepEqual((await vaulted.pays(5000, to)).releaseAtMs, releaseAtMs);
  // The control: a day that really passes, for a certifier that was told so.
  const { certifier } = world.contexts;
  world.contexts.certifier = { ...certifier, settings: { ...certifier.settings, largestClockJump: 0 } };
  world.now = early + DAY;
  world.restart();
  assert.equal((await vaulted.pays(5000, to)).status, 200);
});

test('the compatibility surface, which has no subjects, never gets what has to wait; a dry run says so', async () => {
  const vaulted = await Vault.of();
  const { world } = vaulted;
  const { organizationId, wallet } = vaulted.tenant;
  const to = someone();
  const { transaction } = vaulted.payment(5000, to) as { transaction: string };
  const params = { organizationId, walletId: wallet.walletId, transaction, derivationInfo: solana };
  const refused = await world.submit(world.call('signTransaction', params, member));
  assert.deepEqual(
    [(refused.body as Told).code, (refused.body as Told).subject],
    ['delay-required', undefined],
  );
  world.now += 2 * DAY;
  assert.equal(
    ((await world.submit(world.call('signTransaction', params, member))).body as Told).code,
    'delay-required',
  );
  const preview = await world.done<{ success: boolean; error?: string }>(
    world.nativeCall('simulateTransaction', vaulted.payment(5000, to), member),
  );
  assert.equal(preview.success, false);
  assert.match(preview.error!, /waits until/);
  assert.equal(
    (await world.submit(world.nativeCall('simulateTransaction', vaulted.payment(5, to), member))).status,
    200,
  );
  assert.equal(
    (await world.refused(world.nativeCall('signTransaction', vaulted.payment(5, to), stranger))).code,
    'authenticator-unknown',
  );
});
