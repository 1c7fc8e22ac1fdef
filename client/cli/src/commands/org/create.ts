import { newCredentials, writeCredentials } from '@keystead/sdk/node/credentials';
import type { Command } from '../../command.ts';
import { readCredentials } from '@keystead/sdk/node/credentials';
import { foundOrganization } from '../../founding.ts';
import { algorithmOption, givenAlgorithm, makeFolderAndWrite, registering } from '../../new-authenticator.ts';
import { clientOf, credentialsFileOf } from '../../session.ts';
import { organizationText } from '../../texts.ts';

export const orgCreate: Command = {
  words: ['org', 'create'],
  summary: 'founds another organization on the deployment of the credentials',
  details: [
    'With --key-file a new key becomes its root user, and the file the credentials of that user. Otherwise the key of',
    'the credentials becomes its root user: name the organization with --organization from then on.',
  ].join('\n'),
  options: {
    name: { type: 'string', value: 'name', help: 'name of the organization' },
    username: { type: 'string', value: 'name', help: 'name of the root user (default: root)' },
    'key-file': { type: 'string', value: 'file', help: 'make a key: a new credentials file, mode 0600' },
    ...algorithmOption,
  },
  async run(given, surroundings) {
    const names = { organizationName: given.required('name'), username: given.text('username') ?? 'root' };
    const ownFile = credentialsFileOf(given, surroundings);
    const own = readCredentials(ownFile);
    const file = given.text('key-file');
    if (file === undefined) {
      const organization = await foundOrganization(clientOf(own, ownFile, given), own, names);
      return { json: organization, text: organizationText(organization) };
    }
    const founder = newCredentials({
      api: given.text('api') ?? own.api,
      deploymentId: own.deploymentId,
      username: names.username,
      algorithm: givenAlgorithm(given),
    });
    makeFolderAndWrite(file, founder);
    const organization = await registering({ file }, () =>
      foundOrganization(clientOf(founder, file, given), founder, names),
    );
    writeCredentials(file, { ...founder, organizationId: organization.organizationId }, { replace: true });
    return {
      json: { ...organization, credentials: file },
      text: `${organizationText(organization)}\ncredentials of ${names.username}: ${file}`,
    };
  },
};
