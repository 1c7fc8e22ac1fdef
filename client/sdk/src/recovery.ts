import { utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { nonZeroScalar } from '@keystead/crypto/ristretto255';
import {
  type Configuration,
  type ConfigurationDocument,
  ConfigurationError,
  parseConfiguration,
} from '@keystead/juicebox/configuration';
import { maximumSecretBytes } from '@keystead/juicebox/encrypted-secret';
import type { Evaluation, SecretsRequest, SecretsResponse, Unlocked } from '@keystead/juicebox/messages';
import { blind } from '@keystead/juicebox/oprf';
import { makeRegistrations } from '@keystead/juicebox/registration';
import {
  isCommitted,
  isEvaluatedBy,
  isSameRegistration,
  openSecret,
  unlockKeyFrom,
} from '@keystead/juicebox/recovery';
import { pinHashing, pinSalt, splitStretchedPin, type StretchedPin } from '@keystead/juicebox/stretched-pin';
import { unlockKeyTag } from '@keystead/juicebox/tags';
import { stretch as defaultStretch } from '#argon2';
import type { Stretch } from './recovery/argon2.ts';
import { type ConnectionOptions, RealmConnection } from './recovery/realm-connection.ts';
import { RecoveryError } from './recovery/recovery-error.ts';
import { mostTelling, settle } from './recovery/settle.ts';

export { ConfigurationError, RecoveryError };
export type { ConfigurationDocument, Stretch };

export interface RecoveryClientOptions {
  /** The realms, as published clients take them. Throws ConfigurationError when it must not be used. */
  readonly configuration: ConfigurationDocument;
  /** Earlier ones, newest first: a registration that was made under one of them is found, at no cost in guesses. */
  readonly previousConfigurations?: readonly ConfigurationDocument[];
  /** A token of the user for one realm, by its id in hexadecimal; asked for once per request. */
  readonly token: (realmId: string) => Promise<string> | string;
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

export interface GuessesRemaining {
  /** Wrong PINs that can still be entered before the registration is destroyed. */
  readonly guesses: number;
  /** Seconds until the next one is taken. */
  readonly waitSeconds: number;
}

/** All calls reject with RecoveryError. */
export interface RecoveryClient {
  /** Replaces what was registered before. */
  register(options: RegisterOptions): Promise<void>;
  recover(options: RecoverOptions): Promise<Uint8Array>;
  /** Resolves when every realm has deleted. */
  delete(options?: CallOptions): Promise<void>;
  /** What remains, without spending a guess. Realms of others than Keystead cannot say. */
  guessesRemaining(options?: CallOptions): Promise<GuessesRemaining>;
}

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
      const registrations = makeRegistrations({
        configuration: current,
        version,
        pin: stretchedPin,
        secret,
        guesses,
        random,
      });
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
        made.answers.length === 0 && made.errors.every(({ code }) => code === 'guesses-refused');
      throw isUntouched
        ? cause
        : new RecoveryError('registration-incomplete', { detail: cause.message, cause });
    },

    async recover({ pin, info, signal }) {
      const pinBytes = bytesOf(pin, 'pin');
      const infoBytes = bytesOf(info, 'info');
      let notFound: RecoveryError | undefined;
      for (const configuration of known) {
        const connections = connect(configuration, signal);
        const found = await findVersion(configuration, connections);
        if (found instanceof RecoveryError) {
          if (found.code !== 'not-registered') throw found;
          notFound ??= found;
          continue;
        }
        const { version, holders } = found;
        const stretchedPin = await stretched(pinBytes, infoBytes, version, configuration, signal);
        try {
          return await guess(configuration, known, holders, version, stretchedPin);
        } finally {
          wipe(stretchedPin);
        }
      }
      throw notFound!;
    },

    async delete({ signal } = {}) {
      const { errors } = await settle(
        connect(current, signal),
        (realm) => realm.ask({ type: 'Delete' }),
        () => false,
      );
      if (errors.length === 0) return;
      const cause = mostTelling(errors);
      if (errors.length === current.realms.length) throw cause;
      throw new RecoveryError('deletion-incomplete', { detail: cause.message, cause });
    },

    async guessesRemaining({ signal } = {}) {
      const threshold = current.recoverThreshold;
      const { answers, errors } = await settle(
        connect(current, signal),
        (realm) => realm.ask({ type: 'Status' }),
        () => false,
      );
      const group = largestGroup(
        answers.flatMap(({ from, value }) => ('status' in value ? [{ from, value: value.status }] : [])),
        (a, b) => hexEncode(a.version) === hexEncode(b.version),
      );
      if (group.length < threshold) throw whyNot(threshold, group.length, answers, errors);
      // A guess needs a threshold of realms: the one that is the threshold-th best decides.
      const remaining = group.map(({ value }) => value.guesses - value.guessCount).sort((a, b) => b - a);
      const waits = group.map(({ value }) => value.waitSeconds).sort((a, b) => a - b);
      return { guesses: remaining[threshold - 1]!, waitSeconds: waits[threshold - 1]! };
    },
  };
}

interface Found {
  readonly version: Uint8Array;
  readonly holders: readonly RealmConnection[];
}

/** The version that a threshold of realms hold, or why there is none. */
async function findVersion(
  { recoverThreshold: threshold }: Configuration,
  connections: readonly RealmConnection[],
): Promise<Found | RecoveryError> {
  const groupOf = (answers: readonly { readonly from: RealmConnection; readonly value: SecretsResponse }[]) =>
    largestGroup(
      answers.flatMap(({ from, value }) =>
        value.type === 'Recover1' && 'version' in value ? [{ from, value: value.version }] : [],
      ),
      (a, b) => hexEncode(a) === hexEncode(b),
    );
  const { answers, errors } = await settle(
    connections,
    (realm) => realm.ask({ type: 'Recover1' }),
    (sofar) => groupOf(sofar).length >= threshold,
  );
  const group = groupOf(answers);
  if (group.length < threshold) return whyNot(threshold, group.length, answers, errors);
  return { version: group[0]!.value, holders: group.map(({ from }) => from) };
}

/** Why fewer realms than the threshold hold one registration. */
function whyNot(
  threshold: number,
  held: number,
  answers: readonly { readonly value: SecretsResponse }[],
  errors: readonly RecoveryError[],
): RecoveryError {
  const locked = answers.filter(({ value }) => value.outcome === 'NoGuesses').length;
  // Those that did not answer could have made it enough.
  if (errors.length > 0 && held + errors.length >= threshold) return mostTelling(errors);
  if (locked > 0 && locked + held >= threshold)
    return new RecoveryError('no-guesses', { guessesRemaining: 0 });
  return new RecoveryError('not-registered');
}

interface Guessed {
  readonly from: RealmConnection;
  readonly value: Evaluation;
}

/** One guess: spent in phase 2, confirmed in phase 3 only when the PIN is right. */
async function guess(
  configuration: Configuration,
  known: readonly Configuration[],
  holders: readonly RealmConnection[],
  version: Uint8Array,
  pin: StretchedPin,
): Promise<Uint8Array> {
  const { recoverThreshold: threshold } = configuration;
  const blinded = blind(pin.accessKey, nonZeroScalar(random(64)));
  const request: SecretsRequest = { type: 'Recover2', version, blindedInput: blinded.input };
  const { answers, errors } = await settle(
    holders,
    (realm) => realm.ask(request),
    (sofar) => sofar.filter(({ value }) => 'evaluation' in value).length >= threshold,
  );
  const evaluations = answers.flatMap(({ from, value }): Guessed[] =>
    'evaluation' in value ? [{ from, value: value.evaluation }] : [],
  );
  const trusted = evaluations.filter(({ from, value }) => isEvaluatedBy(from.realm.id, blinded, value));
  const group = largestGroup(trusted, isSameRegistration);
  if (group.length < threshold) {
    if (errors.some(({ code }) => code === 'unavailable')) {
      const cause = mostTelling(errors);
      throw new RecoveryError('outcome-unknown', { detail: cause.message, cause });
    }
    if (evaluations.length >= threshold) throw new RecoveryError('answer-untrusted');
    throw whyNot(threshold, group.length, answers, errors);
  }

  const unlocked = unlockUnder(configuration, known, group, (chosen) =>
    unlockKeyFrom(
      pin,
      blinded,
      chosen.map(({ index, guessed }) => ({ index, evaluation: guessed.value })),
    ),
  );
  if (unlocked === undefined) {
    const remaining = group.map(({ value }) => Math.max(0, value.guesses - value.guessCount));
    throw new RecoveryError('invalid-pin', { guessesRemaining: Math.min(...remaining) });
  }
  const { key, chosen } = unlocked;
  const indexOf = new Map(chosen.map(({ index, guessed }) => [guessed.from, index]));
  const { answers: given, errors: missing } = await settle(
    chosen.map(({ guessed }) => guessed.from),
    (realm) => realm.ask({ type: 'Recover3', version, unlockKeyTag: unlockKeyTag(key, realm.realm.id) }),
    (sofar) => sofar.filter(({ value }) => 'unlocked' in value).length >= threshold,
  );
  const shares = largestGroup(
    given.flatMap(({ from, value }) =>
      'unlocked' in value && isCommitted(key, from.realm.id, value.unlocked)
        ? [{ from, value: value.unlocked }]
        : [],
    ),
    (a: Unlocked, b: Unlocked) => hexEncode(a.encryptedSecret) === hexEncode(b.encryptedSecret),
  );
  key.fill(0);
  if (shares.length < threshold) {
    if (missing.length > 0) throw mostTelling(missing);
    throw new RecoveryError('answer-untrusted');
  }
  try {
    return openSecret(
      pin,
      shares.map(({ from, value }) => ({ index: indexOf.get(from)!, unlocked: value })),
    );
  } catch (cause) {
    throw new RecoveryError('answer-untrusted', { cause });
  }
}

interface Indexed {
  readonly index: number;
  readonly guessed: Guessed;
}

/**
 * Tries the same answers with the share indices of every configuration that is known: which realm holds which share
 * is said by the configuration under which it was registered, and by nothing else.
 */
function unlockUnder(
  configuration: Configuration,
  known: readonly Configuration[],
  group: readonly Guessed[],
  unlock: (chosen: readonly Indexed[]) => Uint8Array | undefined,
): { readonly key: Uint8Array; readonly chosen: readonly Indexed[] } | undefined {
  for (const { realms, recoverThreshold } of [
    configuration,
    ...known.filter((other) => other !== configuration),
  ]) {
    const indices = new Map(realms.map(({ id, index }) => [hexEncode(id), index]));
    const chosen = group.flatMap((guessed): Indexed[] => {
      const index = indices.get(hexEncode(guessed.from.realm.id));
      return index === undefined ? [] : [{ index, guessed }];
    });
    if (chosen.length < recoverThreshold) continue;
    const key = unlock(chosen);
    if (key !== undefined) return { key, chosen };
  }
  return undefined;
}

interface Answered<V> {
  readonly from: RealmConnection;
  readonly value: V;
}

function largestGroup<V>(
  answers: readonly Answered<V>[],
  isSame: (a: V, b: V) => boolean,
): readonly Answered<V>[] {
  const groups: Answered<V>[][] = [];
  for (const answer of answers) {
    const group = groups.find((each) => isSame(each[0]!.value, answer.value));
    if (group === undefined) groups.push([answer]);
    else group.push(answer);
  }
  return groups.reduce<readonly Answered<V>[]>((a, b) => (b.length > a.length ? b : a), []);
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
