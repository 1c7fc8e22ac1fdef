import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { sign, verify } from '@keystead/crypto/ed25519';
import { bytes, fixed, type Static, struct, u32, u8 } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { DeploymentKeys, deploymentIdOf, type Role } from './deployment.ts';
import { domainPrefix } from './domain.ts';

/**
 * spec/unlock.md §8: the roles of a deployment get other keys, and keep its id. Each change is signed by all three under the
 * keys that they had and under those that they get, so that whoever knows the keys of the founding can follow.
 */

const changeVersion = 1;
export const maximumRoleKeyChanges = 64;
export const maximumRoleKeyChangeBytes = 1024;

const ChangeBody = struct({
  version: u8,
  deployment: fixed(32),
  /** Of the keys of the founding 1, and one more with each change. */
  generation: u32,
  keys: DeploymentKeys,
});

const Signatures = struct({ policy: fixed(64), signer: fixed(64), certifier: fixed(64) });
export type RoleSignatures = Static<typeof Signatures>;

const RoleKeyChange = struct({ body: bytes(512), before: Signatures, after: Signatures });

export interface CurrentKeys {
  readonly generation: number;
  readonly keys: DeploymentKeys;
}

const roles: readonly Role[] = ['policy', 'signer', 'certifier'];

/** What the three roles sign. */
export function roleKeyChangeBody(deployment: Uint8Array, { generation, keys }: CurrentKeys): Uint8Array {
  return ChangeBody.encode({ version: changeVersion, deployment, generation, keys });
}

/** One role's signature under the Ed25519 seed that it had, or gets. */
export function signRoleKeyChange(signSeed: SecretBytes, body: Uint8Array): Uint8Array {
  return sign(signSeed.expose(), signedBytes(body));
}

export function roleKeyChange(body: Uint8Array, before: RoleSignatures, after: RoleSignatures): Uint8Array {
  return RoleKeyChange.encode({ body, before, after });
}

/**
 * The keys that a deployment has after these changes. Throws TypeError or CryptoError for the first change that is not the next
 * one, is of another deployment, keeps a key, or lacks a signature.
 */
export function followRoleKeys(founding: DeploymentKeys, changes: readonly Uint8Array[]): CurrentKeys {
  const deployment = deploymentIdOf(founding);
  let current: CurrentKeys = { generation: 1, keys: founding };
  for (const encoded of changes) {
    const { body, before, after } = RoleKeyChange.decode(encoded);
    const { version, generation, keys, deployment: named } = ChangeBody.decode(body);
    if (version !== changeVersion) throw new TypeError('role keys: another version');
    if (!equalBytes(named, deployment)) throw new TypeError('role keys: of another deployment');
    if (generation !== current.generation + 1) throw new TypeError('role keys: not the next change');
    for (const role of roles) {
      const [old, next] = [current.keys[role], keys[role]];
      if (equalBytes(old.sign, next.sign) || equalBytes(old.agree, next.agree))
        throw new TypeError(`role keys: ${role} keeps a key`);
      if (!verify(old.sign, signedBytes(body), before[role]))
        throw new TypeError(`role keys: not signed by ${role}`);
      if (!verify(next.sign, signedBytes(body), after[role]))
        throw new TypeError(`role keys: not signed by ${role} under its next key`);
    }
    current = { generation, keys };
  }
  return current;
}

const signedBytes = (body: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/role-key-change/v1'), body);
