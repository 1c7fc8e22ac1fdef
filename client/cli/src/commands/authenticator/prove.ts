import type { Command } from '../../command.ts';
import { UsageError } from '../../command-error.ts';
import { deploymentIdFrom } from '../../deployment-file.ts';
import { algorithmOption, givenAlgorithm, makeFolderAndWrite } from '../../new-authenticator.ts';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { newCredentials, stamperOf } from '@keystead/sdk/node/credentials';
import { possessionProof } from '@keystead/sdk/stampers/possession';

export const authenticatorProve: Command = {
  words: ['authenticator', 'prove'],
  summary: 'makes a key on this machine, and a proof with which somebody else registers it',
  details: [
    'Nothing is sent. The public key and the proof that are printed go to a root user, who runs `keystead user add` or',
    '`keystead authenticator add` with them. The proof fits this user, organization and deployment only.',
  ].join('\n'),
  options: {
    ...algorithmOption,
    'key-file': { type: 'string', value: 'file', help: 'new credentials file, mode 0600' },
    user: { type: 'string', value: 'username', help: 'as whom the key will stamp' },
    organization: { type: 'string', value: 'id', help: 'organization of that user' },
    deployment: { type: 'string', value: 'id or file', help: 'deployment id or deployment.json' },
  },
  async run(given) {
    const api = given.text('api');
    if (api === undefined) throw new UsageError('--api is missing');
    const place = { organizationId: given.required('organization'), username: given.required('user') };
    const file = given.required('key-file');
    const deploymentId = deploymentIdFrom(given.required('deployment'));
    const credentials = newCredentials({
      api,
      deploymentId: base64urlEncode(deploymentId),
      ...place,
      algorithm: givenAlgorithm(given),
    });
    const proof = await possessionProof(stamperOf(credentials), { deploymentId, ...place });
    makeFolderAndWrite(file, credentials);
    const { algorithm, publicKey } = credentials;
    return {
      json: { ...place, algorithm, publicKey, proof, credentials: file },
      text: `--algorithm ${algorithm} --public-key=${publicKey} --proof=${proof}`,
    };
  },
};
