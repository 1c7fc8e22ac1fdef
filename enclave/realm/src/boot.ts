import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { LibsodiumRistretto255 } from '@keystead/crypto/libsodium-ristretto255';
import { fixed, struct, u8 } from '@keystead/crypto/pack';
import { portableGroup, type RistrettoGroup } from '@keystead/crypto/ristretto255';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { BootError } from '@keystead/enclave-runtime/boot';
import { systemRandom } from '@keystead/enclave-runtime/context';
import { ToEnclave } from '@keystead/enclave-runtime/control';
import type { BootPorts } from '@keystead/enclave-runtime/run-enclave';
import type { FromRealm, ToRealm } from '@keystead/protocol/realm-frames';
import { Realm } from './program.ts';
import { parseRealmSettings, type RealmSettings, SettingsError } from './tenants.ts';

/** spec/realm.md §12: how a realm gets its id and its root seed. */

const recordVersion = 1;
const nonceBytes = 12;
const Record = struct({ version: u8, realmId: fixed(16), seed: fixed(32) });
const associatedData = utf8Encode('keystead/realm-genesis-record/v1');

/** libsodium where there is WebAssembly. */
export async function loadGroup(): Promise<RistrettoGroup> {
  return typeof WebAssembly === 'undefined' ? portableGroup : await LibsodiumRistretto255.load();
}

/** `makeRealm` at genesis, `unlockRealm` once, `configureRealm` any time after it: wrong settings change nothing. */
export function createRealmBoot(
  ports: BootPorts<ToRealm, FromRealm, RistrettoGroup>,
  random: (length: number) => Uint8Array = systemRandom,
): { receive(payload: Uint8Array): void } {
  let made = false;
  let realm: Realm | undefined;
  let realmId: Uint8Array | undefined;

  const state = () => ports.answer({ type: 'realm', realmId: realmId!, publicKey: realm!.publicKey });

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
          if (made || realm !== undefined) throw new BootError('boot-order', 'a realm is made once');
          made = true;
          const record = Record.encode({ version: recordVersion, realmId: random(16), seed: random(32) });
          const nonce = random(nonceBytes);
          const sealed = chacha20Poly1305Seal(message.unlockKey, nonce, associatedData, record);
          record.fill(0);
          message.unlockKey.fill(0);
          return void ports.answer({ type: 'sealed', record: concatBytes(nonce, sealed) });
        }
        case 'unlockRealm': {
          if (realm !== undefined) throw new BootError('boot-order', 'the realm is unlocked');
          const settings = settingsOf(message.settings);
          const genesis = openRealmRecord(message.record, message.unlockKey);
          message.unlockKey.fill(0);
          realmId = genesis.realmId;
          ports.run(({ heads, prepared: group }) => {
            const context = { ...genesis, settings, group, clock: Date.now, random, log: ports.log };
            realm = new Realm(context, heads());
            return realm;
          });
          return void state();
        }
        case 'configureRealm':
          if (realm === undefined) throw new BootError('boot-order', 'the realm is locked');
          try {
            realm.configure(parseRealmSettings(message.settings));
          } catch (error) {
            if (!(error instanceof SettingsError)) throw error;
            // What an operator mistyped must not stop a realm that serves.
            ports.log('settings-refused', { detail: error.message });
          }
          return void state();
        default:
          throw new BootError('boot-role', 'this is a realm');
      }
    },
  };
}

function settingsOf(json: string): RealmSettings {
  try {
    return parseRealmSettings(json);
  } catch (error) {
    if (error instanceof SettingsError) throw new BootError('settings-refused', error.message);
    throw error;
  }
}

/** Id and root seed of a realm. Throws BootError `record-refused`. */
export function openRealmRecord(record: Uint8Array, unlockKey: Uint8Array) {
  try {
    const nonce = record.subarray(0, nonceBytes);
    const plaintext = chacha20Poly1305Open(unlockKey, nonce, associatedData, record.subarray(nonceBytes));
    const { version, realmId, seed } = Record.decode(plaintext);
    plaintext.fill(0);
    if (version !== recordVersion) throw new TypeError('version');
    return { realmId, seed: SecretBytes.take(seed) };
  } catch (cause) {
    throw new BootError('record-refused', 'the realm record does not open with this unlock key', { cause });
  }
}
