/** Users of another organization, who hold a grant, under the policies of the owner. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accepted, Attacked, keypair, refused } from '../attacks/attacked.ts';
import { newStampKey } from '../raw-client.ts';

const rule = (when: object) => ({
  version: 1,
  rules: [{ id: 'r', effect: 'allow', on: ['sign-message'], when }],
});
const names = { field: 'subject.user', operator: '==', value: 'alice' };

/** An owner with a user alice, and a guest organization whose root user has that name too and a grant. */
async function granted() {
  const owner = await Attacked.found();
  const { organizationId, wallet, stack } = owner;
  const alice = await owner.addUser('alice', { traits: { team: 'treasury' } });
  // The guest is root in its own organization, and says what it likes of its users.
  const key = newStampKey();
  const guest = owner.with(key);
  const traits = { team: 'treasury' };
  const founding = {
    organizationName: 'Guest',
    users: [{ username: 'alice', policy: { type: 'ROOT' }, authenticators: [keypair('first', key)], traits }],
    tags: [],
  };
  const { organizationId: target } = await guest.result<{ organizationId: string }>(
    'compatibility',
    'createOrganization',
    founding,
  );
  await owner.result('native', 'grantOrganizationAccess', {
    ownerOrganizationId: organizationId,
    targetOrganizationId: target,
    walletId: wallet.walletId,
    policy: { version: 'v0', scopes: ['owner'] },
  });
  const asks = (by: typeof guest, of: string) =>
    stack.submit(by.request('native', 'signUtf8Message', { ...owner.message(), organizationId: of }));
  const binds = (policy: object | null) =>
    owner.result('native', 'updatePolicy', { organizationId, policyName: 'house', policy });
  return { owner, alice, guest, target, stack, organizationId, asks, binds };
}

test("B5 naming users of one's own organization like those of the owner gives them nothing of theirs", async () => {
  const { owner, alice, guest, target, organizationId, asks, binds } = await granted();
  accepted(await asks(guest, target), 'the grant alone');
  const rules: readonly (readonly [string, object])[] = [
    ['its name', rule(names)],
    ['a trait', rule({ field: 'subject.traits["team"]', operator: '==', value: 'treasury' })],
  ];
  for (const [what, policy] of rules) {
    await binds(policy);
    accepted(await asks(alice, organizationId), `the control: ${what}`);
    assert.equal(refused(await asks(guest, target), 'policy-denied', what).rule, 'house/r');
  }
  await binds(rule({ field: 'subject.root', operator: '==', value: true }));
  accepted(await asks(owner, organizationId), 'the control: root');
  refused(await asks(guest, target), 'policy-denied', 'root of another organization');

  // A budget of the owner's alice is not used up by who is called like her.
  const counted = {
    ...rule({ constant: true }),
    limits: [{ id: 'one', meter: 'count', per: ['user'], window: { kind: 'lifetime' }, max: '1' }],
  };
  await binds(counted);
  accepted(await asks(guest, target));
  refused(await asks(guest, target), 'rate-limit-exceeded');
  accepted(await asks(alice, organizationId));
  refused(await asks(alice, organizationId), 'rate-limit-exceeded');

  // A guest is meant by its organization.
  await binds(rule({ field: 'subject.organization', operator: '==', value: target }));
  accepted(await asks(guest, target));
  refused(await asks(alice, organizationId), 'policy-denied');
});

test("B5 getting the approvals that the owner asks for from users of one's own organization signs nothing", async () => {
  const { owner, alice, guest, target, stack, organizationId, binds } = await granted();
  const key = newStampKey();
  const user = { username: 'bob', policy: { type: 'ROOT' }, authenticators: [keypair('bobs', key)] };
  await guest.result('compatibility', 'addUserToOrganization', { organizationId: target, user });
  const approved = async (by: typeof guest, other: typeof guest, of: string) => {
    const params = { ...owner.message(), organizationId: of };
    const first = await stack.submit(by.request('native', 'signUtf8Message', params));
    const { code, subject } = first.body as { code?: string; subject?: string };
    if (code !== 'approval-required') return first;
    const consent = { organizationId: of, subject, verdict: 'approve', expiresInMs: 60_000 };
    accepted(await stack.submit(other.request('native', 'approve', consent)));
    const open = await by.result<{ approvals: { verdicts: { approval: string }[] }[] }>(
      'native',
      'getApprovals',
      {
        organizationId: of,
        subject,
      },
    );
    const approvals = open.approvals[0]!.verdicts.map(({ approval }) => approval);
    return stack.submit(
      by.stamped('native', JSON.stringify({ method: 'signUtf8Message', params, approvals })),
    );
  };
  const asking = (more: object, on: readonly string[] = ['sign-message', 'read']) => ({
    version: 1,
    rules: [{ id: 'r', effect: 'allow', on, when: { constant: true }, ...more }],
  });
  await binds(asking({ approvals: 1 }));
  accepted(await approved(alice, owner, organizationId), 'the control');
  assert.equal(refused(await approved(guest, guest.with(key), target), 'policy-denied').rule, 'house/r');
  // Nor does it wait where only the guest sees it wait.
  await binds(asking({ delaySeconds: 60 }));
  refused(await approved(alice, owner, organizationId), 'delay-required', 'the control');
  assert.equal(refused(await approved(guest, guest.with(key), target), 'policy-denied').rule, 'house/r');
  // What the guest's own policy asks for, its own users give.
  await binds(asking({}));
  const policy = asking({ approvals: 1 });
  await guest.result('native', 'updatePolicy', { organizationId: target, policyName: 'own', policy });
  accepted(await approved(guest, guest.with(key), target));
});
