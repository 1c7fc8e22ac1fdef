import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { concatBytes, equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { choice, fixed, struct, u32, u8 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { DeploymentKeys, type Role } from '@keystead/protocol/deployment';
import type { Random } from './program.ts';
import { roleKeysOf } from './role-keys.ts';
import { PackedWalletKeys, packedWalletKeys, takeWalletKeys, type WalletKey } from './wallet-keys.ts';

/** The three roles in the order in which documents and files list them. */
export const roles = ['policy', 'signer', 'certifier'] as const satisfies readonly Role[];

/** One byte on the wire: policy 1, signer 2, certifier 3. */
export const RoleTag = choice({ policy: 1, signer: 2, certifier: 3 });

const recordVersion = 3;
const nonceBytes = 12;

const Record = struct({
  version: u8,
  role: RoleTag,
  seed: fixed(32),
  deployment: DeploymentKeys,
  walletKeys: PackedWalletKeys,
  roleSeed: fixed(32),
  roleGeneration: u32,
});

/** What a role carries over from genesis: its root seed and the pinned public keys of all three. */
export interface Genesis {
  readonly seed: SecretBytes;
  readonly deployment: DeploymentKeys;
  /** The signer's, those that are not retired, oldest first; none of another role. */
  readonly walletKeys: readonly WalletKey[];
  /** What the keys of the role are made of, which others know: the root seed until they are replaced (spec/unlock.md §8). */
  readonly roleSeed: SecretBytes;
  /** 1 until they are replaced. */
  readonly roleGeneration: number;
}

/** Upper bound of a sealed record, in bytes. */
export const maximumRecordBytes = 1024;

function associatedData(role: Role): Uint8Array {
  return utf8Encode(`keystead/genesis-record/v1${role}`);
}

/**
 * The genesis record under a 32-byte unlock key: nonce ‖ ChaCha20-Poly1305 (spec/boot.md §3).
 * Throws TypeError when the pinned keys are not those of `seed`, two roles share a key, or the signer has no wallet key.
 */
export function sealGenesisRecord(
  role: Role,
  genesis: Genesis,
  unlockKey: SecretBytes,
  random: Random,
): Uint8Array {
  assertConsistent(role, genesis);
  const plaintext = Record.encode({
    version: recordVersion,
    role,
    seed: genesis.seed.expose(),
    deployment: genesis.deployment,
    walletKeys: packedWalletKeys(genesis.walletKeys),
    roleSeed: genesis.roleSeed.expose(),
    roleGeneration: genesis.roleGeneration,
  });
  const nonce = random(nonceBytes);
  const sealed = chacha20Poly1305Seal(unlockKey.expose(), nonce, associatedData(role), plaintext);
  plaintext.fill(0);
  return concatBytes(nonce, sealed);
}

/**
 * Opens what `sealGenesisRecord` made. Throws CryptoError `decryption-failed` under another key or role, and
 * TypeError when the content contradicts itself.
 */
export function openGenesisRecord(role: Role, record: Uint8Array, unlockKey: SecretBytes): Genesis {
  const plaintext = chacha20Poly1305Open(
    unlockKey.expose(),
    record.subarray(0, nonceBytes),
    associatedData(role),
    record.subarray(nonceBytes),
  );
  const read = Record.decode(plaintext);
  plaintext.fill(0);
  if (read.version !== recordVersion) throw new TypeError(`genesis record of version ${read.version}`);
  if (read.role !== role) throw new TypeError(`genesis record of ${read.role}`);
  const genesis = {
    seed: SecretBytes.take(read.seed),
    deployment: read.deployment,
    walletKeys: takeWalletKeys(read.walletKeys),
    roleSeed: SecretBytes.take(read.roleSeed),
    roleGeneration: read.roleGeneration,
  };
  assertConsistent(role, genesis);
  return genesis;
}

function assertConsistent(role: Role, { seed, deployment, walletKeys }: Genesis): void {
  if (walletKeys.length > 0 !== (role === 'signer'))
    throw new TypeError('the signer has wallet keys, and nobody else');
  const own = roleKeysOf(role, seed);
  const pinned = deployment[role];
  if (!equalBytes(own.sign, pinned.sign) || !equalBytes(own.agree, pinned.agree))
    throw new TypeError('the pinned keys are not those of this seed');
  for (const other of roles) {
    if (other === role) continue;
    if (equalBytes(deployment[other].sign, own.sign) || equalBytes(deployment[other].agree, own.agree))
      throw new TypeError(`${other} has the same key`);
  }
}
