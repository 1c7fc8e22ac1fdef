import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type DeploymentKeys, deploymentIdOf, type Role, type RoleKeys } from '@keystead/protocol/deployment';
import { roleKeyChange, roleKeyChangeBody } from '@keystead/protocol/role-key-change';
import { EnclaveFailure, type EnclaveProcess, EnclaveWithheld } from './enclave-process.ts';
import { readGenesisRecord, readRoleKeyChanges, replaceGenesis } from './genesis-files.ts';
import type { SeedHolders } from './seed-holders.ts';
import { OperatorRefusal } from './unlock/operator-refusal.ts';
import { unlockKeyOf } from './unlock/unlock-key.ts';

/**
 * Other keys of all three roles, in new records and not in use before all three are started again (spec/unlock.md §8). Returns the
 * new generation. Throws OperatorRefusal, and nothing is changed then.
 */
export async function replaceRoleKeys(options: {
  readonly home: string;
  readonly holders: SeedHolders;
  readonly unlockSecret: SecretBytes;
}): Promise<number> {
  const { home, holders, unlockSecret } = options;
  const enclaveOf = (role: Role): EnclaveProcess => {
    const enclave = holders.process(role);
    if (enclave === undefined) throw new EnclaveFailure('ended', `${role} is not open`);
    return enclave;
  };
  const ofAll = async <T>(ask: (role: Role) => Promise<T>): Promise<Record<Role, T>> => ({
    policy: await ask('policy'),
    signer: await ask('signer'),
    certifier: await ask('certifier'),
  });
  try {
    const changes = readRoleKeyChanges(home);
    const generation = changes.length + 2;
    const keys: DeploymentKeys = await ofAll(
      async (role): Promise<RoleKeys> =>
        (await enclaveOf(role).ask({ type: 'makeRoleKeys' }, 'roleKeysMade')).keys,
    );
    const signed = await ofAll((role) =>
      enclaveOf(role).ask({ type: 'signRoleKeys', keys }, 'roleKeysSigned'),
    );
    const signatures = (moment: 'before' | 'after') => ({
      policy: signed.policy[moment],
      signer: signed.signer[moment],
      certifier: signed.certifier[moment],
    });
    const body = roleKeyChangeBody(deploymentIdOf(holders.deployment), { generation, keys });
    const change = roleKeyChange(body, signatures('before'), signatures('after'));
    const records = await ofAll(async (role) => {
      const unlockKey = unlockKeyOf(unlockSecret, role);
      try {
        const record = readGenesisRecord(home, role);
        const answer = await enclaveOf(role).ask(
          { type: 'sealRoleKeys', unlockKey: unlockKey.expose(), record, change },
          'roleKeysSealed',
        );
        return answer.record;
      } finally {
        unlockKey.wipe();
      }
    });
    replaceGenesis(home, records, { changes: [...changes, change] });
    return generation;
  } catch (error) {
    if (!(error instanceof EnclaveFailure || error instanceof EnclaveWithheld)) throw error;
    throw new OperatorRefusal(
      'role-keys-not-replaced',
      `the keys of the roles stay as they are: ${error.message}`,
      'once all enclaves are open, begin anew',
    );
  }
}
