import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import {
  type Configuration,
  type ConfigurationDocument,
  ConfigurationError,
  parseConfiguration,
} from '@keystead/juicebox/configuration';
import { maximumSecretBytes } from '@keystead/juicebox/encrypted-secret';
import type { Registration } from '@keystead/juicebox/messages';
import { eachRegistration } from '@keystead/juicebox/registration';
import { pinHashing, pinSalt, splitStretchedPin, type StretchedPin } from '@keystead/juicebox/stretched-pin';
import { stretch as defaultStretch } from '#argon2';
import type { Stretch } from './recovery/argon2.ts';
import { findStatus, type GuessesRemaining, locate } from './recovery/find-registration.ts';
import { guess } from './recovery/guess.ts';
import {
  type KitAbout,
  type KitAccount,
  makeRecoveryKit,
  openRecoveryKit,
  type OpenedKit,
  type RecoveryKit,
} from './recovery/kit.ts';
import { pause } from './recovery/pause.ts';
import { type ConnectionOptions, type DeviceKey, RealmConnection } from './recovery/realm-connection.ts';
import { RecoveryError } from './recovery/recovery-error.ts';
import { mostTelling, settle } from './recovery/settle.ts';

export { ConfigurationError, makeRecoveryKit, openRecoveryKit, RecoveryError };
export type {
  ConfigurationDocument,
  DeviceKey,
  GuessesRemaining,
  KitAbout,
  KitAccount,
  OpenedKit,
  RecoveryKit,
  Stretch,
};

export interface RecoveryClientOptions {
  /** The realms, as published clients take them. Throws ConfigurationError when it must not be used. */
  readonly configuration: ConfigurationDocument;
  /** Earlier ones, newest first: a registration that was made under one of them is found, at no cost in guesses. */
  readonly previousConfigurations?: readonly ConfigurationDocument[];
  /** A token of the user for one realm, by its id in hexadecimal; asked for once per request. */
  readonly token: (realmId: string) => Promise<string> | string;
  /**
   * Stamps registrations, guesses and deletions, so that a token alone guesses nothing (spec/realm.md §9.1). Only with realms of Keystead:
   * others do not read stamps.
   */
  readonly device?: DeviceKey;
  readonly fetch?: typeof fetch;
  /** Argon2id off the main thread; by default a worker, in Node its pool of threads. */
  readonly stretch?: Stretch;
  /** Milliseconds until a request counts as lost; 10,000 unless given. */
  readonly timeout?: number;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface RegisterOptions extends CallOptions {
  readonly pin: string | Uint8Array;
  /** At most 128 bytes. */
  readonly secret: Uint8Array;
  /** Names the user, and must be the same at recovery. */
  readonly info: string | Uint8Array;
  /** How many wrong PINs destroy the registration; 7 unless given. */
  readonly guesses?: number;
}

export interface RecoverOptions extends CallOptions {
  readonly pin: string | Uint8Array;
  readonly info: string | Uint8Array;
}

/** All calls reject with RecoveryError. */
export interface RecoveryClient {
  /** Replaces what was registered before. */
  register(options: RegisterOptions): Promise<void>;
  recover(options: RecoverOptions): Promise<Uint8Array>;
  /** Resolves when every realm of every configuration has deleted. */
  delete(options?: CallOptions): Promise<void>;
  /** What remains, without spending a guess. Realms of others than Keystead cannot say. */
  guessesRemaining(options?: CallOptions): Promise<GuessesRemaining>;
}

/** Refusals of a registration with which a realm keeps what it has. */
const changesNothing: ReadonlySet<string> = new Set([
  'guesses-refused',
  'registration-exists',
  'registration-deleted',
]);
const defaultGuesses = 7;
const defaultTimeout = 10_000;
const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

/** The client of recovery realms (spec/realm.md): no operator of fewer than the threshold learns PIN or secret. */
export function createRecoveryClient(options: RecoveryClientOptions): RecoveryClient {
  const current = parseConfiguration(options.configuration);
  const known = [current, ...(options.previousConfigurations ?? []).map(parseConfiguration)];
  const stretch = options.stretch ?? defaultStretch;
  const connection = (signal: AbortSignal | undefined): ConnectionOptions => ({
    token: options.token,
    device: options.device,
    fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    random,
    timeout: options.timeout ?? defaultTimeout,
    signal,
  });
  const connect = ({ realms }: Configuration, signal: AbortSignal | undefined) =>
    realms.map((realm) => new RealmConnection(realm, connection(signal)));

  const stretched = async (
    pin: Uint8Array,
    info: Uint8Array,
    version: Uint8Array,
    { pinHashingMode }: Configuration,
    signal: AbortSignal | undefined,
  ): Promise<StretchedPin> => {
    const input = { pin, salt: pinSalt(version, info), ...pinHashing[pinHashingMode] };
    const bytes = await stretch(input, signal);
    if (signal?.aborted) throw new RecoveryError('aborted');
    return splitStretchedPin(bytes);
  };

  return {
    async register({ pin, secret, info, guesses = defaultGuesses, signal }) {
      if (!(secret instanceof Uint8Array) || secret.length > maximumSecretBytes)
        throw new RecoveryError('input-refused', {
          detail: `secret has at most ${maximumSecretBytes} bytes`,
        });
      if (!Number.isInteger(guesses) || guesses < 1 || guesses > 0xffff)
        throw new RecoveryError('input-refused', { detail: 'guesses is no number from 1' });
      const pinBytes = bytesOf(pin, 'pin');
      const infoBytes = bytesOf(info, 'info');
      const connections = connect(current, signal);
      const isEnough = (answers: readonly unknown[]) => answers.length >= current.registerThreshold;
      const begun = await settle(connections, (realm) => realm.ask({ type: 'Register1' }), isEnough);
      if (!isEnough(begun.answers)) throw mostTelling(begun.errors);

      const version = random(16);
      const stretchedPin = await stretched(pinBytes, infoBytes, version, current, signal);
      const making = { configuration: current, version, pin: stretchedPin, secret, guesses, random };
      const registrations: Registration[] = [];
      for (const registration of eachRegistration(making)) {
        registrations.push(registration);
        await pause();
      }
      wipe(stretchedPin);
      const made = await settle(
        begun.answers.map(({ from }) => from),
        (realm) => realm.ask({ type: 'Register2', registration: registrations[realm.realm.index - 1]! }),
        isEnough,
      );
      for (const { oprfPrivateKey, encryptionKeyScalarShare } of registrations) {
        oprfPrivateKey.fill(0);
        encryptionKeyScalarShare.fill(0);
      }
      if (isEnough(made.answers)) return;
      const cause = mostTelling(made.errors);
      // Nothing was replaced when every realm refused.
      const isUntouched =
        made.answers.length === 0 && made.errors.every(({ code }) => changesNothing.has(code));
      throw isUntouched
        ? cause
        : new RecoveryError('registration-incomplete', { detail: cause.message, cause });
    },

    async recover({ pin, info, signal }) {
      const pinBytes = bytesOf(pin, 'pin');
      const infoBytes = bytesOf(info, 'info');
      const { configuration, version, holders } = await locate(known, (one) => connect(one, signal));
      const stretchedPin = await stretched(pinBytes, infoBytes, version, configuration, signal);
      try {
        return await guess(configuration, known, holders, version, stretchedPin, random);
      } finally {
        wipe(stretchedPin);
      }
    },

    async delete({ signal } = {}) {
      const realms = new Map(known.flatMap((one) => one.realms.map((realm) => [hexEncode(realm.id), realm])));
      // Of a realm that stands in several configurations the newest one says where it is.
      for (const realm of current.realms) realms.set(hexEncode(realm.id), realm);
      const all = connect({ ...current, realms: [...realms.values()] }, signal);
      const { errors } = await settle(
        all,
        (realm) => realm.ask({ type: 'Delete' }),
        () => false,
      );
      if (errors.length === 0) return;
      const cause = mostTelling(errors);
      if (errors.length === all.length) throw cause;
      throw new RecoveryError('deletion-incomplete', { detail: cause.message, cause });
    },

    async guessesRemaining({ signal } = {}) {
      let reason: RecoveryError | undefined;
      for (const configuration of known) {
        const found = await findStatus(configuration, connect(configuration, signal));
        if (!(found instanceof RecoveryError)) return found;
        reason ??= found;
        if (found.code !== 'not-registered') break;
      }
      throw reason!;
    },
  };
}

function bytesOf(value: string | Uint8Array, name: 'pin' | 'info'): Uint8Array {
  const bytes = typeof value === 'string' ? utf8Encode(value) : value;
  if (!(bytes instanceof Uint8Array))
    throw new RecoveryError('input-refused', { detail: `${name} is neither text nor bytes` });
  if (name === 'pin' && bytes.length === 0)
    throw new RecoveryError('input-refused', { detail: 'pin is empty' });
  return bytes;
}

function wipe({ accessKey, encryptionKeySeed }: StretchedPin): void {
  accessKey.fill(0);
  encryptionKeySeed.fill(0);
}
