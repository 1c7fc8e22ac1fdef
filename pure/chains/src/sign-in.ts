import { CryptoError } from '@keystead/crypto/crypto-error';
import { utf8Decode } from '@keystead/crypto/bytes';

/** First line of EIP-4361 and of its sister for Solana: an optional scheme, an authority, and fixed words. */
const FIRST_LINE =
  /^(?:[a-z][a-z0-9+.-]*:\/\/)?([^\s/?#]{1,255}) wants you to sign in with your [A-Za-z0-9 ]{1,32} account:$/;
const LONGEST_LINE = 512;

/**
 * Domain (with its port, if any) that a message signs its reader in to, in lower case; null when it is no such message.
 * A signature over it logs in whoever shows it, so it may serve only the site that asks.
 */
export function signInDomain(message: Uint8Array): string | null {
  const end = message.subarray(0, LONGEST_LINE).indexOf(0x0a);
  const line = message.subarray(0, end < 0 ? LONGEST_LINE : end);
  let text: string;
  try {
    text = utf8Decode(line.at(-1) === 0x0d ? line.subarray(0, -1) : line);
  } catch (error) {
    if (error instanceof CryptoError) return null;
    throw error;
  }
  const authority = FIRST_LINE.exec(text)?.[1];
  // Whoever stands before an @ is no part of the domain.
  return authority === undefined ? null : authority.slice(authority.lastIndexOf('@') + 1).toLowerCase();
}
