import { readFileSync } from 'node:fs';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { type DeploymentKeys, deploymentIdOf, type RoleKeys } from '@keystead/protocol/deployment';
import { type CurrentKeys, followRoleKeys } from '@keystead/protocol/role-key-change';
import { equalBytes } from '@keystead/crypto/bytes';
import { CommandError } from './command-error.ts';

/** What `deployment.json` and `/v1/deployment` say, with an id that was computed from the keys. */
export interface Deployment {
  /** base64url of 32 bytes: what a client pins. */
  readonly deploymentId: string;
  readonly keys: DeploymentKeys;
  /** The keys of now, which follow from `keys` by the changes that the file states. */
  readonly current: CurrentKeys;
}

/** Reads the public keys of a deployment. Throws CommandError when id and keys do not belong together. */
export function parseDeployment(json: string, source: string): Deployment {
  try {
    const value = JSON.parse(json) as {
      deploymentId: string;
      keys: Record<string, Record<string, string>>;
      changes?: string[];
    };
    const keysOf = (role: string): RoleKeys => ({
      sign: base64urlDecode(value.keys[role]!.sign!),
      agree: base64urlDecode(value.keys[role]!.agree!),
    });
    const keys = { policy: keysOf('policy'), signer: keysOf('signer'), certifier: keysOf('certifier') };
    const computed = base64urlEncode(deploymentIdOf(keys));
    const current = followRoleKeys(keys, (value.changes ?? []).map(base64urlDecode));
    if (computed === value.deploymentId) return { deploymentId: computed, keys, current };
  } catch {
    throw new CommandError(
      `${source} does not name a deployment`,
      'it is the file deployment.json in KEYSTEAD_HOME',
    );
  }
  throw new CommandError(
    `${source}: the deployment id is not that of the keys`,
    'get the file from whoever runs the deployment',
  );
}

/** The 32 bytes of `text`, which is a deployment id or the path of a deployment.json. */
export function deploymentIdFrom(text: string): Uint8Array {
  if (/^[A-Za-z0-9_-]{43}$/.test(text)) return base64urlDecode(text);
  let json: string;
  try {
    json = readFileSync(text, 'utf8');
  } catch {
    throw new CommandError(
      `${text} is neither a deployment id nor a file that can be read`,
      'name the deployment.json of KEYSTEAD_HOME',
    );
  }
  return base64urlDecode(parseDeployment(json, text).deploymentId);
}

/** True when both ids are of one deployment. */
export function sameDeployment(one: string, other: string): boolean {
  return equalBytes(base64urlDecode(one), base64urlDecode(other));
}
