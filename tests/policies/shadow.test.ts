/** Policies that are tried and not enforced (spec/policy.md §4.2), in one process. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shadowsIn } from '@keystead/cli/ledger/shadows';
import { Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import { HostileWorld, idBytes, member, solana, type Tenant } from '../attacks/hostile-world.ts';
import { entryOfRow } from '../attacks/stolen-keys.ts';

const small = (changes: object = {}) => ({
  version: 1,
  rules: [
    {
      id: 'small',
      effect: 'allow',
      on: ['sign-transaction'],
      when: { every: 'effects.outflows', where: { field: 'item.amount', operator: '<=', value: '1000' } },
      ...changes,
    },
  ],
  limits: [
    {
      id: 'all',
      meter: 'amount',
      per: ['wallet', 'asset'],
      window: { kind: 'lifetime' },
      max: '11500',
    },
  ],
});

class Tried {
  readonly world = new HostileWorld();
  tenant!: Tenant;

  static async of(): Promise<Tried> {
    const tried = new Tried();
    tried.tenant = await tried.world.tenant();
    await tried.world.addMember(tried.tenant.organizationId);
    return tried;
  }

  set(policy: object | null, mode?: 'shadow', policyName = 'draft') {
    const { organizationId } = this.tenant;
    const params = { organizationId, policyName, policy, ...(mode === undefined ? {} : { mode }) };
    return this.world.done<{ policies: { policyName: string; mode?: string }[] }>(
      this.world.call('updatePolicy', params),
    );
  }

  async pays(lamports: number): Promise<number> {
    const { organizationId, wallet } = this.tenant;
    const from = new PublicKey(
      wallet.accounts.find(({ derivationPath }) => derivationPath === solana.derivationPath)!.address,
    );
    const to = Keypair.generate().publicKey;
    const transaction = new Transaction({ feePayer: from, recentBlockhash: to.toBase58() })
      .add(SystemProgram.transfer({ fromPubkey: from, toPubkey: to, lamports }))
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    const params = {
      organizationId,
      walletId: wallet.walletId,
      transaction: transaction.toString('base64url'),
      derivationInfo: solana,
    };
    return (await this.world.submit(this.world.call('signTransaction', params, member))).status;
  }

  async rows() {
    return this.world.stack.store.entries(idBytes(this.tenant.organizationId), 1, 1000);
  }

  async lastTrace(): Promise<readonly string[]> {
    return entryOfRow((await this.rows()).at(-1)!.bytes).decision.trace;
  }
}

test('a shadow refuses nothing, and the entry says what it would have refused; enforced, it refuses the same', async () => {
  const tried = await Tried.of();
  const { policies } = await tried.set(small(), 'shadow');
  assert.deepEqual(
    policies.map(({ policyName, mode }) => [policyName, mode]),
    [['draft', 'shadow']],
  );
  assert.equal(await tried.pays(5000), 200);
  const trace = await tried.lastTrace();
  assert.match(trace.at(-1)!, /^shadow draft\/small: deny: effects\.outflows/);
  assert.equal(await tried.pays(5), 200);
  assert.equal((await tried.lastTrace()).filter((line) => line.startsWith('shadow')).length, 0);
  assert.equal((await tried.set(small())).policies[0]!.mode, undefined);
  assert.equal(await tried.pays(5000), 403);
  await tried.set(null);
  assert.equal(await tried.pays(5000), 200);
  assert.deepEqual(
    (await tried.lastTrace()).filter((line) => line.startsWith('shadow')),
    [],
  );
});

test('a shadow counts in its limits what it lets pass, and takes nothing from the limits that bind', async () => {
  const tried = await Tried.of();
  const binding = { ...small(), rules: [{ ...small().rules[0], when: { constant: true } }] };
  await tried.set(
    { ...binding, limits: [{ ...binding.limits[0], per: ['user', 'wallet', 'asset'] }] },
    undefined,
    'binding',
  );
  await tried.set(small(), 'shadow');
  // 5,000 of fee each: two fit into 11,500, of the shadow as of the policy that binds.
  assert.equal(await tried.pays(500), 200);
  assert.equal(await tried.pays(500), 200);
  assert.equal(await tried.pays(500), 400);
  await tried.set(null, undefined, 'binding');
  assert.equal(await tried.pays(500), 200);
  assert.match((await tried.lastTrace()).at(-1)!, /^shadow draft\/all: deny: /);
});

test('a shadow says when it would have asked for approvals or a delay', async () => {
  const tried = await Tried.of();
  await tried.set(small({ approvals: 2, delaySeconds: 3600 }), 'shadow');
  assert.equal(await tried.pays(5), 200);
  assert.deepEqual((await tried.lastTrace()).slice(-2), [
    'shadow draft/small: approvals 2',
    'shadow draft/small: delay 3600s',
  ]);
});

test('the ledger tells of the time in which a policy was tried, and of what passed then', async () => {
  const tried = await Tried.of();
  assert.equal(await tried.pays(7000), 200);
  await tried.set(small(), 'shadow');
  assert.equal(await tried.pays(5), 200);
  assert.equal(await tried.pays(6000), 200);
  await tried.set(null);
  assert.equal(await tried.pays(8000), 200);
  const { passed, others } = shadowsIn(await tried.rows(), 'draft');
  assert.equal(passed, 2);
  assert.equal(others.length, 1);
  assert.match(others[0]!.line, /6000/);
  assert.deepEqual(shadowsIn(await tried.rows(), 'another'), { passed: 0, others: [] });
});

test('a shadow that would be too much work is not tried, says so, and leaves the others their room; enforced, it denies', async () => {
  const tried = await Tried.of();
  // Local time of a zone takes 3,000 steps of the 1,000,000 (spec/policy.md §4.3).
  const hours = Intl.supportedValuesOf('timeZone')
    .slice(0, 340)
    .map((zone) => ({ field: `time.now.getHours("${zone}")`, operator: '<', value: '24' }));
  const wide = { ...small(), rules: [{ ...small().rules[0], id: 'wide', when: { all: hours } }] };
  await tried.set(wide, 'shadow', 'a-wide');
  await tried.set(small(), 'shadow', 'draft');
  assert.equal(await tried.pays(5000), 200);
  const lines = (await tried.lastTrace()).filter((line) => line.startsWith('shadow'));
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /^shadow a-wide: deny: .*more steps than a decision may$/);
  assert.match(lines[1]!, /^shadow draft\/small: deny: effects\.outflows/);

  await tried.set(wide, undefined, 'a-wide');
  assert.equal(await tried.pays(5), 403);
  const { code, rule } = entryOfRow((await tried.rows()).at(-1)!.bytes).decision;
  assert.deepEqual([code, rule], ['policy-too-complex', 'a-wide/wide']);
  await tried.set(
    { ...wide, rules: [{ ...wide.rules[0], when: { all: hours.slice(0, 300) } }] },
    undefined,
    'a-wide',
  );
  assert.equal(await tried.pays(5), 200);
});
