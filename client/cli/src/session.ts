import { join } from 'node:path';
import { type Client, createClient } from '@keystead/sdk/client';
import {
  type Credentials,
  fileMemory,
  readCredentials,
  seenFileOf,
  stamperOf,
} from '@keystead/sdk/node/credentials';
import type { CommandArguments } from './command-arguments.ts';
import { CommandError } from './command-error.ts';
import type { Surroundings } from './surroundings.ts';

/** One command's connection to a deployment, by a credentials file. */
export interface Session {
  readonly client: Client;
  readonly credentials: Credentials;
  readonly credentialsFile: string;
  /** --organization, else that of the credentials. */
  readonly organizationId: string;
  /** --wallet, else that of the credentials. Throws CommandError. */
  walletId(given: CommandArguments): string;
  /** --user, else that of the credentials. Throws CommandError. */
  username(given: CommandArguments): string;
}

/** Path of the credentials file: --credentials, else KEYSTEAD_CREDENTIALS, else that of the development profile. */
export function credentialsFileOf(given: CommandArguments, surroundings: Surroundings): string {
  return (
    given.text('credentials') ??
    surroundings.credentials ??
    join(surroundings.home, 'development/credentials.json')
  );
}

/** Throws KmsError and CommandError when the credentials cannot be used. */
export async function openSession(given: CommandArguments, surroundings: Surroundings): Promise<Session> {
  const credentialsFile = credentialsFileOf(given, surroundings);
  const credentials = readCredentials(credentialsFile);
  const organizationId = given.text('organization') ?? credentials.organizationId;
  if (organizationId === undefined)
    throw new CommandError('the credentials belong to no organization yet', 'name one with --organization');
  return {
    client: clientOf(credentials, credentialsFile, given),
    credentials,
    credentialsFile,
    organizationId,
    walletId: (arguments_) =>
      arguments_.text('wallet') ??
      credentials.walletId ??
      missing('no wallet is named', 'name one with --wallet; keystead wallet list shows them'),
    username: (arguments_) =>
      arguments_.text('user') ?? credentials.username ?? missing('no user is named', 'name one with --user'),
  };
}

/** A client that remembers, beside the credentials, how far each organization's history went. */
export function clientOf(credentials: Credentials, credentialsFile: string, given: CommandArguments): Client {
  return createClient({
    baseUrl: given.text('api') ?? credentials.api,
    stamper: stamperOf(credentials),
    root: credentials.deploymentId,
    memory: fileMemory(seenFileOf(credentialsFile)),
  });
}

function missing(detail: string, hint: string): never {
  throw new CommandError(detail, hint);
}
