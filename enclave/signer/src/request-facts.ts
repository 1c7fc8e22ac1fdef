import { parseUuid, walletIdOf } from '@keystead/protocol/ids';
import type { Derivation } from '@keystead/protocol/parameters/derivation';
import type { ParsedRequest } from '@keystead/protocol/request';

/** What a request says by itself about wallet and accounts. */

/**
 * The wallet that the request names, 16 bytes, or the one that it makes when it always makes one. Null when only the
 * organization's state tells.
 */
export function walletIdNamed(
  request: ParsedRequest,
  organization: Uint8Array,
  identity: Uint8Array,
): Uint8Array | null {
  switch (request.method) {
    case 'createWallet':
    case 'completeImportWallet':
      return walletIdOf(organization, identity);
    default:
      return 'walletId' in request.params && request.params.walletId !== null
        ? (parseUuid(request.params.walletId) ?? null)
        : null;
  }
}

/** The accounts that the request asks for; null when it leaves them to the wallet. Empty for a single key. */
export function pathsOf(request: ParsedRequest): readonly Derivation[] | null {
  switch (request.method) {
    case 'createWallet':
    case 'completeImportWallet':
    case 'getOrCreateWalletWithTag':
      return request.params.wallet.type === 'MNEMONIC' ? request.params.wallet.accounts : [];
    case 'getAccounts':
    case 'getWalletWithTag':
      return request.params.accounts;
    case 'signUtf8Message':
    case 'signRawPayload':
    case 'ethereumSignMessage':
    case 'ethereumSignTypedData':
    case 'signTransaction':
      return request.params.derivation === null ? [] : [request.params.derivation];
    default:
      return null;
  }
}
