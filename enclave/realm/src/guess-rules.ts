/** spec/realm.md §9: how many guesses a registration may have, and how long a guess waits. */
export interface GuessRules {
  readonly minimumGuesses: number;
  readonly maximumGuesses: number;
  /** Seconds after the n-th wrong guess before the next is taken; the last holds for all that follow. */
  readonly delays: readonly number[];
  /** From this many remaining guesses on, each waits this long. */
  readonly softLock: { readonly remaining: number; readonly seconds: number } | undefined;
}

export interface GuessHistory {
  readonly registration: { readonly policy: { readonly guesses: number } };
  readonly guessCount: number;
  readonly guessedAt: number;
}

/** Milliseconds until the next guess is taken; 0 when it is taken now. */
export function waitMilliseconds(rules: GuessRules, history: GuessHistory, now: number): number {
  const { guessCount, guessedAt } = history;
  if (guessCount === 0) return 0;
  const { delays, softLock } = rules;
  const delay = delays.length === 0 ? 0 : delays[Math.min(guessCount, delays.length) - 1]!;
  const remaining = history.registration.policy.guesses - guessCount;
  const lock = softLock !== undefined && remaining <= softLock.remaining ? softLock.seconds : 0;
  const wait = 1000 * Math.max(delay, lock);
  // A clock that was set back must not make the wait longer than the rule.
  return Math.min(wait, Math.max(0, guessedAt + wait - now));
}
