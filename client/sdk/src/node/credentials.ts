import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { parseStrictJson } from '@keystead/crypto/strict-json';
import { KmsError } from '../errors.ts';
import type { ClientMemory, Remembered } from '../memory.ts';
import { keyStamper } from '../stampers/key.ts';
import type { Stamper } from '../stampers/stamper.ts';

/** Everything that a program needs to stamp requests: where, to whom, as whom. */
export interface Credentials {
  /** `http://127.0.0.1:7400`. */
  readonly api: string;
  /** base64url: the root to pin. */
  readonly deploymentId: string;
  /** Absent until the organization is founded. */
  readonly organizationId?: string;
  /** The wallet to use when none is named. */
  readonly walletId?: string;
  readonly username?: string;
  readonly algorithm: 'Ed25519' | 'Secp256r1';
  /** base64url. */
  readonly publicKey: string;
  /** 32 bytes: seed of Ed25519, scalar of P-256. */
  readonly privateKey: SecretBytes;
}

const maximumBytes = 65_536;
const textMembers = ['organizationId', 'walletId', 'username'] as const;

/**
 * Reads a credentials file. Throws KmsError `parameter-invalid` for a file that is missing, malformed, or readable for
 * group or world: the key in it would be anybody's.
 */
export function readCredentials(path: string): Credentials {
  const bytes = readPrivateFile(path);
  try {
    const document = parseStrictJson(bytes, { maxBytes: maximumBytes, maxDepth: 4 }) as Record<
      string,
      unknown
    >;
    const text = (name: string): string => {
      const value = Object.hasOwn(document, name) ? document[name] : undefined;
      if (typeof value !== 'string' || value === '') throw new TypeError(`${name} is missing`);
      return value;
    };
    const algorithm = text('algorithm');
    if (algorithm !== 'Ed25519' && algorithm !== 'Secp256r1')
      throw new TypeError('algorithm is neither Ed25519 nor Secp256r1');
    const privateKey = SecretBytes.take(base64urlDecode(text('privateKey')));
    const publicKey = text('publicKey');
    if (!equalBytes(keyStamper({ algorithm, privateKey }).publicKey, base64urlDecode(publicKey)))
      throw new TypeError('publicKey and privateKey do not belong together');
    return {
      api: text('api'),
      deploymentId: text('deploymentId'),
      ...Object.fromEntries(
        textMembers.filter((name) => Object.hasOwn(document, name)).map((name) => [name, text(name)]),
      ),
      algorithm,
      publicKey,
      privateKey,
    };
  } catch (cause) {
    const reason = cause instanceof TypeError ? `: ${cause.message}` : '';
    // The cause is not kept: it could quote the file.
    throw refused(`${path} is no credentials file${reason}.`, 'Make the file again, or restore it.');
  } finally {
    bytes.fill(0);
  }
}

/** New credentials with a fresh key. Ed25519 unless asked otherwise. */
export function newCredentials(
  options: Omit<Credentials, 'algorithm' | 'publicKey' | 'privateKey'> & {
    readonly algorithm?: Credentials['algorithm'];
  },
): Credentials {
  const algorithm = options.algorithm ?? 'Ed25519';
  for (;;) {
    const privateKey = SecretBytes.take(randomBytes(32));
    try {
      const { publicKey } = keyStamper({ algorithm, privateKey });
      return { ...options, algorithm, publicKey: base64urlEncode(publicKey), privateKey };
    } catch (error) {
      // A scalar of P-256 lies below the order; one in 2^32 random values does not.
      if (!(error instanceof RangeError)) throw error;
    }
  }
}

/**
 * Writes a credentials file with mode 0600, whole or not at all. Throws KmsError `parameter-invalid` when `path` exists
 * and `replace` is not set: a key that is overwritten is lost.
 */
export function writeCredentials(
  path: string,
  credentials: Credentials,
  options: { readonly replace?: boolean } = {},
): void {
  const { privateKey, ...shown } = credentials;
  const content = { ...shown, privateKey: base64urlEncode(privateKey.expose()) };
  const bytes = utf8Encode(`${JSON.stringify(content, undefined, 2)}\n`);
  try {
    writePrivateFile(path, bytes, options.replace ?? false);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'EEXIST') throw cause;
    throw refused(`${path} exists already.`, 'Name another file, or move the old one away.');
  } finally {
    bytes.fill(0);
  }
}

/** The stamper of the key in a credentials file. */
export function stamperOf(credentials: Credentials): Stamper {
  return keyStamper(credentials);
}

/** Where the memory of a credentials file stands: `<path>.seen`. */
export const seenFileOf = (credentialsPath: string): string => `${credentialsPath}.seen`;

/**
 * Memory in a file: what the client was told last, by organization. A file that cannot be read is refused, for without
 * it an old world could be shown. Several processes may share one file: a write never takes an entry back.
 */
export function fileMemory(path: string): ClientMemory {
  return {
    get: (organizationId) => readSeen(path).get(organizationId),
    set: (organizationId, remembered) => {
      const seen = readSeen(path);
      const known = seen.get(organizationId);
      if (known !== undefined && known.position > remembered.position) return;
      seen.set(organizationId, remembered);
      const document = Object.fromEntries(
        [...seen].map(([id, { position, hash, time }]) => [
          id,
          { position, hash: base64urlEncode(hash), time },
        ]),
      );
      writePrivateFile(path, utf8Encode(`${JSON.stringify(document)}\n`), true);
    },
  };
}

const maximumSeenBytes = 16 * 1024 * 1024;

function readSeen(path: string): Map<string, Remembered> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return new Map();
    throw error;
  }
  try {
    const document = parseStrictJson(new Uint8Array(bytes), { maxBytes: maximumSeenBytes, maxDepth: 4 });
    return new Map(
      Object.entries(document as Record<string, { position: number; hash: string; time: number }>).map(
        ([id, { position, hash, time }]) => {
          const decoded = base64urlDecode(hash);
          if (!Number.isSafeInteger(position) || !Number.isSafeInteger(time) || decoded.length !== 32)
            throw new RangeError('out of range');
          return [id, { position, hash: decoded, time }];
        },
      ),
    );
  } catch (cause) {
    throw new KmsError('parameter-invalid', {
      detail: `${path} is damaged: it holds what this client has seen.`,
      hint: 'Restore the file; delete it only if you trust the server to show its newest state.',
      cause,
    });
  }
}

function readPrivateFile(path: string): Uint8Array {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY);
  } catch (cause) {
    const missing = (cause as { code?: unknown }).code === 'ENOENT';
    throw refused(
      missing ? `${path} does not exist.` : `${path} cannot be read.`,
      'Name the credentials file that the deployment was started with, or make one.',
    );
  }
  try {
    const { mode, size } = fstatSync(descriptor);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      throw refused(
        `${path} may be read by others (mode ${(mode & 0o777).toString(8)}).`,
        `Run: chmod 600 ${path} — and replace the key if others have used this machine.`,
      );
    if (size > maximumBytes) throw refused(`${path} is too long for a credentials file.`, 'Check the path.');
    return new Uint8Array(readFileSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

function writePrivateFile(path: string, bytes: Uint8Array, replace: boolean): void {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString('hex')}`);
  const descriptor = openSync(beside, 'wx', 0o600);
  try {
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    if (replace) renameSync(beside, path);
    else linkSync(beside, path);
    syncFolder(dirname(path));
  } finally {
    rmSync(beside, { force: true });
  }
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function refused(detail: string, hint: string): KmsError {
  return new KmsError('parameter-invalid', { detail, hint });
}
