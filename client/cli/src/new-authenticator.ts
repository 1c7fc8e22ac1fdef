import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { KmsError } from '@keystead/protocol/errors';
import type { NewKeypairAuthenticator } from '@keystead/sdk/native-calls';
import {
  type Credentials,
  newCredentials,
  stamperOf,
  writeCredentials,
} from '@keystead/sdk/node/credentials';
import { newKeypairAuthenticator } from '@keystead/sdk/stampers/possession';
import type { Option } from './command.ts';
import type { CommandArguments } from './command-arguments.ts';
import { UsageError } from './command-error.ts';
import type { Session } from './session.ts';

const algorithms = ['Ed25519', 'Secp256r1'] as const;

export const algorithmOption: Readonly<Record<string, Option>> = {
  algorithm: { type: 'string', value: 'algorithm', help: 'Ed25519 (default) or Secp256r1' },
};

export const newAuthenticatorOptions: Readonly<Record<string, Option>> = {
  ...algorithmOption,
  'key-file': { type: 'string', value: 'file', help: 'make a key here: a new credentials file, mode 0600' },
  'public-key': { type: 'string', value: 'key', help: 'public key made elsewhere, base64url' },
  proof: { type: 'string', value: 'proof', help: 'proof of possession of that key, base64url' },
  'key-name': { type: 'string', value: 'name', help: 'name of the key (default: keystead)' },
  'key-expires': { type: 'string', value: 'duration', help: 'the key expires: 90s, 15m, 12h, 31d' },
  actions: { type: 'string', value: 'method', multiple: true, help: 'the key may call nothing else' },
  wallets: { type: 'string', value: 'id', multiple: true, help: 'the key may use no other wallet' },
  approvals: { type: 'string', value: 'n', help: 'root users who must agree to what the key asks for' },
  pki: { type: 'boolean', help: 'the key may also stamp on the compatibility surface' },
};

export const givenAlgorithm = (given: CommandArguments): Credentials['algorithm'] =>
  given.oneOf('algorithm', algorithms) ?? 'Ed25519';

export interface NewAuthenticator {
  readonly authenticator: NewKeypairAuthenticator;
  /** The credentials file that was made. */
  readonly file: string | undefined;
}

/**
 * The key that the options name; undefined when they name none. A key that is made here is in its file before anybody
 * hears of it. Throws UsageError, KmsError.
 */
export async function newAuthenticator(
  given: CommandArguments,
  session: Session,
  username: string,
): Promise<NewAuthenticator | undefined> {
  const file = given.text('key-file');
  const publicKey = given.text('public-key');
  if (file !== undefined && publicKey !== undefined)
    throw new UsageError('--key-file and --public-key exclude one another');
  if (file === undefined && publicKey === undefined) return undefined;
  if (publicKey !== undefined)
    return {
      file: undefined,
      authenticator: {
        authenticatorKind: 'keypair',
        ...named(given),
        algorithm: givenAlgorithm(given),
        publicKey,
        proof: given.required('proof'),
        ...ceilingOf(given),
      },
    };
  const { api, deploymentId, walletId } = session.credentials;
  const credentials = newCredentials({
    api: given.text('api') ?? api,
    deploymentId,
    organizationId: session.organizationId,
    username,
    ...(walletId === undefined ? {} : { walletId }),
    algorithm: givenAlgorithm(given),
  });
  const authenticator = await newKeypairAuthenticator(
    stamperOf(credentials),
    { deploymentId: session.client.deploymentId, organizationId: session.organizationId, username },
    named(given),
  );
  makeFolderAndWrite(file!, credentials);
  return { file, authenticator: { ...authenticator, ...ceilingOf(given) } };
}

const named = (given: CommandArguments) => {
  const expiresInMs = given.duration('key-expires');
  return {
    authenticatorName: given.text('key-name') ?? 'keystead',
    ...(given.flag('pki') ? { stampKinds: ['native', 'pki'] as const } : {}),
    ...(expiresInMs === undefined ? {} : { expiresInMs }),
  };
};

function ceilingOf(given: CommandArguments): Pick<NewKeypairAuthenticator, 'ceiling'> {
  const actions = given.list('actions');
  const wallets = given.list('wallets');
  const approvals = given.text('approvals');
  if (approvals !== undefined && !/^[1-9][0-9]?$/.test(approvals))
    throw new UsageError('--approvals is a number from 1 to 16');
  if (actions.length === 0 && wallets.length === 0 && approvals === undefined) return {};
  return {
    ceiling: {
      ...(actions.length === 0 ? {} : { actions }),
      ...(wallets.length === 0 ? {} : { wallets }),
      ...(approvals === undefined ? {} : { approvals: Number(approvals) }),
    },
  };
}

/** Writes new credentials, and the folder that they stand in. */
export function makeFolderAndWrite(file: string, credentials: Credentials): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeCredentials(file, credentials);
}

/** Runs a registration; a key file that it made goes away again when the deployment refused the key for certain. */
export async function registering<T>(
  key: Pick<NewAuthenticator, 'file'> | undefined,
  register: () => Promise<T>,
): Promise<T> {
  try {
    return await register();
  } catch (error) {
    if (key?.file !== undefined && error instanceof KmsError && error.status < 500)
      rmSync(key.file, { force: true });
    throw error;
  }
}
