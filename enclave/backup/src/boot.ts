import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { fixed, struct, u8 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { BootError } from '@keystead/enclave-runtime/boot';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { ToEnclave } from '@keystead/enclave-runtime/control';
import type { BootPorts } from '@keystead/enclave-runtime/run-enclave';
import type { FromBackup, ToBackup } from '@keystead/protocol/backup-frames';
import { BackupKeeper } from './program.ts';
import { type BackupSettings, parseBackupSettings, SettingsError } from './settings.ts';

/** spec/backup.md §9: how a keeper gets its id and its root seed. The messages are those of a realm (spec/realm.md §12). */

const recordVersion = 1;
const nonceBytes = 12;
const Record = struct({ version: u8, keeperId: fixed(16), seed: fixed(32) });
const associatedData = utf8Encode('keystead/backup-genesis-record/v1');

export function createBackupBoot(
  ports: BootPorts<ToBackup, FromBackup>,
  random: (length: number) => Uint8Array = systemRandom,
): { receive(payload: Uint8Array): void } {
  let made = false;
  let keeper: BackupKeeper | undefined;

  const state = () =>
    ports.answer({ type: 'realm', realmId: keeper!.keeperId, publicKey: keeper!.publicKey });

  return {
    receive: (payload) => {
      let message: ToEnclave;
      try {
        message = ToEnclave.decode(payload);
      } finally {
        // It may hold an unlock key.
        payload.fill(0);
      }
      switch (message.type) {
        case 'makeRealm': {
          if (made || keeper !== undefined) throw new BootError('boot-order', 'a keeper is made once');
          made = true;
          const record = Record.encode({ version: recordVersion, keeperId: random(16), seed: random(32) });
          const nonce = random(nonceBytes);
          const sealed = chacha20Poly1305Seal(message.unlockKey, nonce, associatedData, record);
          record.fill(0);
          message.unlockKey.fill(0);
          return void ports.answer({ type: 'sealed', record: concatBytes(nonce, sealed) });
        }
        case 'unlockRealm': {
          if (keeper !== undefined) throw new BootError('boot-order', 'the keeper is unlocked');
          const settings = settingsOf(message.settings);
          const genesis = openKeeperRecord(message.record, message.unlockKey);
          message.unlockKey.fill(0);
          ports.run(() => {
            keeper = new BackupKeeper({ ...genesis, settings, clock: Date.now, random, log: ports.log });
            return keeper;
          });
          return void state();
        }
        case 'configureRealm':
          if (keeper === undefined) throw new BootError('boot-order', 'the keeper is locked');
          try {
            keeper.configure(parseBackupSettings(message.settings));
          } catch (error) {
            if (!(error instanceof SettingsError)) throw error;
            // What an operator mistyped must not stop a keeper that serves.
            ports.log('settings-refused', { detail: error.message });
          }
          return void state();
        default:
          throw new BootError('boot-role', 'this is a keeper of backups');
      }
    },
  };
}

function settingsOf(json: string): BackupSettings {
  try {
    return parseBackupSettings(json);
  } catch (error) {
    if (error instanceof SettingsError) throw new BootError('settings-refused', error.message);
    throw error;
  }
}

/** Id and root seed of a keeper of backups. Throws BootError `record-refused`. */
export function openKeeperRecord(record: Uint8Array, unlockKey: Uint8Array) {
  try {
    const nonce = record.subarray(0, nonceBytes);
    const plaintext = chacha20Poly1305Open(unlockKey, nonce, associatedData, record.subarray(nonceBytes));
    const { version, keeperId, seed } = Record.decode(plaintext);
    plaintext.fill(0);
    if (version !== recordVersion) throw new TypeError('version');
    return { keeperId, seed: SecretBytes.take(seed) };
  } catch (cause) {
    throw new BootError('record-refused', 'the record of the keeper does not open with this unlock key', {
      cause,
    });
  }
}
