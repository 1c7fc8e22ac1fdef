import { randomFillSync } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { publicKey } from '@keystead/crypto/ed25519';
import { StackError } from './stack-error.ts';

/** The root user of the first organization, as `keystead` and examples read it. */
export interface Credentials {
  readonly api: string;
  readonly deploymentId: string;
  /** Absent between the making of the key and the founding of its organization. */
  readonly organizationId?: string;
  readonly walletId?: string;
  readonly username: string;
  readonly algorithm: 'Ed25519';
  /** base64url, 32 bytes each; the private key is the seed. */
  readonly publicKey: string;
  readonly privateKey: string;
}

export const credentialsPathOf = (home: string) => join(home, 'development/credentials.json');

/** The credentials in the file, or undefined when there is none. Throws StackError when they are of another deployment. */
export function readCredentials(path: string, deploymentId: string): Credentials | undefined {
  if (!existsSync(path)) return undefined;
  let credentials: Credentials;
  try {
    credentials = JSON.parse(readFileSync(path, 'utf8')) as Credentials;
  } catch {
    // The parser's own message would quote the file.
    throw new StackError(
      `${path} cannot be read`,
      'put it back from a backup, or move it away for a new organization',
    );
  }
  if (credentials.deploymentId !== deploymentId)
    throw new StackError(`${path} belongs to another deployment`, 'move it away for a new organization');
  return credentials;
}

/** A new key of a root user. */
export function makeCredentials(api: string, deploymentId: string): Credentials {
  const seed = randomFillSync(new Uint8Array(32));
  const credentials: Credentials = {
    api,
    deploymentId,
    username: 'root',
    algorithm: 'Ed25519',
    publicKey: base64urlEncode(publicKey(seed)),
    privateKey: base64urlEncode(seed),
  };
  seed.fill(0);
  return credentials;
}

/** Puts the file in its place whole, durably, readable for this user alone. */
export function writeCredentials(path: string, credentials: Credentials): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', 0o600);
  writeFileSync(file, `${JSON.stringify(credentials, undefined, 2)}\n`);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, path);
  const names = openSync(directory, 'r');
  fsyncSync(names);
  closeSync(names);
}
