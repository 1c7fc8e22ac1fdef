import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { concatBytes, equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { fixed, struct, u8 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { BootError } from './boot.ts';
import { systemRandom } from './context.ts';
import { ToEnclave } from './control.ts';
import { SettingsError } from './operator-settings.ts';
import type { EnclaveContext, Program, Random } from './program.ts';
import type { BootPorts, EnclavePorts, MeasuredBoot } from './run-enclave.ts';

/**
 * spec/realm.md §12: how what runs beside a deployment, a recovery realm or a keeper of backups, gets its id and its root seed.
 * `makeRealm` at genesis, `unlockRealm` once, `configureRealm` and `reseal` any time after it.
 */

const recordVersion = 1;
const nonceBytes = 12;
const Record = struct({ version: u8, id: fixed(16), seed: fixed(32) });

export interface BesideGenesis {
  readonly id: Uint8Array;
  readonly seed: SecretBytes;
}

export interface BesideContext<Settings> extends BesideGenesis {
  readonly settings: Settings;
  readonly profile: EnclaveContext['profile'];
  readonly clock: () => number;
  readonly random: Random;
  readonly log: EnclaveContext['log'];
}

/** A program that its operator configures while it runs. */
export interface BesideProgram<Settings, Incoming, Outgoing> extends Program<Incoming, Outgoing> {
  /** X25519: what clients pin. */
  readonly publicKey: Uint8Array;
  configure(settings: Settings): void;
}

export interface BesideKind<Settings, Incoming, Outgoing, Prepared = undefined> {
  /** What operators read: `realm`. */
  readonly what: string;
  /** Associated data of its genesis record. */
  readonly domain: string;
  /** Throws SettingsError. */
  parse(json: string, profile: EnclaveContext['profile']): Settings;
  create(
    context: BesideContext<Settings>,
    ports: EnclavePorts<Prepared>,
  ): BesideProgram<Settings, Incoming, Outgoing>;
}

/** Settings that are wrong end the process at unlock; afterwards they are logged and change nothing. */
export function createBesideBoot<Settings, Incoming, Outgoing, Prepared = undefined>(
  kind: BesideKind<Settings, Incoming, Outgoing, Prepared>,
  ports: BootPorts<Incoming, Outgoing, Prepared>,
  random: Random = systemRandom,
): MeasuredBoot {
  const { what, domain } = kind;
  let made = false;
  let running:
    | (Pick<BesideContext<Settings>, 'id' | 'seed' | 'profile'> & {
        readonly program: BesideProgram<Settings, Incoming, Outgoing>;
      })
    | undefined;

  const state = () =>
    ports.answer({ type: 'realm', realmId: running!.id, publicKey: running!.program.publicKey });

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
          if (made || running !== undefined) throw new BootError('boot-order', `a ${what} is made once`);
          made = true;
          const seed = SecretBytes.take(random(32));
          const record = sealBesideRecord(domain, { id: random(16), seed }, message.unlockKey, random);
          seed.wipe();
          message.unlockKey.fill(0);
          return void ports.answer({ type: 'sealed', record });
        }
        case 'unlockRealm': {
          if (running !== undefined) throw new BootError('boot-order', `the ${what} is unlocked`);
          const { profile } = message;
          const settings = settingsAtUnlock(kind, message.settings, profile);
          const genesis = openBesideRecord(domain, message.record, message.unlockKey);
          message.unlockKey.fill(0);
          ports.run((enclavePorts) => {
            const context = { ...genesis, settings, profile, clock: Date.now, random, log: ports.log };
            const program = kind.create(context, enclavePorts);
            running = { ...genesis, profile, program };
            return program;
          });
          return void state();
        }
        case 'configureRealm':
          if (running === undefined) throw new BootError('boot-order', `the ${what} is locked`);
          try {
            running.program.configure(kind.parse(message.settings, running.profile));
          } catch (error) {
            if (!(error instanceof SettingsError)) throw error;
            // What an operator mistyped must not stop what serves.
            ports.log('settings-refused', { detail: error.message });
          }
          return void state();
        case 'reseal': {
          if (running === undefined) throw new BootError('boot-order', `the ${what} is locked`);
          const { record, unlockKey, nextUnlockKey } = message;
          const code = besideRecordFault(domain, running, { record, unlockKey });
          const answer =
            code === undefined
              ? ({
                  type: 'resealed',
                  record: sealBesideRecord(domain, running, nextUnlockKey, random),
                } as const)
              : ({ type: 'withheld', code } as const);
          for (const key of [unlockKey, nextUnlockKey]) key.fill(0);
          return void ports.answer(answer);
        }
        default:
          throw new BootError('boot-role', `this is a ${what}`);
      }
    },
  };
}

function settingsAtUnlock<Settings>(
  kind: Pick<BesideKind<Settings, never, never>, 'parse'>,
  json: string,
  profile: EnclaveContext['profile'],
): Settings {
  try {
    return kind.parse(json, profile);
  } catch (error) {
    if (error instanceof SettingsError) throw new BootError('settings-refused', error.message);
    throw error;
  }
}

function sealBesideRecord(
  domain: string,
  { id, seed }: BesideGenesis,
  unlockKey: Uint8Array,
  random: Random,
): Uint8Array {
  const record = Record.encode({ version: recordVersion, id, seed: seed.expose() });
  const nonce = random(nonceBytes);
  const sealed = chacha20Poly1305Seal(unlockKey, nonce, utf8Encode(domain), record);
  record.fill(0);
  return concatBytes(nonce, sealed);
}

/** Id and root seed. Throws BootError `record-refused`. */
export function openBesideRecord(domain: string, record: Uint8Array, unlockKey: Uint8Array): BesideGenesis {
  try {
    const nonce = record.subarray(0, nonceBytes);
    const plaintext = chacha20Poly1305Open(unlockKey, nonce, utf8Encode(domain), record.subarray(nonceBytes));
    const { version, id, seed } = Record.decode(plaintext);
    plaintext.fill(0);
    if (version !== recordVersion) throw new TypeError('version');
    return { id, seed: SecretBytes.take(seed) };
  } catch (cause) {
    throw new BootError('record-refused', 'the genesis record does not open with this unlock key', { cause });
  }
}

/** Why a record on disk is not that of what runs; undefined when it is. */
function besideRecordFault(
  domain: string,
  running: BesideGenesis,
  { record, unlockKey }: { readonly record: Uint8Array; readonly unlockKey: Uint8Array },
): string | undefined {
  let read: BesideGenesis;
  try {
    read = openBesideRecord(domain, record, unlockKey);
  } catch {
    return 'record-refused';
  }
  const isOwn = equalBytes(read.seed.expose(), running.seed.expose()) && equalBytes(read.id, running.id);
  read.seed.wipe();
  return isOwn ? undefined : 'record-foreign';
}
