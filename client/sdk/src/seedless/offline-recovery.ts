import { base64urlDecode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexDecode } from '@keystead/crypto/hex';
import { scalarToBytes } from '@keystead/crypto/ristretto255';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { decryptSecret } from '@keystead/juicebox/encrypted-secret';
import { evaluateDirectly, oprfPrivateKey } from '@keystead/juicebox/oprf';
import { combineScalars } from '@keystead/juicebox/secret-sharing';
import {
  type PinHashingMode,
  pinHashing,
  pinSalt,
  splitStretchedPin,
} from '@keystead/juicebox/stretched-pin';
import { encryptedSecretCommitment, secretEncryptionKey, unlockKeyOf } from '@keystead/juicebox/tags';
import { pepperBytes } from '@keystead/protocol/backup-messages';
import { parseUuid } from '@keystead/protocol/ids';
import { stretch as defaultStretch } from '#argon2';
import type { Stretch } from '../recovery/argon2.ts';
import { pinInfo } from './pin-info.ts';
import { type GenerationName, joinSeed } from './sealed-seed.ts';
import { SeedlessError } from './seedless-error.ts';

/** spec/backup.md §11: what a realm's operator exports of one registration. Bytes are base64url. */
export interface RealmExport {
  readonly kind: 'keystead-realm-export';
  readonly version: 1;
  /** Hexadecimal. */
  readonly realmId: string;
  readonly registration: {
    readonly version: string;
    readonly oprfPrivateKey: string;
    readonly unlockKeyCommitment: string;
    readonly encryptionKeyScalarShare: string;
    readonly encryptedSecret: string;
    readonly encryptedSecretCommitment: string;
  };
}

/** What the keeper's operator exports of one backup. */
export interface BackupExport {
  readonly kind: 'keystead-backup-export';
  readonly version: 2;
  readonly organizationId: string;
  readonly backupName: string;
  readonly generation: string;
  /** What realms know the generation as, under the tenant. */
  readonly tenant: string;
  readonly subject: string;
  /** All realms where the other share is, hexadecimal: their order says who holds which part of it. */
  readonly realms: readonly string[];
  readonly recoverThreshold: number;
  readonly pinHashingMode: PinHashingMode;
  readonly share: string;
  readonly ciphertext: string;
  readonly pepper: string;
}

/**
 * The seed, from a backup's export, exports of at least the recover threshold of its realms, and the PIN: no server takes
 * part, and nothing counts. Throws SeedlessError `pin-wrong`, `exports-too-few`, and `backup-unreadable` for what is no
 * export or does not belong together.
 */
export async function recoverOffline(options: {
  readonly backup: BackupExport;
  readonly realms: readonly RealmExport[];
  readonly pin: Uint8Array;
  readonly stretch?: Stretch;
}): Promise<SecretBytes> {
  const { backup, pin, stretch = defaultStretch } = options;
  if (new Set(options.realms.map(({ realmId }) => realmId)).size < backup.recoverThreshold)
    throw new SeedlessError('exports-too-few', { detail: `${backup.recoverThreshold} realms are needed` });
  let realmShare: Uint8Array | undefined;
  let content: { share: Uint8Array; ciphertext: Uint8Array };
  let name: GenerationName;
  try {
    const organization = parseUuid(backup.organizationId);
    if (backup.kind !== 'keystead-backup-export' || backup.version !== 2 || organization === undefined)
      throw new TypeError('no export of a backup');
    name = { organization, backupName: backup.backupName, generation: base64urlDecode(backup.generation) };
    content = { share: base64urlDecode(backup.share), ciphertext: base64urlDecode(backup.ciphertext) };
    const registrations = options.realms.map((realm) => registrationOf(realm, backup.realms));
    const pepper = base64urlDecode(backup.pepper);
    if (pepper.length !== pepperBytes) throw new TypeError('no pepper');
    const info = pinInfo(name, pepper);
    const { version } = registrations[0]!;
    if (!registrations.every((one) => equalBytes(one.version, version)))
      throw new TypeError('exports of several registrations');
    const salt = pinSalt(version, info);
    const stretched = splitStretchedPin(await stretch({ pin, salt, ...pinHashing[backup.pinHashingMode] }));
    realmShare = secretOf(registrations, stretched);
  } catch (cause) {
    throw new SeedlessError('backup-unreadable', { cause });
  }
  if (realmShare === undefined) throw new SeedlessError('pin-wrong');
  try {
    return await joinSeed(content, realmShare, name);
  } finally {
    realmShare.fill(0);
    content.share.fill(0);
  }
}

type Registration = ReturnType<typeof registrationOf>;

function registrationOf({ kind, version, realmId, registration }: RealmExport, realms: readonly string[]) {
  if (kind !== 'keystead-realm-export' || version !== 1) throw new TypeError('no export of a realm');
  const index = [...realms].sort().indexOf(realmId) + 1;
  if (index === 0) throw new TypeError('the export is of a realm that the backup does not name');
  return {
    index,
    realmId: hexDecode(realmId),
    version: base64urlDecode(registration.version),
    oprfPrivateKey: base64urlDecode(registration.oprfPrivateKey),
    unlockKeyCommitment: base64urlDecode(registration.unlockKeyCommitment),
    encryptionKeyScalarShare: base64urlDecode(registration.encryptionKeyScalarShare),
    encryptedSecret: base64urlDecode(registration.encryptedSecret),
    encryptedSecretCommitment: base64urlDecode(registration.encryptedSecretCommitment),
  };
}

/** What was registered, as the realms and the client together would find it (spec/realm.md §2.7); undefined for another PIN. */
function secretOf(
  registrations: readonly Registration[],
  pin: { readonly accessKey: Uint8Array; readonly encryptionKeySeed: Uint8Array },
): Uint8Array | undefined {
  const shares = (part: 'oprfPrivateKey' | 'encryptionKeyScalarShare') =>
    registrations.map((one) => ({ index: one.index, share: one[part] }));
  const oprfKey = oprfPrivateKey(scalarToBytes(combineScalars(shares('oprfPrivateKey'))));
  const unlock = unlockKeyOf(evaluateDirectly(oprfKey, pin.accessKey));
  const [first] = registrations as [Registration];
  if (!equalBytes(unlock.commitment, first.unlockKeyCommitment)) return undefined;
  for (const {
    realmId,
    encryptionKeyScalarShare,
    encryptedSecret,
    encryptedSecretCommitment: own,
  } of registrations)
    if (
      !equalBytes(
        encryptedSecretCommitment(unlock.key, realmId, encryptionKeyScalarShare, encryptedSecret),
        own,
      )
    )
      throw new CryptoError('decryption-failed');
  const scalar = scalarToBytes(combineScalars(shares('encryptionKeyScalarShare')));
  const key = secretEncryptionKey(pin.encryptionKeySeed, scalar);
  try {
    return decryptSecret(key, first.encryptedSecret);
  } finally {
    for (const secret of [unlock.key, scalar, key]) secret.fill(0);
  }
}
