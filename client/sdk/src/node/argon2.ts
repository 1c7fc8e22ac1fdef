import { argon2 } from 'node:crypto';
import { stretchedPinBytes } from '@keystead/juicebox/stretched-pin';
import type { Stretch } from '../recovery/argon2.ts';

/** On Node's own pool of threads. */
export const stretch: Stretch = ({ pin, salt, memoryKibibytes: memory, iterations: passes }) =>
  new Promise((resolve, reject) => {
    const options = {
      message: pin,
      nonce: salt,
      parallelism: 1,
      tagLength: stretchedPinBytes,
      memory,
      passes,
    };
    argon2('argon2id', options, (error, key) =>
      error === null ? resolve(new Uint8Array(key)) : reject(error),
    );
  });
