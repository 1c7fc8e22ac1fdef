import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Generations } from '@keystead/enclave-runtime/wallet-keys';
import type { WalletKeyStatus } from '@keystead/protocol/operator';
import { replaceFile } from './durable-file.ts';
import { EnclaveFailure, EnclaveWithheld } from './enclave-process.ts';
import { genesisRecordOf, readGenesisRecord } from './genesis-files.ts';
import type { SeedHolders } from './seed-holders.ts';
import { OperatorRefusal } from './unlock/operator-refusal.ts';
import { unlockKeyOf } from './unlock/unlock-key.ts';

/** The operators' hand on the wallet key (spec/unlock.md §7). */
export interface WalletKeys {
  /** Undefined while the signer is not open. */
  status(): Promise<WalletKeyStatus | undefined>;
  /**
   * Adds a generation, or retires all but the newest; the caller wipes the unlock secret. Throws OperatorRefusal; whatever was
   * done then, asking again goes on with it.
   */
  renew(unlockSecret: SecretBytes, retire: boolean): Promise<Generations>;
}

/** What the signer withholds, and what to do. */
const refusals: Readonly<Record<string, readonly [detail: string, hint: string]>> = {
  'rows-remain': [
    'there may be rows under an older wallet key',
    'keystead operator status says when all are under the newest: half a minute after the rotation at the earliest; a row that does not open is named in the log of the gateway',
  ],
  'nothing-to-retire': ['there is one wallet key', 'keystead operator rotate wallet-key makes another one'],
  'too-many-generations': [
    'there are as many wallet keys as a record holds',
    'keystead operator retire wallet-key takes the older ones out',
  ],
  'record-old': [
    'genesis/signer.record is older than the wallet keys that are in use',
    'put the newest one back: the next start needs it',
  ],
  'record-refused': ['genesis/signer.record does not open', 'put it back from a backup'],
  'record-foreign': ['genesis/signer.record is of another deployment', 'put it back from a backup'],
};

export function walletKeysOf(home: string, holders: SeedHolders): WalletKeys {
  return {
    async status() {
      const signer = holders.process('signer');
      if (signer === undefined) return undefined;
      try {
        const { generations, isUsed, isComplete, rewrapped } = await signer.ask(
          { type: 'stateGenerations' },
          'generations',
        );
        return { ...generations, isUsed, isComplete, rewrapped };
      } catch (error) {
        if (error instanceof EnclaveFailure) return undefined;
        throw error;
      }
    },

    async renew(unlockSecret, retire) {
      const signer = holders.process('signer');
      if (signer === undefined || !holders.complete) throw notOpen();
      const unlockKey = unlockKeyOf(unlockSecret, 'signer');
      try {
        const record = readGenesisRecord(home, 'signer');
        const renewed = await signer.ask(
          { type: 'renew', unlockKey: unlockKey.expose(), record, retire },
          'renewed',
        );
        replaceFile(genesisRecordOf(home, 'signer'), renewed.record, 0o600);
        await signer.ask({ type: 'adopt' }, 'adopted');
        await holders.distributeAnew();
        if (!(await holders.useGenerations())) throw notOpen();
        return renewed.generations;
      } catch (error) {
        if (error instanceof EnclaveFailure) throw notOpen();
        if (!(error instanceof EnclaveWithheld)) throw error;
        const [detail, hint] = refusals[error.code] ?? [error.message, 'try again; see the log'];
        throw new OperatorRefusal(error.code, detail, hint);
      } finally {
        unlockKey.wipe();
      }
    },
  };
}

const notOpen = () =>
  new OperatorRefusal(
    'not-open',
    'not all enclaves are open',
    'once they are, give the same command again: it goes on with what was done',
  );
