import { existsSync } from 'node:fs';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { UnlockKind } from '@keystead/protocol/operator';
import type { LauncherConfig } from '../config.ts';
import { genesisDirectoryOf } from '../genesis-directory.ts';
import { exitConfiguration, LaunchError } from '../launch-error.ts';
import type { Report } from '../report.ts';
import type { WalletKeys } from '../wallet-keys.ts';
import { DevelopmentFile } from './development-file.ts';
import { Operators } from './operators.ts';
import { readUnlockRecord, type UnlockRecord } from './unlock-record.ts';

/** What the operators of a deployment can replace beside what unlocks it. */
export interface ReplaceableKeys {
  readonly walletKeys: WalletKeys;
  /** Other keys of the roles, in use after `restart`; the new generation. Throws OperatorRefusal. */
  replaceRoleKeys(unlockSecret: SecretBytes): Promise<number>;
  /** Ends all three enclaves; resolves when all three are open again. The unlock secret has to be given. */
  restart(): Promise<void>;
  roleGeneration(): number;
}

/** What operators can have done with what is open. `Records`: the genesis records that the unlock secret seals. */
export interface Opened<Records> {
  /** The genesis records under another unlock secret; nothing is written. Throws OperatorRefusal. */
  reseal(secrets: { readonly from: SecretBytes; readonly to: SecretBytes }): Promise<Records>;
  /** A realm and a keeper of backups have none. */
  readonly keys?: ReplaceableKeys;
}

/** Where the unlock secret of a home comes from (spec/unlock.md §1). */
export interface Unlock<Records> {
  readonly kind: UnlockKind;
  /** Makes the secret of a new home, and the unlock record to keep with its genesis; none for a file. */
  found(): Promise<{ readonly record: string | undefined }>;
  /** Whether the secret is there without anybody's doing. */
  readonly given: boolean;
  /** The secret, when there is one: operators may take their time. Not to be kept or wiped by the caller. */
  secret(): Promise<SecretBytes>;
  /** From now on operators can replace what unlocks, and what else `opened` names. */
  serve(opened: Opened<Records>): Promise<void>;
  /** All enclaves are open: what nobody needs now is wiped. */
  opened(): void;
  close(): void;
}

export interface UnlockOptions<Records> {
  readonly home: string;
  readonly profile: LauncherConfig['profile'];
  readonly unlock: LauncherConfig['unlock'];
  readonly founded: boolean;
  readonly report: Report;
  /** Puts another unlock record and the records under it in the place of those that stand, durably. */
  readonly replace: (unlockRecord: string, records: Records) => void;
  /** Whether a development file is taken in production when it is named; true unless given. */
  readonly takesDevelopmentFile?: boolean;
}

/** The way to unlock that belongs to a home. Throws LaunchError when the configuration names another or none. */
export async function openUnlock<Records>(options: UnlockOptions<Records>): Promise<Unlock<Records>> {
  const { home, founded, unlock, report, replace } = options;
  const record = founded ? readUnlockRecord(genesisDirectoryOf(home)) : undefined;
  const kind = kindOf(options, record);
  if (options.takesDevelopmentFile === false) assertNoDevelopmentFile(options, kind);
  if (kind === 'development-file') return new DevelopmentFile(options, founded);
  return Operators.listen({ socket: unlock.operatorSocket, kind, record, report, replace });
}

function kindOf(
  { profile, unlock, founded, takesDevelopmentFile = true }: UnlockOptions<never>,
  record: UnlockRecord | undefined,
): UnlockKind {
  const { kind: asked } = unlock;
  if (!founded) {
    if (asked !== undefined) return asked;
    if (profile === 'development') return 'development-file';
    throw new LaunchError(
      'nothing is founded in production before it is said who unlocks it',
      `set KEYSTEAD_UNLOCK=shares or KEYSTEAD_UNLOCK=password${takesDevelopmentFile ? '; development-file accepts that whoever reads the disk holds every wallet' : ''}`,
      exitConfiguration,
    );
  }
  const kind = record?.kind ?? 'development-file';
  if (asked !== undefined && asked !== kind)
    throw new LaunchError(
      `this home is unlocked by ${kind}, and KEYSTEAD_UNLOCK asks for ${asked}`,
      `leave KEYSTEAD_UNLOCK away, or set it to ${kind}`,
      exitConfiguration,
    );
  return kind;
}

function assertNoDevelopmentFile({ profile, unlock, home }: UnlockOptions<never>, kind: UnlockKind): void {
  const { developmentFile } = unlock;
  if (profile !== 'production' || (kind !== 'development-file' && !existsSync(developmentFile))) return;
  throw new LaunchError(
    `production unlocks nothing of ${home} with a development file: whoever reads ${developmentFile} would hold its keys`,
    'found it anew with KEYSTEAD_UNLOCK=shares or KEYSTEAD_UNLOCK=password in an empty home; a home of development stays one',
    exitConfiguration,
  );
}
