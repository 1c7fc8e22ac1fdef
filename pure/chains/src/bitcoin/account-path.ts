import { formatPath, HARDENED, parsePath } from '@keystead/crypto/derivation-path';

/**
 * Path of the account that an address lies in, `m/84'/0'/0'` of `m/84'/0'/0'/0/3` (BIP-44): three hardened levels, then
 * others that are not. Null where a path has no such account. Throws CryptoError `path-malformed`.
 */
export function accountPath(derivationPath: string): string | null {
  const path = parsePath(derivationPath);
  const [account, below] = [path.slice(0, 3), path.slice(3)];
  const isAccount = account.length === 3 && account.every((index) => index >= HARDENED);
  return isAccount && below.length > 0 && below.every((index) => index < HARDENED)
    ? formatPath(account)
    : null;
}
