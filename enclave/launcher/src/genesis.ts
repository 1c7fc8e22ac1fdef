import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { DeploymentKeys, Role } from '@keystead/protocol/deployment';
import { unlockKeyOf } from './unlock/unlock-key.ts';
import type { EnclaveProcess } from './enclave-process.ts';
import type { GenesisRecords } from './genesis-files.ts';

/**
 * Founds a deployment (spec/boot.md §3): each enclave makes its own root seed, and seals the public keys of all
 * three into its record. The launcher sees public keys and sealed records.
 */
export async function found(
  enclaves: Readonly<Record<Role, EnclaveProcess>>,
  unlockSecret: SecretBytes,
): Promise<GenesisRecords> {
  const [policy, signer, certifier] = await forEach(async (role) => {
    const unlockKey = unlockKeyOf(unlockSecret, role);
    try {
      const answer = await enclaves[role].ask(
        { type: 'generate', role, unlockKey: unlockKey.expose() },
        'generated',
      );
      return answer.keys;
    } finally {
      unlockKey.wipe();
    }
  });
  const deployment: DeploymentKeys = { policy, signer, certifier };
  const records = await forEach((role) =>
    enclaves[role].ask({ type: 'pin', deployment }, 'sealed').then(({ record }) => record),
  );
  return { policy: records[0], signer: records[1], certifier: records[2] };
}

async function forEach<T>(action: (role: Role) => Promise<T>): Promise<[T, T, T]> {
  return Promise.all([action('policy'), action('signer'), action('certifier')]);
}
