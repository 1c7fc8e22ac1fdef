import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicKey } from '@keystead/crypto/ed25519';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type DeploymentKeys, deploymentIdOf, type Role } from './deployment.ts';
import {
  followRoleKeys,
  roleKeyChange,
  roleKeyChangeBody,
  type RoleSignatures,
  signRoleKeyChange,
} from './role-key-change.ts';

const roles: readonly Role[] = ['policy', 'signer', 'certifier'];
const seedOf = (role: Role, generation: number) =>
  new SecretBytes(new Uint8Array(32).fill(16 * generation + roles.indexOf(role)));

function keysOf(generation: number): DeploymentKeys {
  const pair = (role: Role) => ({
    sign: publicKey(seedOf(role, generation).expose()),
    agree: new Uint8Array(32).fill(128 + 8 * generation + roles.indexOf(role)),
  });
  return { policy: pair('policy'), signer: pair('signer'), certifier: pair('certifier') };
}

const founding = keysOf(1);
const deployment = deploymentIdOf(founding);

function signatures(body: Uint8Array, generation: number): RoleSignatures {
  const by = (role: Role) => signRoleKeyChange(seedOf(role, generation), body);
  return { policy: by('policy'), signer: by('signer'), certifier: by('certifier') };
}

function changeTo(generation: number, keys = keysOf(generation), of = deployment): Uint8Array {
  const body = roleKeyChangeBody(of, { generation, keys });
  return roleKeyChange(body, signatures(body, generation - 1), signatures(body, generation));
}

test('who knows the keys of the founding follows to those of now', () => {
  assert.deepEqual(followRoleKeys(founding, []), { generation: 1, keys: founding });
  assert.deepEqual(followRoleKeys(founding, [changeTo(2)]), { generation: 2, keys: keysOf(2) });
  assert.deepEqual(followRoleKeys(founding, [changeTo(2), changeTo(3)]), { generation: 3, keys: keysOf(3) });
});

test('a change is not followed without each of the six signatures', () => {
  const body = roleKeyChangeBody(deployment, { generation: 2, keys: keysOf(2) });
  for (const role of roles)
    for (const moment of ['before', 'after'] as const) {
      const made = { before: signatures(body, 1), after: signatures(body, 2) };
      // Two roles that have fallen sign whatever is wanted; the third has not signed.
      const forged = signRoleKeyChange(seedOf(role, 9), body);
      const change = { ...made, [moment]: { ...made[moment], [role]: forged } };
      assert.throws(
        () => followRoleKeys(founding, [roleKeyChange(body, change.before, change.after)]),
        /not signed/,
      );
    }
});

test('a change is not followed out of order, of another deployment, with a key that stays, or altered', () => {
  const refused = (changes: readonly Uint8Array[], why: RegExp) =>
    assert.throws(() => followRoleKeys(founding, changes), why);
  refused([changeTo(3)], /not the next change/);
  refused([changeTo(2), changeTo(2)], /not the next change/);
  refused([changeTo(2, keysOf(2), new Uint8Array(32))], /another deployment/);
  refused(
    [changeTo(2, { ...keysOf(2), signer: { ...keysOf(2).signer, sign: founding.signer.sign } })],
    /keeps a key/,
  );
  refused(
    [changeTo(2, { ...keysOf(2), policy: { ...keysOf(2).policy, agree: founding.policy.agree } })],
    /keeps a key/,
  );
  const altered = changeTo(2);
  for (const at of [60, 150, 300, altered.length - 1]) {
    const bytes = altered.slice();
    bytes[at]! ^= 1;
    assert.throws(() => followRoleKeys(founding, [bytes]), `byte ${at}`);
  }
  assert.throws(() => followRoleKeys(keysOf(4), [changeTo(2)]), /another deployment/);
});
