/** Secrets on their way in and out (spec/transport.md), with HPKE of a library that the product does not import. */
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '@hpke/core';

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Chacha20Poly1305(),
});

const exact = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

function info(domain: string, deploymentId: string, ...ids: string[]): ArrayBuffer {
  const uuids = ids.map((id) => Buffer.from(id.replaceAll('-', ''), 'hex'));
  return exact(Buffer.concat([Buffer.from(`${domain}\0`), Buffer.from(deploymentId, 'base64url'), ...uuids]));
}

/** `encryptedSecret` of completeImportWallet; `publicKey` and `deploymentId` are base64url. */
export async function seal(
  publicKey: string,
  deploymentId: string,
  organizationId: string,
  secret: Uint8Array,
): Promise<Uint8Array> {
  const sender = await suite.createSenderContext({
    recipientPublicKey: await suite.kem.deserializePublicKey(exact(Buffer.from(publicKey, 'base64url'))),
    info: info('keystead/import/v1', deploymentId, organizationId),
  });
  return Buffer.concat([Buffer.from(sender.enc), Buffer.from(await sender.seal(exact(secret)))]);
}

/** A fresh X25519 key pair to export to. */
export async function recipientKeys(): Promise<{ publicKey: Uint8Array; privateKey: CryptoKey }> {
  const pair = await suite.kem.generateKeyPair();
  return {
    publicKey: new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey)),
    privateKey: pair.privateKey,
  };
}

/** The plaintext of an `encryptedBundle`. */
export async function open(
  privateKey: CryptoKey,
  deploymentId: string,
  organizationId: string,
  walletId: string,
  bundle: Uint8Array,
): Promise<Uint8Array> {
  const context = await suite.createRecipientContext({
    recipientKey: privateKey,
    enc: exact(bundle.subarray(0, 32)),
    info: info('keystead/export/v1', deploymentId, organizationId, walletId),
  });
  return new Uint8Array(await context.open(exact(bundle.subarray(32))));
}
