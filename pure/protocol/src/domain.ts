import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';

/**
 * SHA-256 over a domain string, a zero byte and the parts.
 * Every part has a fixed length or is the last one, so two different inputs never meet (spec/entry.md §2).
 */
export function domainHash(domain: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const prefix = domainPrefix(domain);
  let length = prefix.length;
  for (const part of parts) length += part.length;
  if (length > scratch.length) return sha256(concatBytes(prefix, ...parts));
  scratch.set(prefix);
  let at = prefix.length;
  for (const part of parts) {
    scratch.set(part, at);
    at += part.length;
  }
  return sha256(scratch.subarray(0, length));
}

// A hash reads its input once: most inputs need no array of their own. What is hashed here is no secret.
const scratch = new Uint8Array(4096);

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
