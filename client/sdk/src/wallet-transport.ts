import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { publicKey as x25519PublicKey } from '@keystead/crypto/x25519';
import { parseUuid } from '@keystead/protocol/ids';
import { openExport, sealImport } from '@keystead/protocol/transport';
import type { Client } from './client.ts';
import { KmsError } from './errors.ts';
import type { AddressFormat, Curve, DerivationInfo, MnemonicLength, Wallet } from './native-calls.ts';

/** What moves, end to end between this client and the signer (spec/transport.md). */
export type WalletSecret =
  | {
      readonly kind: 'mnemonic';
      /** BIP-39: 16 to 32 bytes. */
      readonly entropy: SecretBytes;
    }
  | {
      readonly kind: 'keypair';
      readonly curve: Curve;
      readonly addressFormat: AddressFormat;
      /** 32 bytes: seed of Ed25519, scalar of secp256k1. */
      readonly privateKey: SecretBytes;
    };

/**
 * Imports a secret as a new wallet. It is encrypted for a key that the signer states, so no one on the way can read or
 * exchange it. Throws KmsError as `client.call`, `import-invalid`.
 */
export async function importWallet(
  client: Client,
  options: {
    readonly organizationId: string;
    readonly walletName: string;
    readonly secret: WalletSecret;
    readonly tags?: readonly string[];
    /** Of a mnemonic: the accounts to show; index 0 of each chain when absent. */
    readonly accounts?: readonly DerivationInfo[];
  },
): Promise<Wallet> {
  const { organizationId, walletName, secret, tags, accounts } = options;
  const organization = idBytes(organizationId, 'organizationId');
  const importEnvelope = await client.call('initWalletImport', { organizationId });
  const bytes = secret.kind === 'mnemonic' ? secret.entropy.expose() : secret.privateKey.expose();
  const encryptedSecret = sealImport({
    publicKey: base64urlDecode(importEnvelope.publicKey),
    deploymentId: client.deploymentId,
    organization,
    secret: bytes,
    random: randomBytes,
  });
  return client.call('completeImportWallet', {
    organizationId,
    walletName,
    importEnvelope,
    encryptedSecret: base64urlEncode(encryptedSecret),
    ...(tags === undefined ? {} : { tags }),
    ...(accounts === undefined ? {} : { accounts }),
    ...(secret.kind === 'mnemonic'
      ? { mnemonicLength: ((bytes.length * 3) / 4) as MnemonicLength }
      : { curve: secret.curve, addressFormat: secret.addressFormat }),
  });
}

/** The secret of a wallet, encrypted by the signer for a key that exists only during this call. Throws KmsError as `client.call`. */
export async function exportWallet(
  client: Client,
  options: { readonly organizationId: string; readonly walletId: string; readonly policyName?: string },
): Promise<WalletSecret> {
  const organization = idBytes(options.organizationId, 'organizationId');
  const walletId = idBytes(options.walletId, 'walletId');
  const recipient = SecretBytes.take(randomBytes(32));
  try {
    const { encryptedBundle } = await client.call('exportWallet', {
      ...options,
      publicKey: base64urlEncode(x25519PublicKey(recipient.expose())),
    });
    const opened = openBundle({
      deploymentId: client.deploymentId,
      organization,
      walletId,
      privateKey: recipient.expose(),
      encryptedBundle: base64urlDecode(encryptedBundle),
    });
    return opened.kind === 'mnemonic'
      ? { kind: 'mnemonic', entropy: SecretBytes.take(opened.entropy) }
      : { ...opened, privateKey: SecretBytes.take(opened.privateKey) };
  } finally {
    recipient.wipe();
  }
}

function openBundle(options: Parameters<typeof openExport>[0]): ReturnType<typeof openExport> {
  try {
    return openExport(options);
  } catch (cause) {
    throw new KmsError('answer-unverified', {
      detail: 'The bundle was not made for this request.',
      cause,
    });
  }
}

function idBytes(id: string, field: string): Uint8Array {
  const bytes = parseUuid(id);
  if (bytes === undefined)
    throw new KmsError('parameter-invalid', { field, detail: `${field} is a lower-case UUID` });
  return bytes;
}

function randomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}
