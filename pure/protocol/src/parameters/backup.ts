import type { Schema } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { base64url } from './bytes.ts';
import { id, name } from './text.ts';

/** spec/backup.md §4: what every request about a backup names. */
export interface BackupParams {
  readonly organizationId: string;
  /** X25519, 32 bytes, used once: who has its private key, and nobody else, can read the keeper's answer. */
  readonly session: Uint8Array;
}

export interface NamedBackupParams extends BackupParams {
  /** Names one seed of the organization. */
  readonly backupName: string;
}

export interface GenerationParams extends NamedBackupParams {
  /** 16 random bytes. */
  readonly generation: Uint8Array;
}

const key = base64url({ min: 32, max: 32 });
/** 16 bytes that name a generation. */
export const generation: Schema<Uint8Array> = base64url({ min: 16, max: 16 });
/** SHA-256. */
export const digest: Schema<Uint8Array> = base64url({ min: 32, max: 32 });

const always = (surface: Surface) => ({ organizationId: id(surface), session: key });

export const backupParams = (surface: Surface): Schema<BackupParams> =>
  members(surface, { required: always(surface) });

const named = (surface: Surface) => ({ ...always(surface), backupName: name });

export const namedMembers = named;

export const generationParams = (surface: Surface): Schema<GenerationParams> =>
  members(surface, { required: { ...named(surface), generation } });
