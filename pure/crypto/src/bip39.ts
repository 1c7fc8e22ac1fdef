import * as backend from '#backend';
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { assertBytes, utf8Encode } from './bytes.ts';
import { CryptoError } from './crypto-error.ts';

/** Mnemonics of BIP-39 with the English word list. */

const WORD_COUNTS = [12, 15, 18, 21, 24];

/** Bytes of entropy behind a mnemonic of 12, 15, 18, 21 or 24 words: 16, 20, 24, 28 or 32. Else RangeError. */
export function entropyLengthForWords(words: number): number {
  if (!WORD_COUNTS.includes(words)) throw new RangeError('words must be 12, 15, 18, 21 or 24');
  return (words * 4) / 3;
}

/** Mnemonic of 16, 20, 24, 28 or 32 bytes of entropy, words separated by single spaces. */
export function mnemonicFromEntropy(entropy: Uint8Array): string {
  assertBytes('entropy', entropy);
  if (!WORD_COUNTS.some((words) => (words * 4) / 3 === entropy.length)) {
    throw new RangeError('entropy must have 16, 20, 24, 28 or 32 bytes');
  }
  return entropyToMnemonic(entropy, wordlist);
}

/**
 * Entropy of an English mnemonic with valid checksum; runs of whitespace count as one space and case does not matter.
 * CryptoError `mnemonic-malformed` without saying which word is wrong.
 */
export function entropyFromMnemonic(mnemonic: string): Uint8Array {
  try {
    return mnemonicToEntropy(normalizeMnemonic(mnemonic), wordlist);
  } catch {
    throw new CryptoError('mnemonic-malformed');
  }
}

/** The form that `entropyFromMnemonic` reads and whose seed wallets derive: trimmed, lower case, single spaces. */
export function normalizeMnemonic(mnemonic: string): string {
  if (typeof mnemonic !== 'string') throw new TypeError('mnemonic must be a string');
  return mnemonic.normalize('NFKD').trim().toLowerCase().split(/\s+/u).join(' ');
}

/**
 * Seed (64 bytes) of a mnemonic in any language, with an optional passphrase: PBKDF2-HMAC-SHA512, 2048 rounds, both texts
 * in NFKD. The mnemonic is taken as it is, without check, as BIP-39 says; check it with `entropyFromMnemonic` first.
 */
export function seedFromMnemonic(mnemonic: string, passphrase: string = ''): Uint8Array {
  if (typeof mnemonic !== 'string' || typeof passphrase !== 'string') throw new TypeError('texts expected');
  const password = utf8Encode(mnemonic.normalize('NFKD'));
  const salt = utf8Encode(`mnemonic${passphrase.normalize('NFKD')}`);
  try {
    return backend.pbkdf2HmacSha512(password, salt, 2048, 64);
  } finally {
    password.fill(0);
    salt.fill(0);
  }
}
