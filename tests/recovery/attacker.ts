/**
 * An attacker who has everything of some realms: their directories, database, genesis record and unlock key. It tries
 * every PIN with every test that what it has allows.
 */
import { argon2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { chacha20Poly1305Open } from '@keystead/crypto/aead';
import { concatBytes, equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { LibsodiumRistretto255 } from '@keystead/crypto/libsodium-ristretto255';
import { fixed, struct, u8 } from '@keystead/crypto/pack';
import { elementToBytes, hashToElement, scalarToBytes } from '@keystead/crypto/ristretto255';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha512 } from '@keystead/crypto/sha512';
import { RecordRows } from '@keystead/enclave-realm/record-rows';
import { decryptSecret } from '@keystead/juicebox/encrypted-secret';
import type { Registration } from '@keystead/juicebox/messages';
import { combineScalars } from '@keystead/juicebox/secret-sharing';
import { pinHashing, pinSalt, splitStretchedPin } from '@keystead/juicebox/stretched-pin';
import {
  encryptedSecretCommitment,
  secretEncryptionKey,
  unlockKeyOf,
  unlockKeyTag,
} from '@keystead/juicebox/tags';
import { branch } from '@keystead/protocol/deployment';

const group = await LibsodiumRistretto255.load();
const outputDomain = utf8Encode('Juicebox_OPRF_2023_1;');

export interface StolenRealm {
  readonly id: Uint8Array;
  /** Its share index, which every client's configuration tells. */
  readonly index: number;
  readonly registration: Registration;
}

/** Opens the one registration of a realm's directory as the realm itself does. */
export function stealRealm(home: string, index: number): StolenRealm {
  const unlock = readFileSync(join(home, 'development/unlock.key'), 'utf8').split('\n');
  const secret = new SecretBytes(hexDecode(unlock.find((line) => /^[0-9a-f]{64}$/.test(line))!));
  const record = readFileSync(join(home, 'genesis/realm.record'));
  const plaintext = chacha20Poly1305Open(
    branch(secret, 'keystead/unlock/realm/v1').expose(),
    new Uint8Array(record.subarray(0, 12)),
    utf8Encode('keystead/realm-genesis-record/v1'),
    new Uint8Array(record.subarray(12)),
  );
  const genesis = struct({ version: u8, realmId: fixed(16), seed: fixed(32) }).decode(plaintext);
  const rows = new RecordRows({
    seed: new SecretBytes(genesis.seed),
    realmId: genesis.realmId,
    random: (length) => new Uint8Array(length),
  });
  const database = new DatabaseSync(join(home, 'data/realm.sqlite'), { readOnly: true });
  const all = database.prepare('SELECT name, row FROM record').all() as {
    name: Uint8Array;
    row: Uint8Array;
  }[];
  database.close();
  const states = all.map(({ name, row }) => rows.open(name, row));
  const registered = states.flatMap((state) => (state.type === 'registered' ? [state.registration] : []));
  return { id: genesis.realmId, index, registration: registered[0]! };
}

/** Outcomes of all tests for one PIN, in a fixed order. */
export interface Candidate {
  readonly pin: string;
  /** The unlock key that the PIN would give, were the first realm's share the whole key: what there is instead of a secret. */
  readonly unlockKey: string;
  readonly tests: readonly boolean[];
  readonly secret: Uint8Array | undefined;
}

/** Every PIN, stretched with this `info`, with what each test says of it. A PIN that no test tells from another is as good as any. */
export function attack(
  realms: readonly StolenRealm[],
  pins: readonly string[],
  info: Uint8Array,
): Candidate[] {
  const parts = keysOf(realms);
  const { version } = realms[0]!.registration;
  return pins.map((pin) => {
    const tests: boolean[] = [];
    const { accessKey, encryptionKeySeed } = stretch(pin, version, info);
    const element = elementToBytes(hashToElement(accessKey));
    let unlockKey: string | undefined;
    let secret: Uint8Array | undefined;
    for (const { subset, key, scalar } of parts) {
      const [{ registration }] = subset as [StolenRealm, ...StolenRealm[]];
      const output = sha512(concatBytes(outputDomain, accessKey, group.multiply(element, key)));
      const unlock = unlockKeyOf(output);
      unlockKey ??= hexEncode(unlock.key);
      tests.push(equalBytes(unlock.commitment, registration.unlockKeyCommitment));
      for (const { id, registration: own } of subset) {
        tests.push(equalBytes(unlockKeyTag(unlock.key, id), own.unlockKeyTag));
        const { encryptionKeyScalarShare, encryptedSecret, encryptedSecretCommitment: commitment } = own;
        const expected = encryptedSecretCommitment(unlock.key, id, encryptionKeyScalarShare, encryptedSecret);
        tests.push(equalBytes(expected, commitment));
      }
      try {
        const encryptionKey = secretEncryptionKey(encryptionKeySeed, scalarToBytes(scalar));
        secret = decryptSecret(encryptionKey, registration.encryptedSecret);
        tests.push(true);
      } catch (error) {
        if (!(error instanceof CryptoError)) throw error;
        tests.push(false);
      }
    }
    return { pin, unlockKey: unlockKey!, tests, secret };
  });
}

/** What each choice of realms would have, were it enough; choices that have the same are one. */
function keysOf(realms: readonly StolenRealm[]) {
  const parts = new Map<string, { subset: StolenRealm[]; key: bigint; scalar: bigint }>();
  for (const chosen of nonEmptySubsets(realms)) {
    const combined = (part: 'oprfPrivateKey' | 'encryptionKeyScalarShare') =>
      combineScalars(chosen.map(({ index, registration }) => ({ index, share: registration[part] })));
    const [key, scalar] = [combined('oprfPrivateKey'), combined('encryptionKeyScalarShare')];
    const known = parts.get(`${key} ${scalar}`);
    if (known === undefined) parts.set(`${key} ${scalar}`, { subset: chosen, key, scalar });
    else known.subset = [...new Set([...known.subset, ...chosen])];
  }
  return [...parts.values()];
}

/** How many kinds of candidate the tests tell apart. */
export function kindsOf(candidates: readonly Candidate[]): number {
  return new Set(candidates.map(({ tests }) => tests.join())).size;
}

function stretch(pin: string, version: Uint8Array, info: Uint8Array) {
  const { memoryKibibytes: memory, iterations: passes } = pinHashing.FastInsecure;
  const stretched = argon2Sync('argon2id', {
    message: utf8Encode(pin),
    nonce: pinSalt(version, info),
    parallelism: 1,
    tagLength: 64,
    memory,
    passes,
  });
  return splitStretchedPin(new Uint8Array(stretched));
}

function nonEmptySubsets<T>(items: readonly T[]): T[][] {
  const count = 2 ** items.length;
  return Array.from({ length: count - 1 }, (_, index) =>
    items.filter((_item, position) => ((index + 1) >> position) % 2 === 1),
  );
}

/** Every PIN of four digits. */
export const everyPin: readonly string[] = Array.from({ length: 10_000 }, (_, pin) =>
  String(pin).padStart(4, '0'),
);

/** How many of the candidates are different ones. */
export function differentOf(candidates: readonly Candidate[]): number {
  return new Set(candidates.map(({ unlockKey }) => unlockKey)).size;
}

export const idOf = (realm: StolenRealm): string => hexEncode(realm.id);
