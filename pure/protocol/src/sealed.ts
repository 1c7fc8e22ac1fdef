import { equalBytes } from '@keystead/crypto/bytes';
import { hmacSha256 } from '@keystead/crypto/hmac';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { domainPrefix } from './domain.ts';
import { KmsError } from './errors.ts';
import type { Sealed } from './frames.ts';

/** The kinds of message that travel between enclaves (spec/frames.md §3). The kind is under the MAC. */
export type SealedKind =
  | 'advance-order'
  | 'receipt'
  | 'receipt-query'
  | 'head-query'
  | 'head-answer'
  | 'ticket-batch'
  | 'make'
  | 'made'
  | 'noted'
  | 'generations-stated'
  | 'generations-recorded';

function messageMac(key: SecretBytes, kind: SealedKind, bytes: Uint8Array): Uint8Array {
  return hmacSha256(key.expose(), domainPrefix(`keystead/${kind}/v1`), bytes);
}

/** Writes `bytes` for the other end of the edge whose key this is. */
export function sealMessage(key: SecretBytes, kind: SealedKind, bytes: Uint8Array): Sealed {
  return { bytes, mac: messageMac(key, kind, bytes) };
}

/** The bytes of a message that this edge's other end wrote. Throws KmsError `frame-forged`. */
export function openMessage(key: SecretBytes, kind: SealedKind, sealed: Sealed): Uint8Array {
  if (!equalBytes(messageMac(key, kind, sealed.bytes), sealed.mac))
    throw new KmsError('frame-forged', { detail: `a ${kind} message carries a wrong MAC` });
  return sealed.bytes;
}
