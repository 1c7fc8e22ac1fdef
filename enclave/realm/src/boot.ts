import { LibsodiumRistretto255 } from '@keystead/crypto/libsodium-ristretto255';
import { portableGroup, type RistrettoGroup } from '@keystead/crypto/ristretto255';
import type { BesideKind } from '@keystead/enclave-runtime/beside-boot';
import type { FromRealm, ToRealm } from '@keystead/protocol/realm-frames';
import { Realm } from './program.ts';
import { parseRealmSettings, type RealmSettings } from './tenants.ts';

/** libsodium where there is WebAssembly. */
export async function loadGroup(): Promise<RistrettoGroup> {
  return typeof WebAssembly === 'undefined' ? portableGroup : await LibsodiumRistretto255.load();
}

/** spec/realm.md §12. */
export const realmKind: BesideKind<RealmSettings, ToRealm, FromRealm, RistrettoGroup> = {
  what: 'realm',
  domain: 'keystead/realm-genesis-record/v1',
  parse: parseRealmSettings,
  create: ({ id, ...context }, { heads, prepared: group }) =>
    new Realm({ ...context, realmId: id, group }, heads()),
};
