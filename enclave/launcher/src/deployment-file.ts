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
 * Writes the public keys that clients pin, and the changes by which those of now follow from them, unless they stand there
 * already. Throws LaunchError when another deployment stands there.
 */
export function keepDeploymentFile(
  home: string,
  deployment: DeploymentKeys,
  changes: readonly Uint8Array[],
): void {
  const path = deploymentFileOf(home);
  const keysOf = (role: Role) => ({
    sign: base64urlEncode(deployment[role].sign),
    agree: base64urlEncode(deployment[role].agree),
  });
  const deploymentId = deploymentIdText(deployment);
  const keys = { policy: keysOf('policy'), signer: keysOf('signer'), certifier: keysOf('certifier') };
  const stated = { deploymentId, keys };
  const content = (value: object) => `${JSON.stringify(value, undefined, 2)}\n`;
  const whole = content(changes.length === 0 ? stated : { ...stated, changes: changes.map(base64urlEncode) });
  const present = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  if (present === whole) return;
  if (present === undefined || content(withoutChanges(present)) === content(stated))
    replaceFile(path, whole, 0o644);
  else
    throw new LaunchError(
      `${path} names another deployment than the genesis records`,
      'put back the file and the genesis records of one deployment; clients pin what stands in it',
    );
}

function withoutChanges(present: string): object {
  try {
    const { changes: _, ...stated } = JSON.parse(present) as Record<string, unknown>;
    return stated;
  } catch {
    return {};
  }
}
