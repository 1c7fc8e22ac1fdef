import { argon2, randomFillSync } from 'node:crypto';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { systemRandom } from '@keystead/enclave-runtime/context';
import {
  type Argon2idParameters,
  openUnlockRecord,
  sealUnlockRecord,
  type UnlockRecord,
} from './unlock-record.ts';

/** About half a second of one core, once per start. */
const parameters: Argon2idParameters = { memoryKiB: 131_072, passes: 4, parallelism: 1 };

/** A record that this password opens. */
export async function sealUnderPassword(secret: SecretBytes, password: SecretBytes): Promise<string> {
  const salt = randomFillSync(new Uint8Array(16));
  const key = await passwordKey(password, salt, parameters);
  try {
    return sealUnlockRecord(
      { kind: 'password', argon2id: parameters, salt: base64urlEncode(salt) },
      secret,
      key,
      systemRandom,
    );
  } finally {
    key.wipe();
  }
}

/** The unlock secret; undefined under a wrong password. */
export async function openWithPassword(
  record: UnlockRecord & { kind: 'password' },
  password: SecretBytes,
): Promise<SecretBytes | undefined> {
  const key = await passwordKey(password, base64urlDecode(record.salt), record.argon2id);
  try {
    return openUnlockRecord(record, key);
  } finally {
    key.wipe();
  }
}

/** Argon2id (RFC 9106), 32 bytes. */
function passwordKey(
  password: SecretBytes,
  salt: Uint8Array,
  { memoryKiB: memory, passes, parallelism }: Argon2idParameters,
): Promise<SecretBytes> {
  const options = { message: password.expose(), nonce: salt, parallelism, tagLength: 32, memory, passes };
  return new Promise((resolve, reject) =>
    argon2('argon2id', options, (error, key) =>
      error === null ? resolve(SecretBytes.take(key)) : reject(error),
    ),
  );
}
