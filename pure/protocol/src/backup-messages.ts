import {
  bytes,
  choice,
  fixed,
  list,
  option,
  type Static,
  struct,
  text,
  u8,
  u53,
  variant,
} from '@keystead/crypto/pack';
import { concatBytes } from '@keystead/crypto/bytes';
import { domainPrefix } from './domain.ts';
import { RawRequest } from './frames.ts';

/** spec/backup.md §3 to §5: what a client and a keeper of backups say to each other inside one Noise handshake. */

export const generationBytes = 16;
export const seedIdentityBytes = 16;
export const pepperBytes = 32;
/** Backups that one organization has at most, and generations that wait for their deletion in one of them. */
export const maximumBackups = 32;
export const maximumRetired = 8;
/** Realms that one keeper makes tokens for. */
export const maximumRealms = 16;

/** Under which realms the other share was registered: their order by id says who holds which part of it. */
export const BackupPlacement = struct({
  /** Ascending. */
  realmIds: list(fixed(16), maximumRealms),
  recoverThreshold: u8,
  pinHashingMode: choice({ Standard2019: 1, FastInsecure: 2 }),
});
export type BackupPlacement = Static<typeof BackupPlacement>;

/** What a keeper keeps of a seed: useless without the other share. */
export const BackupContent = struct({
  /** One of the two Shamir shares of the key. */
  share: bytes(64),
  /** The seed under that key, ChaCha20-Poly1305. */
  ciphertext: bytes(1024),
  /** Random; in the hash of the PIN, so that realms alone have no PIN to try (spec/backup.md §2). */
  pepper: fixed(pepperBytes),
  /** Which seed it is, to whoever has that seed (spec/backup.md §2). */
  seedIdentity: fixed(seedIdentityBytes),
  /** Ed25519. Until the generation is in use, realms register and guess it with stamps of this key alone (spec/backup.md §6.2). */
  deviceKey: option(fixed(32)),
  placement: BackupPlacement,
});
export type BackupContent = Static<typeof BackupContent>;

/** A stamped request with the signer's answer to it. `content` belongs to putBackup. */
export const BackupCall = struct({
  request: RawRequest,
  /** `signature` of the answer, the signer's: an encoded AnswerSignature. */
  signature: bytes(16384),
  /** `allowed` of its result, the policy engine's: another one. */
  allowed: bytes(1024),
  content: option(BackupContent),
});
export type BackupCall = Static<typeof BackupCall>;

/** One generation of a backup, and where its other share is. */
export const BackupGeneration = struct({ id: fixed(generationBytes), placement: BackupPlacement });
export type BackupGeneration = Static<typeof BackupGeneration>;

/** What is known of one backup besides its content. */
export const BackupState = struct({
  backupName: text(256),
  /** The one in use. */
  current: option(BackupGeneration),
  /** A new one, not in use yet. */
  staged: option(BackupGeneration),
  /** Those that realms may still hold: to be deleted there, then here. */
  retired: list(BackupGeneration, maximumRetired),
  /** What was overwritten, and until when that can be taken back; milliseconds since 1970. */
  replaced: option(struct({ generation: BackupGeneration, until: u53 })),
  /** From when on the generation in use can be deleted; milliseconds since 1970. */
  deletableAt: option(u53),
});
export type BackupState = Static<typeof BackupState>;

export const BackupAnswer = variant('type', {
  /** Nothing was changed. `code`: spec/backup.md §7. */
  refused: [1, struct({ code: text(64) })],
  /** How the backup stands after a change. */
  state: [2, BackupState],
  states: [3, struct({ backups: list(BackupState, maximumBackups) })],
  content: [4, struct({ generation: fixed(generationBytes), content: BackupContent, state: BackupState })],
  tokens: [
    5,
    struct({
      /** `realmId` in hexadecimal. */
      tokens: list(struct({ realmId: text(32), token: text(2048) }), maximumRealms),
      /** Milliseconds since 1970. */
      expires: u53,
    }),
  ],
});
export type BackupAnswer = Static<typeof BackupAnswer>;

/** What `POST /v1/backup` carries in both directions: one message of Noise NK. */
export const BackupEnvelope = struct({ ephemeral: fixed(32), payload: bytes(524288) });
export type BackupEnvelope = Static<typeof BackupEnvelope>;

/** Prologue of the handshake: which keeper is spoken to. */
export const backupPrologue = (keeperId: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/backup-session/v1'), keeperId);
