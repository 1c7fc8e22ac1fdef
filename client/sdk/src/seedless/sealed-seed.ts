import { combine, split } from 'shamir-secret-sharing';
import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { bytes, struct, u8 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { type BackupContent, pepperBytes, seedIdentityBytes } from '@keystead/protocol/backup-messages';
import { domainPrefix } from '@keystead/protocol/domain';
import { SeedlessError } from './seedless-error.ts';

/** spec/backup.md §2: the seed under a key of its own, the key in two shares, of which one alone says nothing, and a pepper for the PIN. */

const version = 1;
const Seed = struct({ version: u8, /** BIP-39: 16 to 32 bytes. */ entropy: bytes(32) });

const keyBytes = 32;
/** The key encrypts once: no other nonce is ever needed. */
const nonce = new Uint8Array(12);

/** What names one generation of a backup. */
export interface GenerationName {
  /** 16 bytes. */
  readonly organization: Uint8Array;
  readonly backupName: string;
  /** 16 bytes. */
  readonly generation: Uint8Array;
}

/** For the keeper of backups: its share and the ciphertext. */
export type SealedSeed = Pick<BackupContent, 'share' | 'ciphertext'>;

export interface SplitSeed {
  readonly content: SealedSeed & Pick<BackupContent, 'pepper' | 'seedIdentity'>;
  /** For the realms. */
  readonly realmShare: SecretBytes;
}

/** A fresh key, the seed under it, the key split in two, and a fresh pepper. */
export async function splitSeed(
  entropy: SecretBytes,
  name: GenerationName,
  random: (length: number) => Uint8Array,
): Promise<SplitSeed> {
  const key = random(keyBytes);
  const plaintext = Seed.encode({ version, entropy: entropy.expose() });
  try {
    const ciphertext = chacha20Poly1305Seal(key, nonce, associated(name), plaintext);
    const [share, other] = await split(key, 2, 2);
    const seedIdentity = seedIdentityOf(entropy.expose(), name);
    const content = { share: share!, ciphertext, pepper: random(pepperBytes), seedIdentity };
    return { content, realmShare: SecretBytes.take(other!) };
  } finally {
    key.fill(0);
    plaintext.fill(0);
  }
}

/**
 * Which seed a backup is of, for whoever has the seed to compare: keeper and devices see whether two generations are of one seed. Of
 * BIP-39 entropy it says nothing else, and under another name or organization the same seed has another.
 */
export function seedIdentityOf(
  entropy: Uint8Array,
  { organization, backupName }: Omit<GenerationName, 'generation'>,
): Uint8Array {
  const named = concatBytes(domainPrefix('keystead/seed-identity/v1'), organization, utf8Encode(backupName));
  return hmacSha256(entropy, named).slice(0, seedIdentityBytes);
}

/** The seed. SeedlessError `backup-unreadable` when the shares are not of one key, or the content is of another backup. */
export async function joinSeed(
  content: SealedSeed,
  realmShare: Uint8Array,
  name: GenerationName,
): Promise<SecretBytes> {
  let key: Uint8Array | undefined;
  let plaintext: Uint8Array | undefined;
  try {
    key = await combine([content.share, realmShare]);
    plaintext = chacha20Poly1305Open(key, nonce, associated(name), content.ciphertext);
    const seed = Seed.decode(plaintext);
    if (seed.version !== version) throw new TypeError('version');
    return SecretBytes.take(seed.entropy);
  } catch (cause) {
    throw new SeedlessError('backup-unreadable', { cause });
  } finally {
    key?.fill(0);
    plaintext?.fill(0);
  }
}

function associated({ organization, backupName, generation }: GenerationName): Uint8Array {
  return concatBytes(
    domainPrefix('keystead/seed-backup/v1'),
    organization,
    generation,
    utf8Encode(backupName),
  );
}
