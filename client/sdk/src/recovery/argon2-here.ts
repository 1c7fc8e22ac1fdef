import { stretchedPinBytes } from '@keystead/juicebox/stretched-pin';
import { argon2id } from 'hash-wasm';
import type { StretchInput } from './argon2.ts';

/** On the thread that calls: half a second of it for the PIN hashing that applications use. */
export function stretchHere({ pin, salt, memoryKibibytes, iterations }: StretchInput): Promise<Uint8Array> {
  return argon2id({
    password: pin,
    salt,
    parallelism: 1,
    iterations,
    memorySize: memoryKibibytes,
    hashLength: stretchedPinBytes,
    outputType: 'binary',
  });
}
