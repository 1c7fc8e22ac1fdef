import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import { bytesName, Recent } from '@keystead/crypto/recent';
import { compressedForm, uncompress } from '@keystead/crypto/secp256k1';
import type { AddressFormat } from '../chain.ts';
import { ChainError } from '../error.ts';

/**
 * EIP-55 text of the account of a public key (33 bytes compressed, or 65: then no root of the curve has to be taken).
 * @throws ChainError `address-format-unsupported`
 */
export function address(publicKey: Uint8Array, format: AddressFormat): string {
  if (format !== 'Ethereum') {
    throw new ChainError(
      'address-format-unsupported',
      `Ethereum has no address format ${format}`,
      'addressFormat',
    );
  }
  return checksumAddress(accountBytes(publicKey));
}

/** The 20 account bytes of a public key of 33 or 65 bytes: the tail of Keccak-256 over the uncompressed point. */
export function accountBytes(publicKey: Uint8Array): Uint8Array {
  const name = bytesName(publicKey.length === 65 ? compressedForm(publicKey) : publicKey);
  const known = accounts.get(name);
  if (known !== undefined) return known.slice();
  const point = publicKey.length === 65 ? publicKey : uncompress(publicKey);
  const account = keccak256(point.subarray(1)).slice(12);
  accounts.set(name, account);
  return account.slice();
}

// A point is uncompressed by a square root; the same few accounts sign again and again.
const accounts = new Recent<Uint8Array>(1024);

/** EIP-55 text of 20 account bytes. Every address and CAIP-19 reference in effects has this form. */
export function checksumAddress(bytes: Uint8Array): string {
  if (bytes.length !== 20) throw new RangeError('an Ethereum address has 20 bytes');
  const name = bytesName(bytes);
  const known = texts.get(name);
  if (known !== undefined) return known;
  const lower = hexEncode(bytes);
  const hash = keccak256(utf8Encode(lower));
  let text = '0x';
  for (let index = 0; index < 40; index += 1) {
    const nibble = (hash[index >> 1]! >> (index % 2 === 0 ? 4 : 0)) & 0x0f;
    const digit = lower[index]!;
    text += nibble >= 8 ? digit.toUpperCase() : digit;
  }
  texts.set(name, text);
  return text;
}

// Each checksum takes a hash; senders, tokens and recipients recur.
const texts = new Recent<string>(4096);

/**
 * Strict reading of address text: `0x` and 40 digits, all lower case, all upper case, or with the EIP-55 checksum.
 * @throws ChainError `address-malformed`
 */
export function parseAddress(text: string, field?: string): Uint8Array {
  if (typeof text !== 'string' || !/^0x[0-9a-fA-F]{40}$/.test(text)) {
    throw new ChainError('address-malformed', 'an Ethereum address is 0x and 40 hexadecimal digits', field);
  }
  const bytes = hexDecode(text.slice(2));
  const digits = text.slice(2);
  const mixed = /[a-f]/.test(digits) && /[A-F]/.test(digits);
  if (mixed && checksumAddress(bytes) !== text) {
    throw new ChainError('address-malformed', 'the EIP-55 checksum of the address is wrong', field);
  }
  return bytes;
}

/** True when both texts name the same account; neither needs a checksum. */
export function sameAddress(left: string, right: string): boolean {
  return equalBytes(parseAddress(left), parseAddress(right));
}
