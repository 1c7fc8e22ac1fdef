import { base64urlEncode } from '@keystead/crypto/base64url';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { KmsError } from '@keystead/protocol/errors';
import { exportBreaks } from '@keystead/protocol/key-constraints';
import { ExportedSecret, sealExport } from '@keystead/protocol/transport';
import type { Answer, WalletUseContext } from '../method.ts';
import { refusal } from '../refusal.ts';
import { assertSignsNothing } from '../wallet-answer.ts';
import type { WalletSecret } from '../wallet-secret.ts';

/** The secret for the X25519 key that stands in the stamped request, and for nobody else. */
export function use(context: WalletUseContext<'exportWallet'>): Answer {
  assertSignsNothing(context);
  const broken = exportBreaks(context.wallet.constraints);
  if (broken !== undefined) throw refusal('constraint', `This wallet is bounded: ${broken}.`);
  const { request, tools, organization, keyUse } = context;
  const secret = encodeExport(context.wallet.secret());
  try {
    const bundle = sealExport({
      recipient: request.params.publicKey,
      deploymentId: tools.deploymentId,
      organization,
      walletId: keyUse.walletId,
      secret,
      random: tools.random,
    });
    return { encryptedBundle: base64urlEncode(bundle) };
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    throw new KmsError('export-key-unacceptable', { field: 'params.publicKey', cause });
  } finally {
    secret.fill(0);
  }
}

function encodeExport(secret: WalletSecret): Uint8Array {
  return secret.type === 'MNEMONIC'
    ? ExportedSecret.encode({ kind: 'mnemonic', entropy: secret.entropy.expose() })
    : ExportedSecret.encode({
        kind: 'keypair',
        curve: secret.curve,
        addressFormat: secret.addressFormat,
        privateKey: secret.privateKey.expose(),
      });
}
