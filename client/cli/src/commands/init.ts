import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { newCredentials, writeCredentials } from '@keystead/sdk/node/credentials';
import type { Command } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { deploymentIdFrom } from '../deployment-file.ts';
import { foundOrganization } from '../founding.ts';
import { algorithmOption, givenAlgorithm, makeFolderAndWrite, registering } from '../new-authenticator.ts';
import { clientOf, credentialsFileOf } from '../session.ts';

const defaultApi = 'http://127.0.0.1:7400';

export const init: Command = {
  words: ['init'],
  summary: 'makes a key and an organization of its own, and writes the credentials',
  details: [
    'The credentials file (--credentials) is new, with mode 0600: the key in it is the only root key of the',
    'organization. The deployment id is pinned in it; it comes from whoever runs the deployment, not from the server.',
  ].join('\n'),
  options: {
    name: { type: 'string', value: 'name', help: 'name of the organization' },
    username: { type: 'string', value: 'name', help: 'name of the root user (default: root)' },
    deployment: {
      type: 'string',
      value: 'id or file',
      help: 'deployment id or deployment.json (default: the one in KEYSTEAD_HOME)',
    },
    ...algorithmOption,
  },
  async run(given, surroundings) {
    const organizationName = given.required('name');
    const username = given.text('username') ?? 'root';
    const beside = join(surroundings.home, 'deployment.json');
    const deployment = given.text('deployment') ?? (existsSync(beside) ? beside : undefined);
    if (deployment === undefined)
      throw new CommandError(
        'no deployment is named',
        'give its id, or its deployment.json, with --deployment; whoever runs it has both',
      );
    const file = credentialsFileOf(given, surroundings);
    const credentials = newCredentials({
      api: given.text('api') ?? defaultApi,
      deploymentId: base64urlEncode(deploymentIdFrom(deployment)),
      username,
      algorithm: givenAlgorithm(given),
    });
    makeFolderAndWrite(file, credentials);
    const organization = await registering({ file }, () =>
      foundOrganization(clientOf(credentials, file, given), credentials, { organizationName, username }),
    );
    const { organizationId } = organization;
    writeCredentials(file, { ...credentials, organizationId }, { replace: true });
    return {
      json: {
        organizationId,
        organizationName,
        username,
        publicKey: credentials.publicKey,
        credentials: file,
      },
      text: `organization ${organizationId}\ncredentials of ${username}: ${file}`,
    };
  },
};
