import { permitted } from '../result-schemas.ts';
import { enumeration, type Schema, transform } from '../schema.ts';
import { base64url } from '../parameters/bytes.ts';
import { generation, type GenerationParams, namedMembers } from '../parameters/backup.ts';
import { members, type Surface } from '../surface.ts';

export const name = 'getRealmTokens';
export const kind = 'use';
export const summary =
  'Permits the keeper to make tokens for its realms, one per realm, for one generation of a backup.';

/** What a token permits at its realm (spec/realm.md §8). */
export const realmScopes = ['register', 'recover', 'status', 'delete'] as const;
export type RealmScope = (typeof realmScopes)[number];

export interface Params extends GenerationParams {
  readonly scope: RealmScope;
  /** Ed25519, 32 bytes: the tokens serve nobody else (spec/realm.md §9.1). Null for tokens that serve whoever bears them. */
  readonly deviceKey: Uint8Array | null;
}

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: { ...namedMembers(surface), generation, scope: enumeration(realmScopes) },
      optional: { deviceKey: base64url({ min: 32, max: 32 }) },
    }),
    (value) => ({ ...value, deviceKey: value.deviceKey ?? null }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = permitted;
