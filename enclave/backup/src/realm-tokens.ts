import { base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { keyOf, publicKey } from '@keystead/crypto/ed25519';
import { hexEncode } from '@keystead/crypto/hex';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { fixed, struct, text } from '@keystead/crypto/pack';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { generationBytes } from '@keystead/protocol/backup-messages';
import { branch } from '@keystead/protocol/deployment';
import type { BackupSettings } from './settings.ts';

/** spec/backup.md §6.3: tokens as realms take them (spec/realm.md §8), each for one realm. */

export const tokenLifetimeSeconds = 60;

const Subject = struct({
  organization: fixed(16),
  backupName: text(256),
  generation: fixed(generationBytes),
});

export class RealmTokens {
  readonly #signSeed: SecretBytes;
  readonly #subjectKey: SecretBytes;
  readonly #random: (length: number) => Uint8Array;
  /** Ed25519: what realms are given as the tenant's key. */
  readonly publicKey: Uint8Array;

  constructor(seed: SecretBytes, random: (length: number) => Uint8Array) {
    this.#signSeed = branch(seed, 'keystead/backup/token/v1');
    this.#subjectKey = branch(seed, 'keystead/backup/subject/v1');
    this.#random = random;
    this.publicKey = publicKey(this.#signSeed.expose());
  }

  /** The user that realms know a generation as: another one for each, and nobody's name. */
  subjectOf(organization: Uint8Array, backupName: string, generation: Uint8Array): string {
    const encoded = Subject.encode({ organization, backupName, generation });
    return hexEncode(hmacSha256(this.#subjectKey.expose(), encoded));
  }

  /** How realms name that user in their events (spec/realm.md §10), and nowhere else. */
  userIdOf(tenant: string, subject: string): string {
    return hexEncode(sha256(utf8Encode(`${tenant}:${subject}`)));
  }

  /** `now` in milliseconds. */
  token(options: {
    readonly tenant: BackupSettings['tenant'];
    readonly realmId: string;
    readonly subject: string;
    readonly scope: string;
    /** The key that has to stamp what the token is used for; null for none. */
    readonly deviceKey: Uint8Array | null;
    readonly now: number;
  }): string {
    const { tenant, realmId, subject, scope, deviceKey } = options;
    const issued = Math.floor(options.now / 1000);
    const part = (value: Parameters<typeof canonicalize>[0]) =>
      base64urlEncode(utf8Encode(canonicalize(value)));
    const signed = `${part({ alg: 'EdDSA', kid: `${tenant.name}:${tenant.version}`, typ: 'JWT' })}.${part({
      iss: tenant.name,
      sub: subject,
      aud: realmId,
      iat: issued,
      nbf: issued,
      exp: issued + tokenLifetimeSeconds,
      jti: hexEncode(this.#random(16)),
      scope,
      ...(deviceKey === null
        ? {}
        : { cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: base64urlEncode(deviceKey) } } }),
    })}`;
    return `${signed}.${base64urlEncode(keyOf(this.#signSeed).sign(utf8Encode(signed)))}`;
  }
}
