import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import * as hpke from '@keystead/crypto/hpke';
import { bytes, fixed, list, type Static, struct, u32, u8 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { CertificateError, verifyCertificate } from '@keystead/protocol/certificate';
import {
  branch,
  DeploymentKeys,
  deploymentIdOf,
  type Edge,
  edgeKey,
  type Role,
} from '@keystead/protocol/deployment';
import { domainPrefix } from '@keystead/protocol/domain';
import { type Genesis, RoleTag, roles } from './genesis-record.ts';
import type { Clock, Random } from './program.ts';
import { agreeSecretOf, roleKeysOf } from './role-keys.ts';
import {
  maximumGenerations,
  PackedWalletKeys,
  packedWalletKeys,
  takeWalletKeys,
  type WalletKey,
} from './wallet-keys.ts';

/** spec/unlock.md §6: each role's root seed, and the signer's wallet keys, held 2-of-2 by the memories of the other two. */

const halfVersion = 2;
const nonceBytes = 12;
/** Halves that a holder keeps of one role. */
export const keptHalves = 2;

/** What is split. */
const SplitSecret = struct({
  seed: fixed(32),
  walletKeys: PackedWalletKeys,
  roleSeed: fixed(32),
  roleGeneration: u32,
});
const maximumSplitBytes = 32 + 32 + 4 + 4 + maximumGenerations * 36;

const SeedHalf = struct({
  version: u8,
  role: RoleTag,
  split: fixed(16),
  half: bytes(maximumSplitBytes),
  /** Of what was split: one holder alone cannot change a bit of it. */
  commitment: fixed(32),
  deployment: DeploymentKeys,
});
type SeedHalf = Static<typeof SeedHalf>;

const SeedHalves = list(SeedHalf, keptHalves);

/** The measurement that is approved for each role as long as the deployment stays open. */
export const Approved = struct({ policy: fixed(48), signer: fixed(48), certifier: fixed(48) });
export type Approved = Static<typeof Approved>;

export interface SeedHalvesOptions extends Omit<Genesis, 'walletKeys'> {
  readonly role: Role;
  /** The keys of all three that are in use. */
  readonly current: DeploymentKeys;
  readonly approved: Approved;
  /** Ed25519 public key of the launcher's certificates. */
  readonly launcher: Uint8Array;
  readonly random: Random;
  readonly clock: Clock;
}

/** Why a holder gives nothing: `half-none`, `challenge-none`, or `certificate-` and the fault. */
export class Withheld extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.name = 'Withheld';
    this.code = code;
  }
}

/** One role's part: it splits its own seed, and holds halves of the others'. */
export class SeedHolder {
  readonly #options: SeedHalvesOptions;
  readonly #deploymentId: Uint8Array;
  readonly #kept = new Map<Role, SeedHalf[]>();
  #challenge: Uint8Array | undefined;

  constructor(options: SeedHalvesOptions) {
    this.#options = options;
    this.#deploymentId = deploymentIdOf(options.deployment);
  }

  /** Whether another role would miss this memory. */
  get holds(): boolean {
    return this.#kept.size > 0;
  }

  /** A fresh splitting of the own seed and wallet keys: one sealed half for each holder. */
  split(walletKeys: readonly WalletKey[]): { holder: Role; sealed: Uint8Array }[] {
    const { role, seed, roleSeed, roleGeneration, deployment, random } = this.#options;
    const secret = SplitSecret.encode({
      seed: seed.expose(),
      walletKeys: packedWalletKeys(walletKeys),
      roleSeed: roleSeed.expose(),
      roleGeneration,
    });
    const commitment = commitmentOf(secret);
    const split = random(16);
    const first = random(secret.length);
    const second = secret.map((byte, index) => byte ^ first[index]!);
    secret.fill(0);
    const halves = [first, second];
    const agreeSecret = agreeSecretOf(role, roleSeed);
    try {
      return roles
        .filter((holder) => holder !== role)
        .map((holder, index) => {
          const plaintext = SeedHalf.encode({
            version: halfVersion,
            role,
            split,
            half: halves[index]!,
            commitment,
            deployment,
          });
          const key = this.#halfKey(agreeSecret, holder, `${role}-to-${holder}` as Edge);
          const nonce = random(nonceBytes);
          const sealed = chacha20Poly1305Seal(key.expose(), nonce, halfDomain, plaintext);
          plaintext.fill(0);
          key.wipe();
          return { holder, sealed: concatBytes(nonce, sealed) };
        });
    } finally {
      for (const half of halves) half.fill(0);
      agreeSecret.wipe();
    }
  }

  /** Keeps a half of another role's seed. Throws Withheld when that role did not seal it. */
  keep(from: Role, sealed: Uint8Array): void {
    const { role, roleSeed, deployment } = this.#options;
    if (from === role) throw new Withheld('half-own');
    const agreeSecret = agreeSecretOf(role, roleSeed);
    const key = this.#halfKey(agreeSecret, from, `${from}-to-${role}` as Edge);
    agreeSecret.wipe();
    let half: SeedHalf;
    try {
      const nonce = sealed.subarray(0, nonceBytes);
      const plaintext = chacha20Poly1305Open(key.expose(), nonce, halfDomain, sealed.subarray(nonceBytes));
      half = SeedHalf.decode(plaintext);
      plaintext.fill(0);
    } catch {
      throw new Withheld('half-forged');
    } finally {
      key.wipe();
    }
    if (
      half.version !== halfVersion ||
      half.role !== from ||
      !equalBytes(DeploymentKeys.encode(half.deployment), DeploymentKeys.encode(deployment))
    )
      throw new Withheld('half-forged');
    const kept = [half, ...(this.#kept.get(from) ?? [])];
    for (const old of kept.slice(keptHalves)) old.half.fill(0);
    this.#kept.set(from, kept.slice(0, keptHalves));
  }

  /** A challenge for the next certificate; an earlier one no longer counts. */
  challenge(): Uint8Array {
    this.#challenge = this.#options.random(32);
    return this.#challenge;
  }

  /**
   * The halves of the role that a certificate names, for the setup key in it. Throws Withheld unless the certificate
   * holds and its measurement is the approved one.
   */
  release(from: Role, certificate: Uint8Array): Uint8Array {
    const { approved, launcher, random, clock } = this.#options;
    const challenge = this.#challenge;
    this.#challenge = undefined;
    if (challenge === undefined) throw new Withheld('challenge-none');
    let subject: Uint8Array;
    try {
      ({ subject } = verifyCertificate(certificate, {
        issuer: launcher,
        use: 'handover',
        deployment: this.#deploymentId,
        role: from,
        measurement: approved[from],
        challenge,
        now: clock(),
      }));
    } catch (error) {
      throw new Withheld(
        error instanceof CertificateError ? `certificate-${error.code}` : 'certificate-malformed',
      );
    }
    const halves = this.#kept.get(from);
    if (halves === undefined) throw new Withheld('half-none');
    const plaintext = SeedHalves.encode(halves);
    const { enc, ciphertext } = hpke.seal(subject, handoverInfo(certificate), noBytes, plaintext, random);
    plaintext.fill(0);
    return concatBytes(enc, ciphertext);
  }

  #halfKey(agreeSecret: SecretBytes, peer: Role, edge: Edge): SecretBytes {
    const key = edgeKey(agreeSecret, this.#options.current[peer].agree, edge, this.#deploymentId);
    const half = branch(key, 'keystead/seed-half/v1');
    key.wipe();
    return half;
  }
}

/** What one holder gave to a new process. */
export interface ReleasedHalves {
  readonly certificate: Uint8Array;
  readonly sealed: Uint8Array;
}

/**
 * The seed of a role from what both holders gave to the setup key. Throws TypeError unless both have a half of one
 * splitting and the seed has the public keys that both name.
 */
export function joinHalves(role: Role, setupKey: SecretBytes, released: readonly ReleasedHalves[]): Genesis {
  if (released.length !== 2) throw new TypeError('two holders are needed');
  const [one, other] = released.map(({ certificate, sealed }) => {
    const info = handoverInfo(certificate);
    const plaintext = hpke.open(
      setupKey.expose(),
      sealed.subarray(0, 32),
      info,
      noBytes,
      sealed.subarray(32),
    );
    const halves = SeedHalves.decode(plaintext);
    plaintext.fill(0);
    return halves;
  });
  try {
    for (const half of one!) {
      const match = other!.find(({ split }) => hexEncode(split) === hexEncode(half.split));
      if (match === undefined || half.role !== role || match.role !== role) continue;
      const { deployment } = half;
      if (!equalBytes(DeploymentKeys.encode(deployment), DeploymentKeys.encode(match.deployment))) continue;
      if (!equalBytes(half.commitment, match.commitment) || half.half.length !== match.half.length) continue;
      const joined = half.half.map((byte, index) => byte ^ match.half[index]!);
      if (!equalBytes(commitmentOf(joined), half.commitment)) {
        joined.fill(0);
        continue;
      }
      const secret = SplitSecret.decode(joined);
      joined.fill(0);
      const seed = SecretBytes.take(secret.seed);
      const walletKeys = takeWalletKeys(secret.walletKeys);
      const { sign, agree } = roleKeysOf(role, seed);
      if (equalBytes(sign, deployment[role].sign) && equalBytes(agree, deployment[role].agree))
        return {
          seed,
          deployment,
          walletKeys,
          roleSeed: SecretBytes.take(secret.roleSeed),
          roleGeneration: secret.roleGeneration,
        };
      seed.wipe();
      for (const { key } of walletKeys) key.wipe();
    }
  } finally {
    for (const half of [...one!, ...other!]) half.half.fill(0);
  }
  throw new TypeError('the holders have no half of one splitting');
}

/** The secret has 256 bits and more of its own: the hash tells nothing of it. */
function commitmentOf(secret: Uint8Array): Uint8Array {
  const input = concatBytes(domainPrefix('keystead/split-secret/v1'), secret);
  const commitment = sha256(input);
  input.fill(0);
  return commitment;
}

const noBytes = new Uint8Array(0);
const halfDomain = domainPrefix('keystead/seed-half/v1');
const handoverInfo = (certificate: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/seed-handover/v1'), certificate);
