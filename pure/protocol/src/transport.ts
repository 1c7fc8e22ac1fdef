import { concatBytes } from '@keystead/crypto/bytes';
import * as hpke from '@keystead/crypto/hpke';
import { bytes, choice, fixed, type Static, struct, variant } from '@keystead/crypto/pack';
import { domainPrefix } from './domain.ts';

/** spec/transport.md: secrets between a caller and the signer, encrypted end to end (HPKE, RFC 9180). */

/** What an export bundle holds. */
export const ExportedSecret = variant('kind', {
  mnemonic: [1, struct({ /** BIP-39, 16 to 32 bytes. */ entropy: bytes(32) })],
  keypair: [
    2,
    struct({
      curve: choice({ Ed25519: 1, Secp256k1: 2 }),
      addressFormat: choice({ Solana: 1, Ethereum: 2, BitcoinSegwit: 3, BitcoinTaproot: 4, Sui: 5 }),
      privateKey: fixed(32),
    }),
  ],
});
export type ExportedSecret = Static<typeof ExportedSecret>;

type Random = (length: number) => Uint8Array;

const encapsulatedBytes = 32;

const importInfo = (deploymentId: Uint8Array, organization: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/import/v1'), deploymentId, organization);

const exportInfo = (deploymentId: Uint8Array, organization: Uint8Array, walletId: Uint8Array): Uint8Array =>
  concatBytes(domainPrefix('keystead/export/v1'), deploymentId, organization, walletId);

const none = new Uint8Array(0);

/**
 * `encryptedSecret` of completeImportWallet: encapsulated key (32 bytes) and ciphertext. `secret` is the entropy of a
 * mnemonic (16 to 32 bytes) or a private key (32 bytes); `publicKey` is the one that initWalletImport answered.
 */
export function sealImport(options: {
  readonly publicKey: Uint8Array;
  readonly deploymentId: Uint8Array;
  /** 16 bytes. */
  readonly organization: Uint8Array;
  readonly secret: Uint8Array;
  readonly random: Random;
}): Uint8Array {
  const info = importInfo(options.deploymentId, options.organization);
  const { enc, ciphertext } = hpke.seal(options.publicKey, info, none, options.secret, options.random);
  return concatBytes(enc, ciphertext);
}

/** The secret inside `encryptedSecret`. CryptoError `decryption-failed` when it does not open. */
export function openImport(options: {
  readonly privateKey: Uint8Array;
  readonly deploymentId: Uint8Array;
  readonly organization: Uint8Array;
  readonly encryptedSecret: Uint8Array;
}): Uint8Array {
  const [enc, ciphertext] = parts(options.encryptedSecret);
  const info = importInfo(options.deploymentId, options.organization);
  return hpke.open(options.privateKey, enc, info, none, ciphertext);
}

export interface ExportContext {
  readonly deploymentId: Uint8Array;
  /** 16 bytes: the organization that asked. */
  readonly organization: Uint8Array;
  readonly walletId: Uint8Array;
}

/**
 * `encryptedBundle` of exportWallet: encapsulated key (32 bytes) and ciphertext of an encoded ExportedSecret.
 * CryptoError `point-malformed` when the recipient's key is of low order.
 */
export function sealExport(
  options: ExportContext & {
    readonly recipient: Uint8Array;
    /** An encoded ExportedSecret. */
    readonly secret: Uint8Array;
    readonly random: Random;
  },
): Uint8Array {
  const info = exportInfo(options.deploymentId, options.organization, options.walletId);
  const { enc, ciphertext } = hpke.seal(options.recipient, info, none, options.secret, options.random);
  return concatBytes(enc, ciphertext);
}

/** The exported secret, by the private key whose public key stood in the request. CryptoError when it does not open. */
export function openExport(
  options: ExportContext & { readonly privateKey: Uint8Array; readonly encryptedBundle: Uint8Array },
): ExportedSecret {
  const [enc, ciphertext] = parts(options.encryptedBundle);
  const info = exportInfo(options.deploymentId, options.organization, options.walletId);
  const plaintext = hpke.open(options.privateKey, enc, info, none, ciphertext);
  try {
    return ExportedSecret.decode(plaintext);
  } finally {
    plaintext.fill(0);
  }
}

function parts(sealed: Uint8Array): [enc: Uint8Array, ciphertext: Uint8Array] {
  // Shorter input has no encapsulated key; padding lets it fail as every other input that does not open.
  if (sealed.length < encapsulatedBytes) return [new Uint8Array(encapsulatedBytes), none];
  return [sealed.subarray(0, encapsulatedBytes), sealed.subarray(encapsulatedBytes)];
}
