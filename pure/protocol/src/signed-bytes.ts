import type { SigningInput } from '@keystead/chains/chain';
import { domainHash } from './domain.ts';

/**
 * The 32 bytes by which an entry commits to what is signed (spec/signer.md §4): SHA-256 over the domain
 * `keystead/signed-bytes/v1` and, for each input in order, its length (u32 big-endian) and its bytes.
 */
export function signedBytesDigest(inputs: readonly SigningInput[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const input of inputs) {
    const { length } = input.bytes;
    parts.push(Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length), input.bytes);
  }
  return domainHash('keystead/signed-bytes/v1', ...parts);
}

/** The digest of a use that signs nothing: 32 zero bytes. */
export const nothingSigned: Uint8Array = new Uint8Array(32);
