/** What ends a recovery call, by stable name; the hint says what to do next. */
export const recoveryErrors = {
  'invalid-pin': 'ask for the PIN again; what remains is in guessesRemaining',
  'no-guesses': 'the registration is destroyed; register again from a device that has the secret',
  'not-registered': 'register first',
  'guess-early': 'wait retryAfterSeconds, then ask again; this attempt cost no guess',
  'rate-limited': 'wait retryAfterSeconds, then ask again',
  unauthorized: 'get a fresh token for this realm and user',
  'upgrade-required': 'update this client: the realm does not serve it any more',
  'guesses-refused': 'choose a number of guesses that the realms allow',
  'registrations-closed': 'register with other realms: this one is being taken out of service',
  'registration-exists':
    'the token is for a first registration: delete the one that is there, or take a token for all requests',
  'registration-deleted':
    'somebody deleted this registration since the token was made: begin again, with another token',
  'device-stamp-needed': 'name a device key: these realms take only registrations that one stamps',
  'pin-not-stretched':
    'see that the page may start the worker of the package and that memory is left, or pass stretch; no guess was spent',
  'input-refused': 'correct the input that is named',
  unavailable: 'try again later: fewer realms answered than are needed',
  'outcome-unknown': 'a guess may have been counted without an answer: ask guessesRemaining before the next',
  'answer-malformed': 'a realm does not speak the protocol; check its address and key',
  'answer-untrusted': 'a realm gave an answer that its registration does not bear out; check who runs it',
  'registration-incomplete':
    'register again until it succeeds: until then neither the old nor the new PIN is sure to work',
  'deletion-incomplete': 'delete again when all realms answer',
  'kit-malformed': 'give the page of a recovery kit, or all of its groups in their order',
  'kit-mistyped': 'correct the group that is named, and compare it with the paper',
  'kit-passphrase-mistyped': 'correct the group that is named: a kit passphrase has four groups',
  'kit-passphrase-wrong': 'the passphrase is of another kit: nothing counts attempts here',
  'kit-altered':
    'the page says what it did not say when it was made: give the groups alone, and believe no address on it',
  'kit-other-seed': 'the kit is of another seed: make one on the device that has this one',
  aborted: 'nothing',
} as const;
export type RecoveryErrorCode = keyof typeof recoveryErrors;

export interface RecoveryErrorOptions extends ErrorOptions {
  readonly detail?: string;
  readonly guessesRemaining?: number;
  readonly retryAfterSeconds?: number;
  readonly group?: number | undefined;
}

/** Never holds a PIN, a secret or a token. */
export class RecoveryError extends Error {
  readonly code: RecoveryErrorCode;
  readonly hint: string;
  /** With `invalid-pin`: how many guesses remain. */
  readonly guessesRemaining: number | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** With `kit-mistyped` and `kit-passphrase-mistyped`: which group, from 1. */
  readonly group: number | undefined;

  constructor(code: RecoveryErrorCode, options: RecoveryErrorOptions = {}) {
    super(options.detail === undefined ? code : `${code}: ${options.detail}`, options);
    this.name = 'RecoveryError';
    this.code = code;
    this.hint = recoveryErrors[code];
    this.guessesRemaining = options.guessesRemaining;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.group = options.group;
  }
}
