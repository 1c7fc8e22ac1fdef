import { hexEncode } from '@keystead/crypto/hex';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { BackupGeneration, BackupState } from '@keystead/protocol/backup-messages';
import { parseUuid } from '@keystead/protocol/ids';
import type { Client } from '../client.ts';
import type { Stretch } from '../recovery.ts';
import { KeeperConnection, type KeeperDocument } from './keeper-connection.ts';
import { isSamePlacement } from './placement.ts';
import { RealmOperations, type RealmStatus } from './realm-operations.ts';
import { joinSeed } from './sealed-seed.ts';
import { SeedlessError } from './seedless-error.ts';

/** How the backups of an account stand, without changing anything: where the parts are, and whether they fit. */

export interface BackupInspectionOptions {
  readonly client: Client;
  readonly organizationId: string;
  readonly keeper: KeeperDocument;
  readonly configuration: ConfigurationDocument;
  /** Newest first. */
  readonly previousConfigurations?: readonly ConfigurationDocument[];
  readonly fetch?: typeof fetch;
  readonly stretch?: Stretch;
}

export interface InspectedBackup {
  readonly backupName: string;
  /** The generation in use, hexadecimal; undefined when there is none. */
  readonly generation: string | undefined;
  /** Generations beside it: of an interrupted change, overwritten and kept, waiting to be deleted. */
  readonly staged: boolean;
  readonly revertibleUntil: number | undefined;
  readonly retired: number;
  readonly deletableAt: number | undefined;
  readonly recoverThreshold: number | undefined;
  /** Whether this application knows the realms that it is with. */
  readonly isKnown: boolean;
  readonly realms: readonly RealmStatus[];
  /** Wrong PINs that can still be entered: what the threshold-th best realm says. Undefined when too few realms have it. */
  readonly guesses: number | undefined;
}

/** What was found to hold, in this order; the first that does not is where it stops. */
export const backupChecks = [
  /** The keeper opened its row and released the content to this account. */
  'released',
  /** Share and ciphertext have the form of one generation, and the keeper says the same place for both. */
  'well-formed',
  /** A threshold of realms has one registration, with guesses left. */
  'registered',
  /** With the PIN: the shares give the key that opens the seed. */
  'recovered',
] as const;
export type BackupCheck = (typeof backupChecks)[number];

export interface BackupVerdict {
  readonly generation: string;
  readonly passed: readonly BackupCheck[];
  /** Why the next check does not hold; undefined when all that were asked for do. */
  readonly failure: string | undefined;
  /** BIP-39 entropy, with the PIN: for the caller to compare and to wipe. */
  readonly entropy: SecretBytes | undefined;
}

const shareBytes = 33;
/** Version, length, and 16 to 32 bytes, with the tag. */
const leastCiphertext = 1 + 4 + 16 + 16;
const mostCiphertext = 1 + 4 + 32 + 16;

export class BackupInspection {
  readonly #organization: Uint8Array;
  readonly #keeper: KeeperConnection;
  readonly #realms: RealmOperations;

  /** Throws ConfigurationError. */
  constructor(options: BackupInspectionOptions) {
    const { client, organizationId, keeper, configuration, previousConfigurations = [] } = options;
    const organization = parseUuid(organizationId);
    if (organization === undefined) throw new TypeError('organizationId is no lower-case UUID');
    const send = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#organization = organization;
    this.#keeper = new KeeperConnection({ client, organizationId, keeper, fetch: send });
    this.#realms = new RealmOperations({
      keeper: this.#keeper,
      organization,
      configuration,
      previousConfigurations,
      guesses: 0,
      stretch: options.stretch,
      deviceStamps: true,
      fetch: send,
      clock: Date.now,
    });
  }

  /** Every backup of the account. Realms are asked with tokens of 60 s; no guess is spent. */
  async list(): Promise<readonly InspectedBackup[]> {
    const { backups } = await this.#keeper.call('listBackups', {});
    return Promise.all(backups.map((state) => this.#inspect(state)));
  }

  /**
   * Whether what is stored opens: without a PIN as far as that goes, with it all the way, which is one guess, given back when it
   * is right. The content of the backup and the seed stay in this process.
   */
  async verify(backupName: string, pin?: Uint8Array): Promise<BackupVerdict> {
    const { generation: id, content, state } = await this.#keeper.call('getBackup', { backupName });
    const { share, ciphertext, pepper, placement } = content;
    const generation: BackupGeneration = { id, placement };
    const passed: BackupCheck[] = ['released'];
    const verdict = (failure?: string, entropy?: SecretBytes): BackupVerdict => ({
      generation: hexEncode(id),
      passed,
      failure,
      entropy,
    });
    try {
      const isInForm =
        share.length === shareBytes &&
        ciphertext.length >= leastCiphertext &&
        ciphertext.length <= mostCiphertext &&
        state.current !== undefined &&
        isSamePlacement(state.current.placement, placement);
      if (!isInForm) return verdict('the content does not have the form of a backup');
      passed.push('well-formed');
      const inspected = await this.#inspect({ ...state, backupName });
      if (inspected.guesses === undefined) return verdict(whyNotRegistered(inspected));
      if (inspected.guesses === 0)
        return verdict('the last guess was used, and nothing has said that it was right');
      passed.push('registered');
      if (pin === undefined) return verdict();
      const realmShare = await this.#realms.recover({ backupName, generation }, { pin, pepper });
      const name = { organization: this.#organization, backupName, generation: id };
      const entropy = await joinSeed(content, realmShare, name).finally(() => realmShare.fill(0));
      passed.push('recovered');
      return verdict(undefined, entropy);
    } finally {
      share.fill(0);
      pepper.fill(0);
    }
  }

  async #inspect(state: BackupState): Promise<InspectedBackup> {
    const { backupName, current, staged, replaced, retired, deletableAt } = state;
    const placed = current === undefined ? undefined : await this.#placed(backupName, current);
    return {
      backupName,
      generation: current === undefined ? undefined : hexEncode(current.id),
      staged: staged !== undefined,
      revertibleUntil: replaced?.until,
      retired: retired.length,
      deletableAt,
      recoverThreshold: current?.placement.recoverThreshold,
      isKnown: placed?.isKnown ?? false,
      realms: placed?.realms ?? [],
      guesses: current === undefined ? undefined : guessesOf(placed!.realms, current),
    };
  }

  async #placed(backupName: string, generation: BackupGeneration) {
    try {
      return { isKnown: true, realms: await this.#realms.statuses({ backupName, generation }) };
    } catch (error) {
      if (!(error instanceof SeedlessError) || error.code !== 'configuration-unknown') throw error;
      return { isKnown: false, realms: [] };
    }
  }
}

/** A guess needs a threshold of realms with one registration: the threshold-th best decides. */
function guessesOf(realms: readonly RealmStatus[], { placement }: BackupGeneration): number | undefined {
  const versions = new Map<string, number[]>();
  for (const { version, guesses } of realms)
    if (version !== undefined && guesses !== undefined)
      versions.set(version, [...(versions.get(version) ?? []), guesses]);
  const held = [...versions.values()].find((guesses) => guesses.length >= placement.recoverThreshold);
  return held?.sort((one, other) => other - one)[placement.recoverThreshold - 1];
}

function whyNotRegistered({ isKnown, realms, recoverThreshold }: InspectedBackup): string {
  if (!isKnown) return 'it is with realms that are not in the given configurations';
  const count = (state: RealmStatus['state']) => realms.filter((realm) => realm.state === state).length;
  return `${recoverThreshold} realms are needed with one registration: ${count('registered')} have one, ${count('missing')} none, ${count('locked')} destroyed it, ${count('unreachable')} did not answer`;
}
