import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';

/** spec/realm.md §9.1: a guess that a device's key stamps. */

/** What a registration is stamped over, and what a registration that is bound to no key answers. */
export const noChallenge = new Uint8Array(32);

export interface Stampable {
  readonly realmId: Uint8Array;
  /** As it is sent. */
  readonly token: string;
  readonly challenge: Uint8Array;
  /** The encoded request inside. */
  readonly request: Uint8Array;
}

/** What the device's key signs. */
export function stampedBytes({ realmId, token, challenge, request }: Stampable): Uint8Array {
  return concatBytes(
    utf8Encode('keystead/realm-stamp/v1\0'),
    realmId,
    sha256(utf8Encode(token)),
    challenge,
    sha256(request),
  );
}

/** The challenge after a request that was taken: no stamp serves twice. */
export function nextChallenge(challenge: Uint8Array, signature: Uint8Array): Uint8Array {
  return sha256(concatBytes(utf8Encode('keystead/realm-challenge/v1\0'), challenge, signature));
}
