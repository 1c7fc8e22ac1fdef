import { equalBytes } from '@keystead/crypto/bytes';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type DeploymentKeys, deploymentIdOf, type Role, type RoleKeys } from '@keystead/protocol/deployment';
import {
  followRoleKeys,
  maximumRoleKeyChanges,
  roleKeyChangeBody,
  signRoleKeyChange,
} from '@keystead/protocol/role-key-change';
import { type Genesis, sealGenesisRecord } from './genesis-record.ts';
import { openOwnRecord } from './own-record.ts';
import type { Random } from './program.ts';
import { roleKeysOf, signSeedOf } from './role-keys.ts';
import { Withheld } from './seed-halves.ts';

/**
 * The keys of all three roles that belong to a record. Throws when the changes do not follow from the pinned keys of the
 * founding, end at another generation than the record's, or name other keys of this role than it has.
 */
export function keysInUse(role: Role, genesis: Genesis, changes: readonly Uint8Array[]): DeploymentKeys {
  const { generation, keys } = followRoleKeys(genesis.deployment, changes);
  if (generation !== genesis.roleGeneration) throw new TypeError('changes of role keys of another record');
  const own = roleKeysOf(role, genesis.roleSeed);
  if (!sameKeys(own, keys[role])) throw new TypeError('role keys: not those of this role');
  return keys;
}

/** One role's part in the replacement of the keys of all three (spec/unlock.md §8). Nothing of it is used before a restart. */
export class RoleKeyReplacement {
  readonly #role: Role;
  readonly #genesis: Genesis;
  readonly #changes: readonly Uint8Array[];
  readonly #random: Random;
  #next: SecretBytes | undefined;

  constructor(options: {
    readonly role: Role;
    readonly genesis: Genesis;
    readonly changes: readonly Uint8Array[];
    readonly random: Random;
  }) {
    this.#role = options.role;
    this.#genesis = options.genesis;
    this.#changes = options.changes;
    this.#random = options.random;
  }

  /** Other keys, from a seed that was there never before; those of an earlier call are forgotten. */
  make(): RoleKeys {
    if (this.#changes.length >= maximumRoleKeyChanges) throw new Withheld('too-many-changes');
    this.#next?.wipe();
    this.#next = SecretBytes.take(this.#random(32));
    return roleKeysOf(this.#role, this.#next);
  }

  /** Signatures of the change to these keys, of which the own ones must be those that were made. Throws Withheld. */
  sign(keys: DeploymentKeys): { before: Uint8Array; after: Uint8Array } {
    const next = this.#made();
    if (!sameKeys(roleKeysOf(this.#role, next), keys[this.#role])) throw new Withheld('other-role-keys');
    const { deployment, roleGeneration, roleSeed } = this.#genesis;
    const body = roleKeyChangeBody(deploymentIdOf(deployment), { generation: roleGeneration + 1, keys });
    const [old, fresh] = [signSeedOf(this.#role, roleSeed), signSeedOf(this.#role, next)];
    try {
      return { before: signRoleKeyChange(old, body), after: signRoleKeyChange(fresh, body) };
    } finally {
      old.wipe();
      fresh.wipe();
    }
  }

  /** The record from disk with the keys that were made, once all three have signed. Throws Withheld. */
  seal(options: {
    readonly record: Uint8Array;
    readonly unlockKey: SecretBytes;
    readonly change: Uint8Array;
  }): Uint8Array {
    const next = this.#made();
    const { record, unlockKey, change } = options;
    const role = this.#role;
    const onDisk = openOwnRecord({ role, record, unlockKey, seed: this.#genesis.seed });
    try {
      if (onDisk.roleGeneration !== this.#genesis.roleGeneration) throw new Withheld('record-of-other-keys');
      const genesis = { ...onDisk, roleSeed: next, roleGeneration: onDisk.roleGeneration + 1 };
      try {
        keysInUse(role, genesis, [...this.#changes, change]);
      } catch {
        throw new Withheld('change-refused');
      }
      return sealGenesisRecord(role, genesis, unlockKey, this.#random);
    } finally {
      onDisk.seed.wipe();
      onDisk.roleSeed.wipe();
      for (const { key } of onDisk.walletKeys) key.wipe();
    }
  }

  #made(): SecretBytes {
    if (this.#next === undefined) throw new Withheld('no-role-keys-made');
    return this.#next;
  }
}

const sameKeys = (one: RoleKeys, other: RoleKeys): boolean =>
  equalBytes(one.sign, other.sign) && equalBytes(one.agree, other.agree);
