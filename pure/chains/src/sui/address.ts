import { blake2b256 } from '@keystead/crypto/blake2b';
import { concatBytes } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import type { AddressFormat } from '../chain.ts';
import { ChainError } from '../error.ts';

/** Signature scheme flag of Ed25519; it begins addresses and signatures. */
export const ED25519_FLAG = 0x00;

/** Address text of an Ed25519 public key (32 bytes): 0x and BLAKE2b-256 of flag and key. */
export function address(publicKey: Uint8Array, format: AddressFormat): string {
  if (format !== 'Sui') {
    throw new ChainError('address-format-unsupported', `Sui has no address format ${format}`);
  }
  if (publicKey.length !== 32) {
    throw new ChainError('address-format-unsupported', 'a Sui address here is of an Ed25519 key of 32 bytes');
  }
  return addressText(blake2b256(concatBytes(Uint8Array.of(ED25519_FLAG), publicKey)));
}

/** Text of 32 bytes: 0x and 64 lower-case digits. */
export function addressText(bytes: Uint8Array): string {
  return `0x${hexEncode(bytes)}`;
}

/** The 32 bytes of an address. Throws ChainError `address-malformed` unless it is 0x and 64 lower-case digits. */
export function parseAddress(text: string): Uint8Array {
  if (!/^0x[0-9a-f]{64}$/.test(text)) {
    throw new ChainError('address-malformed', 'a Sui address is 0x and 64 lower-case hexadecimal digits');
  }
  return hexDecode(text.slice(2));
}
