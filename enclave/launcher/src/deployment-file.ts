import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { base64urlEncode } from '@keystead/crypto/base64url';
import { type DeploymentKeys, deploymentIdOf, type Role } from '@keystead/protocol/deployment';
import { replaceFile } from './durable-file.ts';
import { LaunchError } from './launch-error.ts';

export const deploymentFileOf = (home: string) => join(home, 'deployment.json');

/** base64url without padding, as clients pin it. */
export const deploymentIdText = (deployment: DeploymentKeys) => base64urlEncode(deploymentIdOf(deployment));

/**
 * Writes the public keys that clients pin, unless they stand there already. Throws LaunchError when another
 * deployment stands there.
 */
export function keepDeploymentFile(home: string, deployment: DeploymentKeys): void {
  const path = deploymentFileOf(home);
  const keysOf = (role: Role) => ({
    sign: base64urlEncode(deployment[role].sign),
    agree: base64urlEncode(deployment[role].agree),
  });
  const content = `${JSON.stringify(
    {
      deploymentId: deploymentIdText(deployment),
      keys: { policy: keysOf('policy'), signer: keysOf('signer'), certifier: keysOf('certifier') },
    },
    undefined,
    2,
  )}\n`;
  if (!existsSync(path)) replaceFile(path, content, 0o644);
  else if (readFileSync(path, 'utf8') !== content)
    throw new LaunchError(
      `${path} names another deployment than the genesis records`,
      'put back the file and the genesis records of one deployment; clients pin what stands in it',
    );
}
