import { KmsError } from '@keystead/protocol/errors';
import { openImport } from '@keystead/protocol/transport';
import { assertImportAllowed } from '../import-allowed.ts';
import type { Answer, MakeContext, WalletUseContext } from '../method.ts';
import { pathsOf } from '../request-facts.ts';
import { walletAnswer } from '../wallet-answer.ts';
import { importedSecret, type WalletSecret } from '../wallet-secret.ts';

/** Throws KmsError `import-invalid` with the parameter in `field`; it does not say why a secret does not open. */
export function make(context: MakeContext<'completeImportWallet'>): WalletSecret {
  const { request, tools, organization, keyHash, now } = context;
  assertImportAllowed(request.surface, tools);
  const { importEnvelope, encryptedSecret, wallet } = request.params;
  const privateKey = tools.envelopes.open({ whose: { organization, keyHash }, ...importEnvelope, now });
  if (privateKey === undefined)
    throw new KmsError('import-invalid', {
      field: 'params.importEnvelope',
      detail: 'The envelope is not of this authenticator and public key, or it is older than 15 minutes',
    });
  try {
    const { deploymentId } = tools;
    const secret = open({ privateKey: privateKey.expose(), deploymentId, organization, encryptedSecret });
    return importedSecret(wallet, secret);
  } finally {
    privateKey.wipe();
  }
}

function open(options: Parameters<typeof openImport>[0]): Uint8Array {
  try {
    return openImport(options);
  } catch (cause) {
    throw new KmsError('import-invalid', {
      field: 'params.encryptedSecret',
      detail: 'The secret was not encrypted for that key, deployment and organization',
      cause,
    });
  }
}

export function use(context: WalletUseContext<'completeImportWallet'>): Answer {
  const { walletName, tags } = context.request.params;
  return walletAnswer(context, { walletName, tags, accounts: pathsOf(context.request) });
}
