/**
 * A root key below a ceiling against its organization: it asks for every change that would give somebody more than it has
 * (spec/state.md §5.1), of an honest policy engine, and with a fallen one. Each refusal has its control: the same by a key
 * without a ceiling.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { algorithmEd25519 } from '@keystead/protocol/authority';
import { RawRequest } from '@keystead/protocol/frames';
import { AuthorityEvidence } from '@keystead/protocol/receipt';
import { possessionMessage } from '@keystead/protocol/stamp';
import { HostileWorld, idBytes, keypair, root, stranger, type Tenant } from './hostile-world.ts';
import { forgeEntry, useWithPolicyKeys } from './stolen-keys.ts';

const low = new Uint8Array(32).fill(31);
const next = new Uint8Array(32).fill(32);
const newcomer = new Uint8Array(32).fill(35);

const actions = [
  'addUserToOrganization',
  'createAuthenticator',
  'grantOrganizationAccess',
  'transferOrganizationWallet',
  'updateAuthenticator',
  'updateGuardians',
  'updateUserInOrganization',
];

class Delegated {
  readonly world = new HostileWorld();
  tenant!: Tenant;
  other!: Tenant;
  memberKey = '';

  static async of(): Promise<Delegated> {
    const scene = new Delegated();
    const { world } = scene;
    scene.tenant = await world.tenant();
    scene.other = await world.tenant(stranger);
    await world.sharesRoot(scene.other.organizationId, stranger);
    await world.addMember(scene.tenant.organizationId);
    const expiring = { ...keypair('m2', new Uint8Array(32).fill(33)), expiresInMs: 3_600_000 };
    const { id } = await scene.done<{ id: string }>(
      world.call('createAuthenticator', { ...scene.of('member'), authenticator: expiring }),
    );
    scene.memberKey = id;
    const stampKinds = ['native', 'pki'];
    const authenticator = { ...scene.proven(low, 'root'), stampKinds, ceiling: { actions } };
    await scene.done(world.nativeCall('createAuthenticator', { ...scene.of('root'), authenticator }));
    return scene;
  }

  of = (username: string) => ({ organizationId: this.tenant.organizationId, username });

  done<T>(raw: RawRequest): Promise<T> {
    return this.world.done<T>(raw);
  }

  /** A key with the proof that its holder asks for it. */
  proven(seed: Uint8Array, username: string) {
    const publicKey = ed25519.publicKey(seed);
    const message = possessionMessage({
      deployment: this.world.contexts.policy.deploymentId,
      organization: idBytes(this.tenant.organizationId),
      username,
      algorithm: algorithmEd25519,
      publicKey,
    });
    return { ...keypair('key', seed), proof: base64urlEncode(ed25519.sign(seed, message)) };
  }

  /** What would hand over more than `low` has. */
  get escalations(): readonly (readonly [string, string, object])[] {
    const { organizationId, wallet } = this.tenant;
    const shared = {
      ownerOrganizationId: organizationId,
      targetOrganizationId: this.other.organizationId,
      walletId: wallet.walletId,
    };
    return [
      [
        'a grant of what it may not do',
        'grantOrganizationAccess',
        { ...shared, policy: { version: 'v0', scopes: ['exportWallet'] } },
      ],
      ['guardians', 'updateGuardians', { organizationId, guardians: ['member'], threshold: 1 }],
      [
        'a user with wide keys made root',
        'updateUserInOrganization',
        { ...this.of('member'), newPolicy: { type: 'ROOT' } },
      ],
      [
        'a longer life of a wide key',
        'updateAuthenticator',
        { ...this.of('member'), authenticatorId: this.memberKey, authenticator: { expiresInMs: 36_000_000 } },
      ],
      ['a transfer to where its holder is root', 'transferOrganizationWallet', shared],
    ];
  }
}

describe('a root key below a ceiling', () => {
  it('B9: registers keys below the same ceiling only, and they cannot do more', async () => {
    const scene = await Delegated.of();
    const { world, tenant } = scene;
    const registering = { ...scene.of('root'), authenticator: keypair('next', next) };
    await scene.done(world.call('createAuthenticator', registering, low));
    const user = { username: 'new', policy: { type: 'ROOT' }, authenticators: [keypair('n', newcomer)] };
    const { organizationId } = tenant;
    await scene.done(world.call('addUserToOrganization', { organizationId, user }, low));
    for (const seed of [next, newcomer]) {
      const refused = await world.refused(world.signing(tenant, 'by a key of the bounded key', seed));
      assert.equal(refused.code, 'policy-denied');
    }
    // The control: a key that a key without a ceiling registers for the same user.
    const control = new Uint8Array(32).fill(34);
    await scene.done(
      world.call('createAuthenticator', { ...scene.of('root'), authenticator: keypair('c', control) }),
    );
    await scene.done(world.signing(tenant, 'by a key of a key without a ceiling', control));
  });

  it('B9: gives nobody more than it has: no key, no user, no guardian, no other organization', async () => {
    const scene = await Delegated.of();
    for (const [what, method, params] of scene.escalations) {
      const refused = await scene.world.refused(scene.world.call(method, params, low));
      assert.equal(refused.code, 'policy-denied', what);
      assert.match(refused.detail!, /ceiling/, what);
    }
    for (const [, method, params] of scene.escalations)
      await scene.done(scene.world.call(method, params, root));
  });

  it('B9: gives no more together with a fallen policy engine: the certifier judges it by the same rule', async () => {
    const scene = await Delegated.of();
    const { world, tenant } = scene;
    /** The policy engine makes an entry of a request that the key really stamped, whatever its ceiling. */
    const forged = async (raw: RawRequest) => {
      const head = world.headOf(tenant.organizationId);
      const roots = { before: head.authority, after: new Uint8Array(32).fill(1) };
      const { encoded } = forgeEntry(raw, tenant, { head, now: world.now, roots });
      const evidence = AuthorityEvidence.encode({
        entry: encoded,
        request: RawRequest.encode(raw),
        witness: [...world.nodes.values()],
      });
      return (await useWithPolicyKeys(world, tenant, raw, { roots, evidence })).refused;
    };
    for (const [what, method, params] of scene.escalations) {
      // A transfer names its receiver in the entry, which the rule is asked about first.
      assert.equal(await forged(world.call(method, params, low)), 'policy-denied', what);
      const control = await forged(world.call(method, params, root));
      const passed = method === 'transferOrganizationWallet' ? 'evidence-entry' : 'authority-writes';
      assert.equal(control, passed, what);
    }
  });
});
