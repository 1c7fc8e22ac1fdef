/**
 * Grants of version v1 and transaction policies, as published clients write them: over the compatibility surface, against a
 * deployment in one process whose clock the test holds.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ComputeBudgetProgram, Keypair, PublicKey, SystemProgram, Transaction } from '@solana/web3.js';
import {
  HostileWorld,
  keypair,
  member,
  root,
  signingParams,
  solana,
  type Tenant,
} from '../attacks/hostile-world.ts';

const appUser = new Uint8Array(32).fill(71);
const shop = Keypair.generate().publicKey;
const SYSTEM = SystemProgram.programId.toBase58();

interface Told {
  readonly status: number;
  readonly code?: string;
  readonly rule?: string;
  readonly field?: string;
  readonly detail?: string;
}

/** An owner with a wallet, and an app's organization with a root user and a plain one. */
class Shared {
  readonly world = new HostileWorld();
  owner!: Tenant;
  target = '';

  static async of(policy: object, more: object = {}): Promise<Shared> {
    const shared = new Shared();
    const { world } = shared;
    shared.owner = await world.tenant();
    ({ organizationId: shared.target } = await world.done<{ organizationId: string }>(
      world.founding(member, 'App'),
    ));
    await world.done(
      world.call(
        'addUserToOrganization',
        {
          organizationId: shared.target,
          user: {
            username: 'plain',
            policy: { type: 'CEL', preset: 'ALLOW_ALL' },
            authenticators: [keypair('k', appUser)],
          },
        },
        member,
      ),
    );
    await shared.grants(policy, more);
    return shared;
  }

  get between() {
    return {
      ownerOrganizationId: this.owner.organizationId,
      targetOrganizationId: this.target,
      walletId: this.owner.wallet.walletId,
    };
  }

  grants(policy: object, more: object = {}) {
    const params = { ...this.between, policy, ...more };
    return this.world.done<{ policy: object; transactionPolicy?: object }>(
      this.world.call('grantOrganizationAccess', params),
    );
  }

  async #told(method: string, params: object, by: Uint8Array): Promise<Told> {
    const { status, body } = await this.world.submit(this.world.call(method, params, by));
    return { status, ...(body as object) };
  }

  signs(by: Uint8Array, message = 'hello'): Promise<Told> {
    return this.#told('signUtf8Message', signingParams(this.target, this.owner.wallet.walletId, message), by);
  }

  pays(by: Uint8Array, lamports: number, ...others: Parameters<Transaction['add']>): Promise<Told> {
    const { wallet } = this.owner;
    const account = wallet.accounts.find(({ derivationPath }) => derivationPath === solana.derivationPath)!;
    const from = new PublicKey(account.address);
    const transaction = new Transaction({
      feePayer: from,
      recentBlockhash: Keypair.generate().publicKey.toBase58(),
    })
      .add(...others, SystemProgram.transfer({ fromPubkey: from, toPubkey: shop, lamports }))
      .serialize({ requireAllSignatures: false, verifySignatures: false });
    const params = {
      organizationId: this.target,
      walletId: wallet.walletId,
      transaction: transaction.toString('base64url'),
      derivationInfo: solana,
    };
    return this.#told('signTransaction', params, by);
  }
}

const never = { rootAccess: { type: 'NONE' } };

describe('a grant of version v1', () => {
  it('allows what its preset does, and is answered as it was written', async () => {
    const policy = { version: 'v1', preset: 'LEGACY_USER_ROLE', ...never };
    const shared = await Shared.of(policy);
    const listed = await shared.world.done<{ grants: { policy: object }[] }>(
      shared.world.call('getWalletAccessGrantsRequest', { ...shared.between, limit: 5, offset: 0 }),
    );
    assert.deepEqual(listed.grants[0]!.policy, policy);
    assert.equal((await shared.signs(appUser)).status, 200);
    const denied = await Shared.of({ version: 'v1', preset: 'DENY_ALL', ...never });
    assert.equal((await denied.signs(appUser)).code, 'policy-denied');
    assert.equal((await denied.signs(member)).code, 'policy-denied');
  });

  it('enforces its rules and constants inside signTransaction', async () => {
    const shared = await Shared.of({
      version: 'v1',
      rules: [
        {
          expression:
            'action.method == "signTransaction" && effects.outflows.all(o, o.amount <= most && o.to in shops)',
          outcome: 'ALLOW',
          comment: 'small payments to shops',
        },
      ],
      constants: [
        { name: 'most', value: 1000 },
        { name: 'shops', value: [shop.toBase58()] },
      ],
      ...never,
    });
    assert.equal((await shared.pays(appUser, 1000)).status, 200);
    const refused = await shared.pays(appUser, 1001);
    assert.deepEqual([refused.code, refused.rule], ['policy-denied', 'grant/rule-0']);
    assert.equal((await shared.signs(appUser)).code, 'policy-denied');
    // Without root access, ROOT of the other organization is bound as well.
    assert.equal((await shared.pays(member, 1001)).code, 'policy-denied');
  });

  it('refuses rules that mean nothing, and stays without them', async () => {
    const shared = await Shared.of({ version: 'v0', scopes: ['exportWallet'] });
    const params = (rules: object[], more: object = never) => ({
      ...shared.between,
      policyName: 'other',
      policy: { version: 'v1', rules, constants: [], ...more },
    });
    const { world } = shared;
    const refusal = async (given: object) => {
      const { code, ...rest } = await world.refused(world.call('grantOrganizationAccess', given));
      return [code, (rest as { field?: string }).field ?? ''];
    };
    const wrong = params([{ expression: 'no.such.field == 1', outcome: 'ALLOW' }]);
    assert.equal((await refusal(wrong))[0], 'parameter-invalid');
    assert.equal((await refusal(params([], {})))[0], 'parameter-invalid');
    assert.equal(
      (await refusal(params([], { rootAccess: { type: 'AFTER_TIMESTAMP' } })))[0],
      'parameter-invalid',
    );
    await shared.grants(params([]).policy, { policyName: 'other' });
  });

  it('lets root users in always, never, or from a time on, and nobody else', async () => {
    const rules = { version: 'v1', preset: 'DENY_ALL' };
    const always = await Shared.of({ ...rules, rootAccess: { type: 'ALWAYS' } });
    assert.equal((await always.signs(member)).status, 200);
    assert.equal((await always.signs(appUser)).code, 'policy-denied');
    const later = new Shared();
    const timestampMs = later.world.now + 3_600_000;
    const from = await Shared.of({ ...rules, rootAccess: { type: 'AFTER_TIMESTAMP', timestampMs } });
    from.world.now = timestampMs - 2;
    assert.equal((await from.signs(member)).code, 'policy-denied');
    from.world.now = timestampMs;
    assert.equal((await from.signs(member, 'later')).status, 200);
    assert.equal((await from.signs(appUser)).code, 'policy-denied');
  });

  it('denies to root users, too, what its rules deny', async () => {
    const shared = await Shared.of({
      version: 'v1',
      rules: [{ expression: 'effects.outflows.exists(o, o.amount > 1000)', outcome: 'DENY' }],
      constants: [],
      rootAccess: { type: 'ALWAYS' },
    });
    assert.equal((await shared.pays(member, 1000)).status, 200);
    assert.equal((await shared.pays(member, 1001)).code, 'policy-denied');
  });

  it('is kept by a wallet’s former owner as retainPolicy', async () => {
    const shared = await Shared.of({ version: 'v0', scopes: ['owner'] });
    const { world, between, owner } = shared;
    const retainPolicy = { version: 'v1', preset: 'LEGACY_USER_ROLE', ...never };
    await world.sharesRoot(shared.target, member);
    await world.done(world.call('transferOrganizationWallet', { ...between, retainPolicy }));
    await world.assertSigns(owner, 'still', root);
    const exporting = { organizationId: owner.organizationId, walletId: between.walletId };
    const publicKey = Buffer.alloc(32, 9).toString('base64');
    const refused = await world.refused(world.call('exportWallet', { ...exporting, publicKey }));
    assert.equal(refused.code, 'policy-denied');
  });
});

describe('a transaction policy', () => {
  const bounded = (rules: object[]) =>
    Shared.of(
      { version: 'v0', scopes: ['owner'] },
      { transactionPolicy: { version: 'v0', solana: { rules } } },
    );
  const transfers = (validate: object[] = []) => ({
    rule: 'InstructionAllowlist',
    instructions: [{ programId: SYSTEM, discriminator: { Exact: 2 }, validate }],
  });

  it('is held inside signTransaction, names its rule and its field, and is answered as it was written', async () => {
    const rules = [transfers([{ rule: 'SystemInstructionLamportsThreshold', min: 10, max: 1000 }])];
    const shared = await bounded(rules);
    const listed = await shared.world.done<{ grants: { transactionPolicy: object }[] }>(
      shared.world.call('getWalletAccessGrantsRequest', { ...shared.between, limit: 5, offset: 0 }),
    );
    assert.deepEqual(listed.grants[0]!.transactionPolicy, { version: 'v0', solana: { rules } });
    assert.equal((await shared.pays(appUser, 1000)).status, 200);
    for (const by of [appUser, member]) {
      const refused = await shared.pays(by, 1001);
      assert.deepEqual(
        [refused.status, refused.code, refused.rule, refused.field],
        [403, 'policy-denied', 'grant/transaction-policy/InstructionAllowlist', 'instructions[0]'],
      );
    }
    // It is about transactions of Solana alone.
    assert.equal((await shared.signs(appUser)).status, 200);
    // The owner’s own users are not bound by what the owner granted to others.
    const own = new Shared();
    Object.assign(own, { world: shared.world, owner: shared.owner, target: shared.owner.organizationId });
    assert.equal((await own.pays(root, 1001)).status, 200);
  });

  it('holds every rule that published clients can write', async () => {
    const price = ComputeBudgetProgram.setComputeUnitPrice({ microLamports: 7 });
    const cases: [object, (shared: Shared) => Promise<Told>, (shared: Shared) => Promise<Told>][] = [
      [
        { rule: 'ComputeBudgetLimit', maxComputeUnitPrice: 6 },
        (shared) => shared.pays(appUser, 1),
        (shared) => shared.pays(appUser, 1, price),
      ],
      [
        {
          rule: 'InstructionDenylist',
          instructions: [{ programId: ComputeBudgetProgram.programId.toBase58(), discriminator: 'Any' }],
        },
        (shared) => shared.pays(appUser, 1),
        (shared) => shared.pays(appUser, 1, price),
      ],
      [
        {
          rule: 'NoSignerAccountUsage',
          allowlist: [
            {
              programId: SYSTEM,
              discriminator: { In: [2] },
              validate: [{ rule: 'SystemInstructionLamportsThreshold', max: 5 }],
            },
          ],
        },
        (shared) => shared.pays(appUser, 5),
        (shared) => shared.pays(appUser, 6),
      ],
    ];
    for (const [rule, passes, breaks] of cases) {
      const shared = await bounded([
        rule,
        { rule: 'NoAddressLookupTables' },
        { rule: 'BundleSizeLimit', max: 1 },
      ]);
      const passed = await passes(shared);
      assert.equal(passed.status, 200, JSON.stringify(passed));
      const { rule: name } = rule as { rule: string };
      assert.equal((await breaks(shared)).rule, `grant/transaction-policy/${name}`);
    }
    const open = await bounded([{ rule: 'AllowAll' }]);
    assert.equal((await open.pays(appUser, 1, price)).status, 200);
    const closed = await bounded([{ rule: 'BundleSizeLimit', max: 0 }]);
    assert.equal((await closed.pays(appUser, 1)).rule, 'grant/transaction-policy/BundleSizeLimit');
  });

  it('is refused when it holds what nothing would enforce', async () => {
    const shared = await bounded([{ rule: 'AllowAll' }]);
    const { world, between } = shared;
    const many = Array.from({ length: 33 }, () => ({ programId: SYSTEM, discriminator: 'Any' }));
    const wrong: object[] = [
      { rule: 'NoSuchRule' },
      { rule: 'AllowAll', max: 1 },
      { rule: 'InstructionAllowlist' },
      { rule: 'InstructionAllowlist', instructions: [{ programId: 'no address', discriminator: 'Any' }] },
      { rule: 'InstructionAllowlist', instructions: [{ programId: SYSTEM, discriminator: 'Some' }] },
      { rule: 'InstructionAllowlist', instructions: [{ programId: SYSTEM, discriminator: 'Any', more: 1 }] },
      { rule: 'ComputeBudgetLimit', maxComputeUnits: -1 },
    ];
    const attempt = (rules: object[]) =>
      world.call('grantOrganizationAccess', {
        ...between,
        policyName: 'other',
        policy: { version: 'v0', scopes: ['owner'] },
        transactionPolicy: { version: 'v0', solana: { rules } },
      });
    for (const rule of wrong)
      assert.equal((await world.refused(attempt([rule]))).code, 'parameter-invalid', JSON.stringify(rule));
    const both = [
      { rule: 'InstructionAllowlist', instructions: many },
      { rule: 'InstructionDenylist', instructions: many },
    ];
    assert.equal((await world.refused(attempt(both))).code, 'parameter-invalid');
    await world.done(attempt(both.slice(0, 1)));
  });
});
