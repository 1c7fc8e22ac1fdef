import { concatBytes } from '@keystead/crypto/bytes';
import { u32 } from './tags.ts';

/** spec/realm.md §2.1: the PIN is stretched with Argon2id, version 0x13, one lane, 64 bytes of output. */

export type PinHashingMode = 'Standard2019' | 'FastInsecure';

export interface Argon2Parameters {
  readonly memoryKibibytes: number;
  readonly iterations: number;
}

export const pinHashing: Readonly<Record<PinHashingMode, Argon2Parameters>> = {
  Standard2019: { memoryKibibytes: 16 * 1024, iterations: 32 },
  FastInsecure: { memoryKibibytes: 8, iterations: 1 },
};

export const stretchedPinBytes = 64;

/** The salt: version of the registration and what names the user, each behind its length. */
export function pinSalt(version: Uint8Array, info: Uint8Array): Uint8Array {
  return concatBytes(u32(version.length), version, u32(info.length), info);
}

export interface StretchedPin {
  /** Input of the OPRF. */
  readonly accessKey: Uint8Array;
  readonly encryptionKeySeed: Uint8Array;
}

/** Takes the 64 bytes over. */
export function splitStretchedPin(bytes: Uint8Array): StretchedPin {
  if (bytes.length !== stretchedPinBytes) throw new RangeError('a stretched PIN has 64 bytes');
  const split = { accessKey: bytes.slice(0, 32), encryptionKeySeed: bytes.slice(32) };
  bytes.fill(0);
  return split;
}
