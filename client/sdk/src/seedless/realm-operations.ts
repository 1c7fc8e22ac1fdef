import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import {
  createRecoveryClient,
  type GuessesRemaining,
  type RecoveryClient,
  type Stretch,
} from '../recovery.ts';
import type { KeeperConnection } from './keeper-connection.ts';
import { SeedlessError } from './seedless-error.ts';

export interface RealmOperationsOptions {
  readonly keeper: KeeperConnection;
  readonly organizationId: string;
  readonly configuration: ConfigurationDocument;
  readonly previousConfigurations: readonly ConfigurationDocument[];
  readonly guesses: number;
  readonly stretch: Stretch | undefined;
  readonly fetch: typeof fetch;
  readonly clock: () => number;
}

/** One generation of a backup, as its realms see it. */
export interface RealmTarget {
  readonly backupName: string;
  readonly generation: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** A token that is used up before its end needs no second one; one that ends sooner is asked for again. */
const leastLifetime = 20_000;

/** What realms are asked for a generation, each time with tokens for that alone. */
export class RealmOperations {
  readonly #options: RealmOperationsOptions;

  constructor(options: RealmOperationsOptions) {
    this.#options = options;
  }

  async register(target: RealmTarget, pin: string, share: Uint8Array): Promise<void> {
    const { guesses } = this.#options;
    const client = this.#client(target, 'register');
    await client.register({ pin, secret: share, info: this.#info(target), guesses, ...signalOf(target) });
  }

  recover(target: RealmTarget, pin: string): Promise<Uint8Array> {
    return this.#client(target, 'recover').recover({ pin, info: this.#info(target), ...signalOf(target) });
  }

  delete(target: RealmTarget): Promise<void> {
    return this.#client(target, 'delete').delete(signalOf(target));
  }

  guessesRemaining(target: RealmTarget): Promise<GuessesRemaining> {
    return this.#client(target, 'recover').guessesRemaining(signalOf(target));
  }

  #client(target: RealmTarget, scope: 'register' | 'recover' | 'delete'): RecoveryClient {
    const { keeper, configuration, previousConfigurations, stretch, fetch, clock } = this.#options;
    const { backupName, signal } = target;
    const generation = base64urlEncode(target.generation);
    let asked:
      | Promise<{ readonly tokens: ReadonlyMap<string, string>; readonly expires: number }>
      | undefined;
    const ask = async () => {
      const answer = await keeper.call(
        'getRealmTokens',
        { backupName, generation, scope },
        undefined,
        signal,
      );
      return {
        tokens: new Map(answer.tokens.map(({ realmId, token }) => [realmId, token])),
        expires: answer.expires,
      };
    };
    const token = async (realmId: string): Promise<string> => {
      asked ??= ask();
      let held = await asked;
      if (held.expires - clock() < leastLifetime) {
        asked = ask();
        held = await asked;
      }
      const found = held.tokens.get(realmId);
      if (found === undefined)
        throw new SeedlessError('backup-refused', { reason: 'the keeper makes no tokens for a realm' });
      return found;
    };
    return createRecoveryClient({
      configuration,
      previousConfigurations,
      token,
      fetch,
      ...(stretch === undefined ? {} : { stretch }),
    });
  }

  /** Names the person to the realms' hash, and nobody else's PIN fits it. */
  #info({ backupName }: RealmTarget): Uint8Array {
    return utf8Encode(`${this.#options.organizationId}/${backupName}`);
  }
}

const signalOf = ({ signal }: RealmTarget): { readonly signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };
