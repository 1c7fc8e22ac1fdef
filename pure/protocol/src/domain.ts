import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';

/**
 * SHA-256 over a domain string, a zero byte and the parts.
 * Every part has a fixed length or is the last one, so two different inputs never meet (spec/entry.md §2).
 */
export function domainHash(domain: string, ...parts: readonly Uint8Array[]): Uint8Array {
  return sha256(concatBytes(domainPrefix(domain), ...parts));
}

const prefixes = new Map<string, Uint8Array>();

/** The domain string as UTF-8, followed by a zero byte. */
export function domainPrefix(domain: string): Uint8Array {
  let prefix = prefixes.get(domain);
  if (prefix === undefined) {
    prefix = concatBytes(utf8Encode(domain), new Uint8Array(1));
    prefixes.set(domain, prefix);
  }
  return prefix;
}
