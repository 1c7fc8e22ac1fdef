import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Role } from '@keystead/protocol/deployment';
import { EnclaveFailure, EnclaveWithheld } from './enclave-process.ts';
import { type GenesisRecords, readGenesisRecord } from './genesis-files.ts';
import type { SeedHolders } from './seed-holders.ts';
import { OperatorRefusal } from './unlock/operator-refusal.ts';
import { unlockKeyOf } from './unlock/unlock-key.ts';

/**
 * The genesis records of a home under another unlock secret, sealed by the enclaves that they belong to (spec/unlock.md §4.1).
 * Nothing is written. Throws OperatorRefusal when one of them does not do it.
 */
export async function resealed(
  home: string,
  holders: SeedHolders,
  { from, to }: { readonly from: SecretBytes; readonly to: SecretBytes },
): Promise<GenesisRecords> {
  const ofRole = async (role: Role) => {
    const enclave = holders.process(role);
    if (enclave === undefined) throw new EnclaveFailure('ended', `${role} is not open`);
    const [unlockKey, next] = [unlockKeyOf(from, role), unlockKeyOf(to, role)];
    try {
      const record = readGenesisRecord(home, role);
      const answer = await enclave.ask(
        { type: 'reseal', unlockKey: unlockKey.expose(), record, nextUnlockKey: next.expose() },
        'resealed',
      );
      return answer.record;
    } finally {
      unlockKey.wipe();
      next.wipe();
    }
  };
  try {
    return {
      policy: await ofRole('policy'),
      signer: await ofRole('signer'),
      certifier: await ofRole('certifier'),
    };
  } catch (error) {
    if (!(error instanceof EnclaveFailure || error instanceof EnclaveWithheld)) throw error;
    throw new OperatorRefusal(
      'not-resealed',
      `the records stay as they are: ${error.message}`,
      'once all enclaves are open, begin anew; what unlocks is the same as before',
    );
  }
}
