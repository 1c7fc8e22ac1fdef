import type { Argon2Parameters } from '@keystead/juicebox/stretched-pin';

export interface StretchInput extends Argon2Parameters {
  readonly pin: Uint8Array;
  readonly salt: Uint8Array;
}

/** Argon2id version 0x13, one lane, 64 bytes. */
export type Stretch = (input: StretchInput, signal?: AbortSignal) => Promise<Uint8Array>;
