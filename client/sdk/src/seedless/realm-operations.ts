import { base64urlEncode } from '@keystead/crypto/base64url';
import { publicKey, sign } from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import {
  type ConfigurationDocument,
  parseConfiguration,
  type RealmDocument,
} from '@keystead/juicebox/configuration';
import type { BackupGeneration, BackupPlacement } from '@keystead/protocol/backup-messages';
import {
  createRecoveryClient,
  type DeviceKey,
  type GuessesRemaining,
  type RecoveryClient,
  RecoveryError,
  type Stretch,
} from '../recovery.ts';
import { RealmConnection } from '../recovery/realm-connection.ts';
import type { KeeperConnection } from './keeper-connection.ts';
import { pinInfo } from './pin-info.ts';
import { isSamePlacement, placementOf } from './placement.ts';
import { SeedlessError } from './seedless-error.ts';

export interface RealmOperationsOptions {
  readonly keeper: KeeperConnection;
  /** 16 bytes. */
  readonly organization: Uint8Array;
  readonly configuration: ConfigurationDocument;
  /** Newest first. */
  readonly previousConfigurations: readonly ConfigurationDocument[];
  readonly guesses: number;
  readonly stretch: Stretch | undefined;
  /** Whether guesses are stamped; false where a realm is of others than Keystead. */
  readonly deviceStamps: boolean;
  readonly fetch: typeof fetch;
  readonly clock: () => number;
}

/** One generation of a backup, as its realms see it. */
export interface RealmTarget {
  readonly backupName: string;
  readonly generation: BackupGeneration;
  /** Of a generation that is being made: the key that its content names. A key of the call unless given. */
  readonly device?: DeviceKey | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a generation's PIN is hashed of: what its person knows, and what the keeper's content holds. */
export interface PepperedPin {
  readonly pin: string | Uint8Array;
  /** 32 bytes. */
  readonly pepper: Uint8Array;
}

/** One realm of a generation. */
export interface RealmStatus {
  /** Hexadecimal. */
  readonly realmId: string;
  readonly address: string;
  /** `locked`: destroyed by wrong PINs; `missing`: it has no registration. */
  readonly state: 'registered' | 'locked' | 'missing' | 'unreachable';
  /** Names the registration: a threshold of realms has the same. */
  readonly version?: string;
  /** Wrong PINs that can still be entered, and seconds until the next is taken. */
  readonly guesses?: number;
  readonly waitSeconds?: number;
  readonly reason?: string;
}

const statusPatience = 10_000;
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

type Scope = 'register' | 'recover' | 'status' | 'delete';

/** Tokens of one call, and the key that has to stamp what they are used for. */
interface RealmTokens {
  readonly device: DeviceKey | undefined;
  readonly of: (realmId: string) => Promise<string>;
  /** Those of the generation's realms that the keeper makes tokens for. */
  readonly realmIds: () => Promise<readonly string[]>;
}

/**
 * A key of one call, or one change, alone: the account's authenticator names it in the request for tokens, and nobody who copies one
 * of them can stamp with it.
 */
function newDeviceKey(): DeviceKey {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  return { publicKey: publicKey(seed), sign: (message) => sign(seed, message) };
}

/** How long tokens are used after their answer came; milliseconds. They live for 60 s (spec/backup.md §6.1), and an answer is soon here. */
const usableMilliseconds = 40_000;

/**
 * What realms are asked for a generation, each time with tokens for that alone. The generation says where it is: with a
 * configuration of other realms, or in another order, its right PIN would look wrong and cost a guess.
 */
export class RealmOperations {
  /** Where new registrations go. */
  readonly newest: BackupPlacement;
  readonly #options: RealmOperationsOptions;
  readonly #known: readonly {
    readonly document: ConfigurationDocument;
    readonly placement: BackupPlacement;
  }[];

  /** Throws ConfigurationError. */
  constructor(options: RealmOperationsOptions) {
    this.#options = options;
    this.#known = [options.configuration, ...options.previousConfigurations].map((document) => ({
      document,
      placement: placementOf(document),
    }));
    this.newest = this.#known[0]!.placement;
  }

  /** For a generation that is to be made; undefined where realms read no stamps. */
  newDevice(): DeviceKey | undefined {
    return this.#options.deviceStamps ? newDeviceKey() : undefined;
  }

  async register(target: RealmTarget, { pin, pepper }: PepperedPin, share: Uint8Array): Promise<void> {
    const { guesses } = this.#options;
    const client = this.#client(target, 'register');
    const info = this.#info(target, pepper);
    try {
      await client.register({ pin, secret: share, info, guesses, ...signalOf(target) });
    } finally {
      info.fill(0);
    }
  }

  async recover(target: RealmTarget, { pin, pepper }: PepperedPin): Promise<Uint8Array> {
    const client = this.#client(target, 'recover');
    const info = this.#info(target, pepper);
    try {
      return await client.recover({ pin, info, ...signalOf(target) });
    } finally {
      info.fill(0);
    }
  }

  /** What each realm of the generation says, without a guess. */
  async statuses(target: RealmTarget): Promise<readonly RealmStatus[]> {
    const { document } = this.#placed(target);
    const { of: token } = this.#tokens(target, 'status');
    const { fetch } = this.#options;
    return Promise.all(
      parseConfiguration(document).realms.map(async (realm): Promise<RealmStatus> => {
        const at = { realmId: hexEncode(realm.id), address: realm.address };
        const options = { token, fetch, random, timeout: statusPatience, signal: target.signal };
        try {
          const answer = await new RealmConnection(realm, options).ask({ type: 'Status' });
          if (!('status' in answer))
            return { ...at, state: answer.outcome === 'NoGuesses' ? 'locked' : 'missing' };
          const { version, guesses, guessCount, waitSeconds } = answer.status;
          return {
            ...at,
            state: 'registered',
            version: hexEncode(version),
            guesses: guesses - guessCount,
            waitSeconds,
          };
        } catch (error) {
          if (!(error instanceof RecoveryError)) throw error;
          return { ...at, state: 'unreachable', reason: error.message };
        }
      }),
    );
  }

  async guessesRemaining(target: RealmTarget): Promise<GuessesRemaining> {
    return this.#client(target, 'status').guessesRemaining(signalOf(target));
  }

  /**
   * At every realm where the generation may be and that the keeper has not left behind. Resolves when the keeper has made the tokens;
   * `done` when all realms have deleted.
   */
  async delete(target: RealmTarget): Promise<{ readonly done: Promise<void> }> {
    const tokens = this.#tokens(target, 'delete');
    const realms = (await tokens.realmIds()).map((id) => this.#realm(id));
    return { done: this.#deleteAt(realms, target, tokens) };
  }

  async #deleteAt(realms: readonly RealmDocument[], target: RealmTarget, tokens: RealmTokens): Promise<void> {
    const outcomes = await Promise.allSettled(
      realms.map((realm) =>
        this.#clientOf(
          {
            realms: [realm],
            register_threshold: 1,
            recover_threshold: 1,
            pin_hashing_mode: target.generation.placement.pinHashingMode,
          },
          tokens,
        ).delete(signalOf(target)),
      ),
    );
    const failed = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    if (failed.length === 0) return;
    const [{ reason: cause }] = failed as [PromiseRejectedResult];
    if (failed.length === realms.length || !(cause instanceof RecoveryError)) throw cause;
    throw new RecoveryError('deletion-incomplete', { detail: cause.message, cause });
  }

  #client(target: RealmTarget, scope: Scope): RecoveryClient {
    return this.#clientOf(this.#placed(target).document, this.#tokens(target, scope));
  }

  #placed({ generation: { placement } }: RealmTarget) {
    const known = this.#known.find((one) => isSamePlacement(one.placement, placement));
    if (known === undefined) throw new SeedlessError('configuration-unknown');
    return known;
  }

  #clientOf(configuration: ConfigurationDocument, { of: token, device }: RealmTokens): RecoveryClient {
    const { stretch, fetch } = this.#options;
    return createRecoveryClient({
      configuration,
      token,
      ...(device === undefined ? {} : { device }),
      fetch,
      ...(stretch === undefined ? {} : { stretch }),
    });
  }

  /** A realm of any configuration that this application knows; the newest says where it is. */
  #realm(realmId: string): RealmDocument {
    for (const { document } of this.#known)
      for (const realm of document.realms)
        if (realm.id.replaceAll('-', '').toLowerCase() === realmId) return realm;
    throw new SeedlessError('configuration-unknown', { detail: `realm ${realmId}` });
  }

  #tokens({ backupName, generation, signal, device: own }: RealmTarget, scope: Scope): RealmTokens {
    const { keeper, clock } = this.#options;
    const device = own ?? this.newDevice();
    const deviceKey = device === undefined ? {} : { deviceKey: base64urlEncode(device.publicKey) };
    const ask = async () => {
      const answer = await keeper.call(
        'getRealmTokens',
        { backupName, generation: base64urlEncode(generation.id), scope, ...deviceKey },
        { signal },
      );
      // By this device's clock alone: it may differ from the keeper's.
      const since = clock();
      return { tokens: new Map(answer.tokens.map(({ realmId, token }) => [realmId, token])), since };
    };
    let asked: ReturnType<typeof ask> | undefined;
    const held = async () => {
      asked ??= ask();
      const used = asked;
      const answer = await used;
      if (Math.abs(clock() - answer.since) < usableMilliseconds) return answer;
      if (asked === used) asked = ask();
      return await asked;
    };
    return {
      device,
      of: async (realmId: string): Promise<string> => {
        const found = (await held()).tokens.get(realmId);
        if (found === undefined)
          throw new SeedlessError('backup-refused', { reason: 'the keeper makes no tokens for a realm' });
        return found;
      },
      realmIds: async (): Promise<readonly string[]> => {
        const { tokens } = await held();
        return generation.placement.realmIds.map(hexEncode).filter((id) => tokens.has(id));
      },
    };
  }

  #info({ backupName, generation }: RealmTarget, pepper: Uint8Array): Uint8Array {
    const { organization } = this.#options;
    return pinInfo({ organization, backupName, generation: generation.id }, pepper);
  }
}

const signalOf = ({ signal }: RealmTarget): { readonly signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };
