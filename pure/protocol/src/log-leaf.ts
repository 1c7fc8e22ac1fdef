import { concatBytes } from '@keystead/crypto/bytes';
import { hmacSha256 } from '@keystead/crypto/hmac';
import { domainHash, domainPrefix } from './domain.ts';
import { leafTypeEntry } from './receipt.ts';

/**
 * spec/receipt.md §2: a leaf of the public log says nothing to those who lack the organization's log key.
 * Two leaves with one label are proof that history was forked.
 */

const commitmentKey = domainHash('keystead/commitment/v1');

function positionBytes(position: number): Uint8Array {
  // A view of a small array costs ten times as much as these lines: its bytes have to leave the object first.
  const bytes = new Uint8Array(8);
  let rest = position;
  for (let at = 7; at >= 0; at -= 1) {
    bytes[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return bytes;
}

/** 16 bytes that open the commitment of one position. */
export function leafOpening(organizationLogKey: Uint8Array, position: number): Uint8Array {
  const prefix = domainPrefix('keystead/log-opening/v1');
  return hmacSha256(organizationLogKey, prefix, positionBytes(position)).slice(0, 16);
}

export function leafLabel(organizationLogKey: Uint8Array, position: number): Uint8Array {
  return hmacSha256(organizationLogKey, domainPrefix('keystead/log-label/v1'), positionBytes(position));
}

/** HMAC-SHA-256 under a public fixed key: binding to anybody, hiding without the opening. */
export function leafCommitment(opening: Uint8Array, entryHash: Uint8Array): Uint8Array {
  return hmacSha256(commitmentKey, opening, entryHash);
}

/** The 65 bytes of leaf data for one entry, and what opens them. */
export function entryLeaf(
  organizationLogKey: Uint8Array,
  position: number,
  hash: Uint8Array,
): { readonly leaf: Uint8Array; readonly opening: Uint8Array } {
  const opening = leafOpening(organizationLogKey, position);
  const leaf = concatBytes(
    new Uint8Array([leafTypeEntry]),
    leafLabel(organizationLogKey, position),
    leafCommitment(opening, hash),
  );
  return { leaf, opening };
}
