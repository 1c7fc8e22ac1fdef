import type { Client } from '@keystead/sdk/client';
import type { Organization } from '@keystead/sdk/native-calls';
import type { Credentials } from '@keystead/sdk/node/credentials';

/** Founds an organization whose one root user is the key of the client; that key needs no proof of its own. */
export function foundOrganization(
  client: Client,
  founder: Pick<Credentials, 'algorithm' | 'publicKey'>,
  names: { readonly organizationName: string; readonly username: string },
): Promise<Organization> {
  return client.call('createOrganization', {
    organizationName: names.organizationName,
    users: [
      {
        username: names.username,
        policy: { type: 'ROOT' },
        authenticators: [
          {
            authenticatorKind: 'keypair',
            authenticatorName: 'keystead',
            algorithm: founder.algorithm,
            publicKey: founder.publicKey,
          },
        ],
      },
    ],
  });
}
