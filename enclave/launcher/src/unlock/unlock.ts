import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { UnlockKind } from '@keystead/protocol/operator';
import type { LauncherConfig } from '../config.ts';
import { genesisDirectoryOf, type GenesisRecords, replaceGenesis } from '../genesis-files.ts';
import { exitConfiguration, LaunchError } from '../launch-error.ts';
import type { Report } from '../report.ts';
import type { WalletKeys } from '../wallet-keys.ts';
import { DevelopmentFile } from './development-file.ts';
import { Operators } from './operators.ts';
import { readUnlockRecord, type UnlockRecord } from './unlock-record.ts';

/** What operators can have done with a deployment that is open. */
export interface OpenDeployment {
  readonly walletKeys: WalletKeys;
  /** Other keys of the roles, in use after `restart`; the new generation. Throws OperatorRefusal. */
  replaceRoleKeys(unlockSecret: SecretBytes): Promise<number>;
  /** Ends all three enclaves; resolves when all three are open again. The unlock secret has to be given. */
  restart(): Promise<void>;
  roleGeneration(): number;
  /** The genesis records under another unlock secret; nothing is written. Throws OperatorRefusal. */
  reseal(secrets: { readonly from: SecretBytes; readonly to: SecretBytes }): Promise<GenesisRecords>;
}

/** Where the unlock secret of a deployment comes from (spec/unlock.md §1). */
export interface Unlock {
  readonly kind: UnlockKind;
  /** Makes the secret of a new deployment, and the unlock record to keep with its genesis; none for a file. */
  found(): Promise<{ readonly record: string | undefined }>;
  /** Whether the secret is there without anybody's doing. */
  readonly given: boolean;
  /** The secret, when there is one: operators may take their time. Not to be kept or wiped by the caller. */
  secret(): Promise<SecretBytes>;
  /** From now on operators can replace the wallet key, and what unlocks. */
  serve(deployment: OpenDeployment): Promise<void>;
  /** All enclaves are open: what nobody needs now is wiped. */
  opened(): void;
  close(): void;
}

/** The way to unlock that belongs to this home. Throws LaunchError when the configuration names another or none. */
export async function openUnlock(
  config: Pick<LauncherConfig, 'profile' | 'unlock' | 'home'>,
  founded: boolean,
  report: Report,
): Promise<Unlock> {
  const record = founded ? readUnlockRecord(genesisDirectoryOf(config.home)) : undefined;
  const kind = kindOf(config, founded, record);
  if (kind === 'development-file') return new DevelopmentFile(config, founded);
  const replace = (record: string, records: GenesisRecords) =>
    replaceGenesis(config.home, records, { unlockRecord: record });
  return Operators.listen({ socket: config.unlock.operatorSocket, kind, record, report, replace });
}

function kindOf(
  { profile, unlock }: Pick<LauncherConfig, 'profile' | 'unlock'>,
  founded: boolean,
  record: UnlockRecord | undefined,
): UnlockKind {
  const { kind: asked } = unlock;
  if (!founded) {
    if (asked !== undefined) return asked;
    if (profile === 'development') return 'development-file';
    throw new LaunchError(
      'a production deployment is not founded before it is said who unlocks it',
      'set KEYSTEAD_UNLOCK=shares or KEYSTEAD_UNLOCK=password; development-file accepts that whoever reads the disk holds every wallet',
      exitConfiguration,
    );
  }
  const kind = record?.kind ?? 'development-file';
  if (asked !== undefined && asked !== kind)
    throw new LaunchError(
      `this deployment is unlocked by ${kind}, and KEYSTEAD_UNLOCK asks for ${asked}`,
      `leave KEYSTEAD_UNLOCK away, or set it to ${kind}`,
      exitConfiguration,
    );
  return kind;
}
