import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chacha20Poly1305Open, chacha20Poly1305Seal } from '@keystead/crypto/aead';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { parseStrictJson, type JsonValue } from '@keystead/crypto/strict-json';
import { domainPrefix } from '@keystead/protocol/domain';
import { maximumShares } from '@keystead/protocol/operator-share';
import type { Random } from '@keystead/enclave-runtime/program';
import { LaunchError } from '../launch-error.ts';

/** spec/unlock.md §2: how the unlock secret of a founded deployment is kept. */

export interface Argon2idParameters {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly parallelism: number;
}

export type UnlockRecord = {
  readonly version: 1;
  /** base64url: nonce and ChaCha20-Poly1305 of the unlock secret. */
  readonly sealed: string;
} & UnlockParameters;

export type UnlockParameters =
  | { readonly kind: 'password'; readonly argon2id: Argon2idParameters; readonly salt: string }
  | {
      readonly kind: 'shares';
      readonly set: string;
      readonly threshold: number;
      readonly shares: number;
      readonly commitments: readonly string[];
    };

/** Least and most of what a record may ask for: a record that somebody changed must neither weaken nor stall. */
export const argon2idBounds = {
  memoryKiB: [19_456, 1_048_576],
  passes: [1, 10],
  parallelism: [1, 4],
} as const;

export const unlockRecordName = 'unlock.json';
const nonceBytes = 12;

function associatedData(parameters: UnlockParameters): Uint8Array {
  const text = canonicalize({ version: 1, ...parameters } as unknown as JsonValue);
  return concatBytes(domainPrefix('keystead/unlock-record/v1'), utf8Encode(text));
}

/** The file's content, with the unlock secret sealed under `key`. */
export function sealUnlockRecord(
  parameters: UnlockParameters,
  secret: SecretBytes,
  key: SecretBytes,
  random: Random,
): string {
  const nonce = random(nonceBytes);
  const ciphertext = chacha20Poly1305Seal(key.expose(), nonce, associatedData(parameters), secret.expose());
  const record: UnlockRecord = {
    version: 1,
    ...parameters,
    sealed: base64urlEncode(concatBytes(nonce, ciphertext)),
  };
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

/** The unlock secret; undefined when it does not open under `key`. */
export function openUnlockRecord(record: UnlockRecord, key: SecretBytes): SecretBytes | undefined {
  const { version: _, sealed, ...parameters } = record;
  const bytes = base64urlDecode(sealed);
  try {
    return SecretBytes.take(
      chacha20Poly1305Open(
        key.expose(),
        bytes.subarray(0, nonceBytes),
        associatedData(parameters),
        bytes.subarray(nonceBytes),
      ),
    );
  } catch {
    return undefined;
  }
}

/** The record in a genesis directory; undefined when there is none. Throws LaunchError for one that is not understood. */
export function readUnlockRecord(directory: string): UnlockRecord | undefined {
  const path = join(directory, unlockRecordName);
  if (!existsSync(path)) return undefined;
  try {
    return parseUnlockRecord(readFileSync(path));
  } catch (error) {
    throw new LaunchError(
      `${path} is no unlock record: ${(error as Error).message}`,
      'put it back from a backup of the home',
    );
  }
}

/** Throws TypeError that names the member. */
export function parseUnlockRecord(content: Uint8Array): UnlockRecord {
  const value = members(parseStrictJson(content, { maxBytes: 65_536 }), 'record');
  if (value.version !== 1) throw new TypeError('another version');
  const sealed = encoded(value.sealed, 60, 'sealed');
  if (value.kind === 'password') {
    exactly(value, ['version', 'kind', 'argon2id', 'salt', 'sealed']);
    const argon2id = members(value.argon2id, 'argon2id');
    exactly(argon2id, Object.keys(argon2idBounds));
    const bounded = (name: keyof typeof argon2idBounds) => {
      const [least, most] = argon2idBounds[name];
      return whole(argon2id[name], least, most, `argon2id.${name}`);
    };
    return {
      version: 1,
      kind: 'password',
      argon2id: {
        memoryKiB: bounded('memoryKiB'),
        passes: bounded('passes'),
        parallelism: bounded('parallelism'),
      },
      salt: encoded(value.salt, 16, 'salt'),
      sealed,
    };
  }
  if (value.kind !== 'shares') throw new TypeError('kind');
  exactly(value, ['version', 'kind', 'set', 'threshold', 'shares', 'commitments', 'sealed']);
  const shares = whole(value.shares, 2, maximumShares, 'shares');
  const { commitments } = value;
  if (!Array.isArray(commitments) || commitments.length !== shares) throw new TypeError('commitments');
  return {
    version: 1,
    kind: 'shares',
    set: encoded(value.set, 8, 'set'),
    threshold: whole(value.threshold, 2, shares, 'threshold'),
    shares,
    commitments: commitments.map((commitment) => encoded(commitment, 32, 'commitments')),
    sealed,
  };
}

function members(value: JsonValue | undefined, name: string): Record<string, JsonValue> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(name);
  return value as Record<string, JsonValue>;
}

function exactly(value: Record<string, JsonValue>, names: readonly string[]): void {
  const unknown = Object.keys(value).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new TypeError(`unknown member ${unknown}`);
}

function encoded(value: JsonValue | undefined, length: number, name: string): string {
  if (typeof value !== 'string' || base64urlDecode(value).length !== length) throw new TypeError(name);
  return value;
}

function whole(value: JsonValue | undefined, least: number, most: number, name: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > most)
    throw new TypeError(`${name} is not from ${least} to ${most}`);
  return value as number;
}
