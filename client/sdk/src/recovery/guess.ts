import { hexEncode } from '@keystead/crypto/hex';
import { nonZeroScalar } from '@keystead/crypto/ristretto255';
import type { Configuration } from '@keystead/juicebox/configuration';
import type { Evaluation, SecretsRequest, SecretsResponse, Unlocked } from '@keystead/juicebox/messages';
import { blind } from '@keystead/juicebox/oprf';
import {
  isCommitted,
  isEvaluatedBy,
  isSameRegistration,
  openSecret,
  unlockKeyFrom,
} from '@keystead/juicebox/recovery';
import type { StretchedPin } from '@keystead/juicebox/stretched-pin';
import { unlockKeyTag } from '@keystead/juicebox/tags';
import { whyNot } from './find-registration.ts';
import { largestGroup } from './largest-group.ts';
import { pause } from './pause.ts';
import type { RealmConnection } from './realm-connection.ts';
import { RecoveryError } from './recovery-error.ts';
import { mostTelling, settle } from './settle.ts';

/** Milliseconds between the attempts to confirm a last guess: a realm keeps it for ten minutes (spec/realm.md §4). */
const pausesOfLast = [500, 1000, 2000, 4000, 8000, 16_000];

interface Guessed {
  readonly from: RealmConnection;
  readonly value: Evaluation;
}

/** One guess: spent in phase 2, confirmed in phase 3 only when the PIN is right. */
export async function guess(
  configuration: Configuration,
  known: readonly Configuration[],
  holders: readonly RealmConnection[],
  version: Uint8Array,
  pin: StretchedPin,
  random: (length: number) => Uint8Array,
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
  const trusted: Guessed[] = [];
  for (const evaluated of evaluations) {
    await pause();
    if (isEvaluatedBy(evaluated.from.realm.id, blinded, evaluated.value)) trusted.push(evaluated);
  }
  await pause();
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
  const isLast = chosen.some(({ guessed: { value } }) => value.guessCount >= value.guesses);
  const indexOf = new Map(chosen.map(({ index, guessed }) => [guessed.from, index]));
  const { answers: given, errors: missing } = await settle(
    chosen.map(({ guessed }) => guessed.from),
    (realm) =>
      confirm(realm, { type: 'Recover3', version, unlockKeyTag: unlockKeyTag(key, realm.realm.id) }, isLast),
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

/**
 * Says which PIN was right. Of the last guess nothing else opens the registration any more, and another attempt ends it: what does not
 * reach its realm is then sent again for a while.
 */
async function confirm(
  realm: RealmConnection,
  request: SecretsRequest,
  isLast: boolean,
): Promise<SecretsResponse> {
  for (const milliseconds of isLast ? pausesOfLast : []) {
    try {
      return await realm.ask(request);
    } catch (error) {
      const isPassing =
        error instanceof RecoveryError && (error.code === 'unavailable' || error.code === 'rate-limited');
      if (!isPassing) throw error;
    }
    await realm.rest(milliseconds);
  }
  return await realm.ask(request);
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
