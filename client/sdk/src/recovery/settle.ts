import { RecoveryError, type RecoveryErrorCode } from './recovery-error.ts';

export interface Settled<K, V> {
  readonly answers: readonly { readonly from: K; readonly value: V }[];
  readonly errors: readonly RecoveryError[];
}

/** How long slower realms are waited for once enough have answered, in milliseconds. */
const grace = 1000;

/**
 * Asks all at once. When `isEnough` of the answers, the others have a second more: one dead realm must not make every
 * call slow. Errors other than RecoveryError are thrown.
 */
export async function settle<K, V>(
  asked: readonly K[],
  ask: (from: K) => Promise<V>,
  isEnough: (answers: Settled<K, V>['answers']) => boolean,
): Promise<Settled<K, V>> {
  const answers: { from: K; value: V }[] = [];
  const errors: RecoveryError[] = [];
  await new Promise<void>((resolve, reject) => {
    let open = asked.length;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const end = () => {
      if (open > 0) {
        if (timer === undefined && isEnough(answers)) timer = setTimeout(resolve, grace);
        return;
      }
      clearTimeout(timer);
      resolve();
    };
    for (const from of asked)
      ask(from)
        .then(
          (value) => void answers.push({ from, value }),
          (error: unknown) => {
            if (!(error instanceof RecoveryError)) throw error;
            errors.push(error);
          },
        )
        .then(() => {
          open -= 1;
          end();
        })
        .catch(reject);
    if (open === 0) resolve();
  });
  return { answers: [...answers], errors: [...errors] };
}

/** What says most about why a call failed comes first. */
const order: readonly RecoveryErrorCode[] = [
  'aborted',
  'unauthorized',
  'upgrade-required',
  'guesses-refused',
  'registrations-closed',
  'registration-exists',
  'registration-deleted',
  'guess-early',
  'rate-limited',
  'answer-untrusted',
  'answer-malformed',
  'unavailable',
];

export function mostTelling(errors: readonly RecoveryError[]): RecoveryError {
  const rank = ({ code }: RecoveryError) => order.indexOf(code);
  return errors.reduce((a, b) => (rank(b) < rank(a) ? b : a));
}
