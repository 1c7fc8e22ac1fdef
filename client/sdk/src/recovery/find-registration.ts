import { hexEncode } from '@keystead/crypto/hex';
import type { Configuration } from '@keystead/juicebox/configuration';
import type { SecretsResponse } from '@keystead/juicebox/messages';
import { largestGroup } from './largest-group.ts';
import type { RealmConnection } from './realm-connection.ts';
import { RecoveryError } from './recovery-error.ts';
import { mostTelling, settle } from './settle.ts';

export interface GuessesRemaining {
  /** Wrong PINs that can still be entered before the registration is destroyed. */
  readonly guesses: number;
  /** Seconds until the next one is taken. */
  readonly waitSeconds: number;
}

export interface Found {
  readonly version: Uint8Array;
  readonly holders: readonly RealmConnection[];
}

interface Missing {
  readonly missing: RecoveryError;
  /** Versions that fewer realms hold than the threshold, in hexadecimal. */
  readonly seen: ReadonlySet<string>;
}

/**
 * The registration under the newest configuration that has one. Where too few realms answer for a newer one, an older one
 * counts with the version that those hold, and no other: this is what is there, under a lower threshold. Anything else
 * could be what was there before.
 */
export async function locate(
  known: readonly Configuration[],
  connect: (configuration: Configuration) => readonly RealmConnection[],
): Promise<Found & { readonly configuration: Configuration }> {
  let notRegistered: RecoveryError | undefined;
  let unsure: { readonly reason: RecoveryError; readonly version: string } | undefined;
  for (const configuration of known) {
    const found = await findVersion(configuration, connect(configuration));
    if ('holders' in found) {
      if (unsure !== undefined && unsure.version !== hexEncode(found.version)) break;
      return { configuration, ...found };
    }
    const { missing, seen } = found;
    if (missing.code === 'not-registered') notRegistered ??= missing;
    else {
      const isOne = seen.size === 1 && (unsure === undefined || seen.has(unsure.version));
      if (missing.code === 'no-guesses' || !isOne) throw unsure?.reason ?? missing;
      unsure ??= { reason: missing, version: [...seen][0]! };
    }
  }
  throw unsure?.reason ?? notRegistered!;
}

/** The version that a threshold of realms hold, or why there is none. */
async function findVersion(
  { recoverThreshold: threshold }: Configuration,
  connections: readonly RealmConnection[],
): Promise<Found | Missing> {
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
  if (group.length < threshold) {
    const missing = whyNot(threshold, group.length, answers, errors);
    const versions = answers.flatMap(({ value }) => ('version' in value ? [hexEncode(value.version)] : []));
    return { missing, seen: new Set(versions) };
  }
  return { version: group[0]!.value, holders: group.map(({ from }) => from) };
}

/** Why fewer realms than the threshold hold one registration. */
export function whyNot(
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

/** What a threshold of realms say of one registration, or why there is none. */
export async function findStatus(
  { recoverThreshold: threshold }: Configuration,
  connections: readonly RealmConnection[],
): Promise<GuessesRemaining | RecoveryError> {
  const { answers, errors } = await settle(
    connections,
    (realm) => realm.ask({ type: 'Status' }),
    () => false,
  );
  const group = largestGroup(
    answers.flatMap(({ from, value }) => ('status' in value ? [{ from, value: value.status }] : [])),
    (a, b) => hexEncode(a.version) === hexEncode(b.version),
  );
  if (group.length < threshold) return whyNot(threshold, group.length, answers, errors);
  // A guess needs a threshold of realms: the one that is the threshold-th best decides.
  const remaining = group.map(({ value }) => value.guesses - value.guessCount).sort((a, b) => b - a);
  const waits = group.map(({ value }) => value.waitSeconds).sort((a, b) => a - b);
  return { guesses: remaining[threshold - 1]!, waitSeconds: waits[threshold - 1]! };
}
