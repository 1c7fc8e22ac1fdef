/** The program of an application in React Native, bundled with its condition and run where only what Hermes has is there. */
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import {
  type ConfigurationDocument,
  createRecoveryClient,
  makeRecoveryKit,
  openRecoveryKit,
  RecoveryError,
  type RecoveryClient,
  type RecoveryClientOptions,
} from '@keystead/sdk/recovery';

export interface Native {
  readonly configuration: ConfigurationDocument;
  readonly token: RecoveryClientOptions['token'];
  /** Argon2id of a native module, in lists of numbers as a bridge carries them; none is what an application forgot. */
  readonly argon2?: (
    pin: readonly number[],
    salt: readonly number[],
    memoryKibibytes: number,
    iterations: number,
  ) => Promise<readonly number[]>;
  readonly fetch: typeof fetch;
  readonly timeout?: number;
}

const secret = Uint8Array.of(1, 2, 3);
const info = 'ada';

function clientOf({ configuration, token, argon2, fetch, timeout }: Native): RecoveryClient {
  return createRecoveryClient({
    ...{ configuration, token, fetch },
    ...(timeout === undefined ? {} : { timeout }),
    ...(argon2 === undefined ? {} : { stretch: stretchBy(argon2) }),
  });
}

const stretchBy =
  (argon2: NonNullable<Native['argon2']>): RecoveryClientOptions['stretch'] =>
  async ({ pin, salt, memoryKibibytes, iterations }) =>
    Uint8Array.from(await argon2([...pin], [...salt], memoryKibibytes, iterations));

/** What a call rejects with. */
async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    return error instanceof RecoveryError ? error.code : String(error);
  }
}

export const register = (native: Native, pin: string) =>
  refusal(clientOf(native).register({ pin, secret, info, guesses: 5 }));

/** What came back, as text. */
export const recover = (native: Native, pin: string) => {
  const recovered = clientOf(native).recover({ pin, info });
  return recovered.then(
    (bytes) => bytes.join(),
    (error) => (error as RecoveryError).code,
  );
};

export const guessesRemaining = async (native: Native) => (await clientOf(native).guessesRemaining()).guesses;

/** Recovers, and gives up as soon as the first request is on its way. */
export async function abandon(native: Native): Promise<string> {
  const giveUp = new AbortController();
  const fetching: typeof fetch = (...request) => {
    setTimeout(() => giveUp.abort());
    return native.fetch(...request);
  };
  const client = clientOf({ ...native, fetch: fetching });
  return await refusal(client.recover({ pin: '1234', info, signal: giveUp.signal }));
}

/** The entropy that a kit gives back. */
export async function kit({ argon2 }: Native): Promise<string> {
  const stretch = stretchBy(argon2!)!;
  const { page, passphrase } = await makeRecoveryKit({
    entropy: SecretBytes.take(new Uint8Array(16).fill(7)),
    name: 'main',
    stretch,
  });
  const { entropy } = await openRecoveryKit({ page, passphrase, stretch });
  return entropy.expose().join();
}
