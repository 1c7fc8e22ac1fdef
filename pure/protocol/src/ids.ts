import { hexEncode } from '@keystead/crypto/hex';
import { domainHash } from './domain.ts';

/** Ids commit (spec/state.md §2): each is the UUIDv8 (RFC 9562 §5.8) of a hash over what it belongs to. */

/** 16 bytes: the first 16 of `hash` with version 8 and the RFC 9562 variant set. */
export function uuidFromHash(hash: Uint8Array): Uint8Array {
  const id = hash.slice(0, 16);
  id[6] = (id[6] & 0x0f) | 0x80;
  id[8] = (id[8] & 0x3f) | 0x80;
  return id;
}

/** Lower-case text form of a 16-byte id. */
export function formatUuid(id: Uint8Array): string {
  if (id.length !== 16) throw new RangeError(`an id has 16 bytes, got ${id.length}`);
  const text = hexEncode(id);
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

/** The 16 bytes of a lower-case id text, or undefined when it is not one. */
export function parseUuid(text: string): Uint8Array | undefined {
  if (text.length !== 36) return undefined;
  const id = new Uint8Array(16);
  let at = 0;
  for (let i = 0; i < 16; i++) {
    if ((i === 4 || i === 6 || i === 8 || i === 10) && text.charCodeAt(at++) !== 0x2d) return undefined;
    const high = text.charCodeAt(at++);
    const low = text.charCodeAt(at++);
    if ((high | low) > 127) return undefined;
    const byte = (DIGITS[high]! << 4) | DIGITS[low]!;
    if (byte < 0) return undefined;
    id[i] = byte;
  }
  return id;
}

/** Values of lower-case hexadecimal digits by their ASCII code; -1 for anything else. */
const DIGITS = new Int8Array(128).fill(-1);
for (let value = 0; value < 16; value++) DIGITS[value.toString(16).charCodeAt(0)] = value;

/** Of the deployment and the identity of the request that founds it: no second genesis, no other deployment. */
export function organizationIdOf(deploymentId: Uint8Array, identity: Uint8Array): Uint8Array {
  return uuidFromHash(domainHash('keystead/organization/v1', deploymentId, identity));
}

/** Of the owning organization and the identity of the request that makes it. */
export function walletIdOf(organization: Uint8Array, identity: Uint8Array): Uint8Array {
  return uuidFromHash(domainHash('keystead/wallet/v1', organization, identity));
}

/** Of the organization, the identity of the request and the key's position in it. */
export function authenticatorIdOf(organization: Uint8Array, identity: Uint8Array, index: number): Uint8Array {
  return uuidFromHash(
    domainHash('keystead/authenticator/v1', organization, identity, new Uint8Array([index])),
  );
}
