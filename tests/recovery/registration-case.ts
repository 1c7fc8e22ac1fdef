import { argon2Sync } from 'node:crypto';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { sha512 } from '@keystead/crypto/sha512';
import { parseConfiguration } from '@keystead/juicebox/configuration';
import { encodeRequest } from '@keystead/juicebox/messages';
import { makeRegistrations } from '@keystead/juicebox/registration';
import {
  type PinHashingMode,
  pinHashing,
  pinSalt,
  splitStretchedPin,
} from '@keystead/juicebox/stretched-pin';

export interface RegistrationInput {
  readonly pin: string;
  readonly info: string;
  /** Hexadecimal. */
  readonly secret: string;
  readonly guesses: number;
  readonly version: string;
  readonly mode: PinHashingMode;
  readonly realms: readonly string[];
  readonly recoverThreshold: number;
  /** The random bytes are SHA-512 of this name, a colon and a counter from 0, cut to the length that is asked for. */
  readonly randomName: string;
}

export interface RegistrationCase extends RegistrationInput {
  readonly accessKey: string;
  readonly encryptionKeySeed: string;
  /** `Register2` of each realm, in the order of `realms`, which is ascending. */
  readonly requests: readonly string[];
}

export const registrationInputs: readonly RegistrationInput[] = [
  {
    pin: '1234',
    info: 'artemis',
    secret: hexEncode(utf8Encode('apollo')),
    guesses: 7,
    version: '0102030405060708090a0b0c0d0e0f10',
    mode: 'FastInsecure',
    realms: [`${'00'.repeat(15)}01`, '7f'.repeat(16), 'ff'.repeat(16)],
    recoverThreshold: 2,
    randomName: 'two of three',
  },
  {
    pin: '',
    info: '',
    secret: '',
    guesses: 1,
    version: '00'.repeat(16),
    mode: 'FastInsecure',
    realms: ['ab'.repeat(16)],
    recoverThreshold: 1,
    randomName: 'one of one',
  },
  {
    pin: '十二三四',
    info: 'user-1',
    secret: 'a5'.repeat(128),
    guesses: 300,
    version: 'f0'.repeat(16),
    mode: 'Standard2019',
    realms: ['11', '22', '33', '44', '55'].map((byte) => byte.repeat(16)),
    recoverThreshold: 3,
    randomName: 'three of five',
  },
];

/** With Node's own Argon2id: not the one that the client uses. */
export function registrationCase(input: RegistrationInput): RegistrationCase {
  const { memoryKibibytes, iterations } = pinHashing[input.mode];
  const version = hexDecode(input.version);
  const stretched = argon2Sync('argon2id', {
    message: utf8Encode(input.pin),
    nonce: pinSalt(version, utf8Encode(input.info)),
    parallelism: 1,
    tagLength: 64,
    memory: memoryKibibytes,
    passes: iterations,
  });
  const pin = splitStretchedPin(new Uint8Array(stretched));
  const configuration = parseConfiguration({
    realms: input.realms.map((id) => ({ id, address: 'http://127.0.0.1/' })),
    register_threshold: input.realms.length,
    recover_threshold: input.recoverThreshold,
    pin_hashing_mode: input.mode,
  });
  let counter = 0;
  const registrations = makeRegistrations({
    configuration,
    version,
    pin,
    secret: hexDecode(input.secret),
    guesses: input.guesses,
    random: (length) => sha512(utf8Encode(`${input.randomName}:${counter++}`)).slice(0, length),
  });
  return {
    ...input,
    accessKey: hexEncode(pin.accessKey),
    encryptionKeySeed: hexEncode(pin.encryptionKeySeed),
    requests: registrations.map((registration) =>
      hexEncode(encodeRequest({ type: 'Register2', registration })),
    ),
  };
}
