import { equalBytes } from '@keystead/crypto/bytes';
import { nextChallenge, noChallenge } from '@keystead/juicebox/device-stamp';
import {
  encodeRequest,
  type Registration,
  type SecretsRequest,
  type SecretsResponse,
} from '@keystead/juicebox/messages';
import { type DeviceStamp, judgeStamp, type StampRefusal } from './device-stamp.ts';
import { type GuessRules, waitMilliseconds } from './guess-rules.ts';

/** spec/realm.md §4: the protocol, pure. */

export interface Registered {
  readonly type: 'registered';
  readonly registration: Registration;
  readonly guessCount: number;
  /** Of the newest guess, milliseconds since 1970; 0 before the first. */
  readonly guessedAt: number;
  /** The device key whose stamps guesses need, and what the next one is over; undefined where none is needed. */
  readonly binding?: Binding | undefined;
}

export interface Binding {
  readonly deviceKey: Uint8Array;
  readonly challenge: Uint8Array;
}

export type RecordState = Registered | { readonly type: 'noGuesses' } | { readonly type: 'notRegistered' };

export const notRegistered: RecordState = { type: 'notRegistered' };
const noGuesses: RecordState = { type: 'noGuesses' };

export interface EventOf {
  /** `locked_out`: the last guess was used. A `share_recovered` after it says that its PIN was right, nothing that it was wrong. */
  readonly event: 'registered' | 'guess_used' | 'share_recovered' | 'deleted' | 'locked_out';
  readonly guesses?: number;
  readonly guessCount?: number;
}

/** Due after the changed state is durable: an evaluation that the guess paid for. */
export interface DueEvaluation {
  readonly type: 'evaluate';
  readonly registration: Registration;
  readonly blindedInput: Uint8Array;
  readonly guessCount: number;
}

export type Reply =
  | { readonly type: 'response'; readonly response: SecretsResponse }
  | DueEvaluation
  /** The guess comes before its time; it costs nothing. */
  | { readonly type: 'wait'; readonly milliseconds: number }
  /** The number of guesses is out of the tenant's bounds. */
  | { readonly type: 'outOfBounds' }
  /** Somebody has registered, and the token is for a first registration. */
  | { readonly type: 'registered' }
  /** It was deleted since the token was issued, as far as the realm can know. */
  | { readonly type: 'barred'; readonly code: Barred }
  | { readonly type: 'unstamped'; readonly code: StampRefusal };

/** Why a token of the scope `register` registers nothing. */
export type Barred = 'registration-deleted' | 'token-before-start';

export interface Transition {
  readonly state: RecordState;
  /** Whether the state has to be made durable before anything leaves. */
  readonly changed: boolean;
  readonly events?: readonly EventOf[];
  readonly reply: Reply;
}

export interface Circumstances {
  readonly rules: GuessRules;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What a device stamped of the request, and the key that the token confirms. */
  readonly stamp?: DeviceStamp | undefined;
  readonly confirmedKey?: Uint8Array | undefined;
  /** Whether the token is for a first registration and for no other: its scope is `register`. */
  readonly registersOnce?: boolean;
  /** Of such a token: why it comes too late. */
  readonly barred?: Barred | undefined;
  /** Whether the tenant takes no registration without a stamp. */
  readonly needsDeviceStamps?: boolean;
}

/**
 * How long the last guess can still be confirmed (`Recover3`): a realm never sees a PIN, and whoever has entered a wrong one need not
 * come back.
 */
export const lastGuessMilliseconds = 10 * 60_000;

/** Whether nothing but the confirmation of its last guess keeps a registration. */
export const isEnding = (state: RecordState): state is Registered =>
  state.type === 'registered' && state.guessCount >= state.registration.policy.guesses;

/** What time has made of a state: the same object where it made nothing. */
export function afterTime(state: RecordState, now: number): RecordState {
  // A clock that was set back must not keep it for longer.
  const isOver = isEnding(state) && Math.abs(now - state.guessedAt) >= lastGuessMilliseconds;
  return isOver ? noGuesses : state;
}

export function transition(
  before: RecordState,
  request: SecretsRequest,
  circumstances: Circumstances,
): Transition {
  const { rules, now, stamp, confirmedKey } = circumstances;
  const state = afterTime(before, now);
  const unchanged = (reply: Reply): Transition => ({ state, changed: state !== before, reply });
  const unstamped = (code: StampRefusal): Transition => unchanged({ type: 'unstamped', code });
  const same = (response: SecretsResponse): Transition => unchanged({ type: 'response', response });
  const moved = (next: RecordState, response: SecretsResponse, event?: EventOf): Transition => ({
    state: next,
    changed: true,
    reply: { type: 'response', response },
    ...(event === undefined ? {} : { events: [event] }),
  });

  switch (request.type) {
    case 'Register1':
      return same({ type: request.type, outcome: 'Ok' });
    case 'Delete': {
      // Whoever bears a token that confirms a key has to stamp; a registration's own key is not asked for.
      const refused = judgeStamp(stamp, { confirmedKey, boundKey: undefined, challenge: noChallenge });
      if (refused !== undefined) return unstamped(refused);
      return state.type === 'notRegistered'
        ? same({ type: request.type, outcome: 'Ok' })
        : moved(notRegistered, { type: request.type, outcome: 'Ok' }, { event: 'deleted' });
    }
    case 'Register2': {
      const { registration } = request;
      const { guesses } = registration.policy;
      if (guesses < rules.minimumGuesses || guesses > rules.maximumGuesses)
        return unchanged({ type: 'outOfBounds' });
      if (stamp === undefined && circumstances.needsDeviceStamps === true)
        return unstamped('device-stamp-needed');
      const refused = judgeStamp(stamp, { confirmedKey, boundKey: stamp?.deviceKey, challenge: noChallenge });
      if (refused !== undefined) return unstamped(refused);
      if (circumstances.registersOnce === true && state.type !== 'notRegistered')
        // The same may come again, and gives no guesses back.
        return state.type === 'registered' && isSame(state.registration, registration)
          ? same({ type: request.type, outcome: 'Ok' })
          : unchanged({ type: 'registered' });
      if (circumstances.registersOnce === true && circumstances.barred !== undefined)
        return unchanged({ type: 'barred', code: circumstances.barred });
      const binding =
        stamp === undefined
          ? undefined
          : { deviceKey: stamp.deviceKey, challenge: nextChallenge(noChallenge, stamp.signature) };
      const next: RecordState = { type: 'registered', registration, guessCount: 0, guessedAt: 0, binding };
      return moved(
        next,
        { type: request.type, outcome: 'Ok' },
        { event: 'registered', guesses, guessCount: 0 },
      );
    }
  }

  const { type } = request;
  if (state.type === 'notRegistered') return same({ type, outcome: 'NotRegistered' });
  if (state.type === 'noGuesses') return same({ type, outcome: 'NoGuesses' });
  const { registration, guessCount } = state;
  const { guesses } = registration.policy;
  let binding = state.binding;
  const needsStamp = confirmedKey !== undefined || binding !== undefined;
  // Was told with the last guess: who guesses may never ask again.
  const destroyed = (response: SecretsResponse) => moved(noGuesses, response);
  if (type === 'Recover2' || type === 'Recover3') {
    const challenge = binding?.challenge ?? noChallenge;
    const refused = judgeStamp(stamp, { confirmedKey, boundKey: binding?.deviceKey, challenge });
    if (refused !== undefined) return unstamped(refused);
    if (binding !== undefined)
      binding = { ...binding, challenge: nextChallenge(challenge, stamp!.signature) };
  }

  switch (request.type) {
    case 'Status':
      return same({
        type: request.type,
        outcome: 'Ok',
        status: {
          version: registration.version,
          guesses,
          guessCount,
          waitSeconds: Math.ceil(waitMilliseconds(rules, state, now) / 1000),
        },
      });
    case 'Challenge':
      return same({ type: request.type, outcome: 'Ok', challenge: binding?.challenge ?? noChallenge });
    case 'Recover1':
      if (guessCount >= guesses) {
        const response: SecretsResponse = { type: request.type, outcome: 'NoGuesses' };
        // A bearer who could not guess ends nobody's last guess.
        return needsStamp ? same(response) : destroyed(response);
      }
      return same({ type: request.type, outcome: 'Ok', version: registration.version });
    case 'Recover2': {
      if (!equalBytes(request.version, registration.version))
        return same({ type: request.type, outcome: 'VersionMismatch' });
      if (guessCount >= guesses) return destroyed({ type: request.type, outcome: 'NoGuesses' });
      const milliseconds = waitMilliseconds(rules, state, now);
      if (milliseconds > 0) return unchanged({ type: 'wait', milliseconds });
      const counted = guessCount + 1;
      return {
        state: { ...state, guessCount: counted, guessedAt: now, binding },
        changed: true,
        events: [
          { event: 'guess_used', guesses, guessCount: counted },
          ...(counted >= guesses ? [{ event: 'locked_out', guesses, guessCount: counted } as const] : []),
        ],
        reply: {
          type: 'evaluate',
          registration,
          blindedInput: request.blindedInput,
          guessCount: counted,
        },
      };
    }
    case 'Recover3': {
      if (!equalBytes(request.version, registration.version))
        return same({ type: request.type, outcome: 'VersionMismatch' });
      if (!equalBytes(request.unlockKeyTag, registration.unlockKeyTag)) {
        const guessesRemaining = Math.max(0, guesses - guessCount);
        const response: SecretsResponse = {
          type: request.type,
          outcome: 'BadUnlockKeyTag',
          guessesRemaining,
        };
        // Written whatever the outcome: storage sees a write either way.
        return guessesRemaining === 0 ? destroyed(response) : moved({ ...state, binding }, response);
      }
      const { encryptionKeyScalarShare, encryptedSecret, encryptedSecretCommitment } = registration;
      const unlocked = { encryptionKeyScalarShare, encryptedSecret, encryptedSecretCommitment };
      return moved(
        { ...state, guessCount: 0, guessedAt: 0, binding },
        { type: request.type, outcome: 'Ok', unlocked },
        { event: 'share_recovered' },
      );
    }
  }
}

const isSame = (one: Registration, other: Registration): boolean => {
  const bytesOf = (registration: Registration) => encodeRequest({ type: 'Register2', registration });
  return equalBytes(bytesOf(one), bytesOf(other));
};
