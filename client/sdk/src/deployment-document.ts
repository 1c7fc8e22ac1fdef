import { base64urlDecode } from '@keystead/crypto/base64url';
import { equalBytes } from '@keystead/crypto/bytes';
import { parseStrictJson } from '@keystead/crypto/strict-json';
import { type DeploymentKeys, deploymentIdOf, type RoleKeys } from '@keystead/protocol/deployment';
import { type CurrentKeys, followRoleKeys, maximumRoleKeyChanges } from '@keystead/protocol/role-key-change';
import { KmsError } from './errors.ts';

/** The 32 bytes of a pinned deployment id. Throws KmsError `parameter-invalid`. */
export function readRoot(root: string): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    bytes = base64urlDecode(root);
  } catch {
    bytes = undefined;
  }
  if (bytes?.length !== 32)
    throw new KmsError('parameter-invalid', {
      field: 'root',
      detail: 'root is the deployment id: 32 bytes as 43 characters of base64url',
    });
  return bytes;
}

/** The keys of a deployment: those that the pinned id is the hash of, and those of now, which follow from them. */
export interface PinnedKeys {
  readonly founding: DeploymentKeys;
  readonly current: CurrentKeys;
}

/**
 * The role keys in the answer of GET /v1/deployment, when they are those of the pinned deployment. Throws KmsError
 * `deployment-mismatch` for every other content: the host's word counts for nothing here.
 */
export function readDeployment(content: Uint8Array, root: Uint8Array): PinnedKeys {
  const refuse = (detail: string, cause?: unknown) =>
    new KmsError('deployment-mismatch', {
      detail,
      cause,
      hint: 'Check the address of the server, and the deployment id that this client pins.',
    });
  let keys: DeploymentKeys;
  let changes: readonly unknown[];
  try {
    const document = member(parseStrictJson(content, { maxBytes: 131_072 }));
    const roots = member(document('keys'));
    const role = (name: string): RoleKeys => {
      const pair = member(roots(name));
      return { sign: key(pair('sign')), agree: key(pair('agree')) };
    };
    keys = { policy: role('policy'), signer: role('signer'), certifier: role('certifier') };
    const stated = document('changes') ?? [];
    if (!Array.isArray(stated) || stated.length > maximumRoleKeyChanges)
      throw new TypeError('changes is no list');
    changes = stated;
  } catch (cause) {
    throw refuse('The server shows no keys of a deployment.', cause);
  }
  if (!equalBytes(deploymentIdOf(keys), root))
    throw refuse('The server shows the keys of another deployment than the pinned one.');
  try {
    return { founding: keys, current: followRoleKeys(keys, changes.map(changeBytes)) };
  } catch (cause) {
    throw refuse('The keys that the server shows do not follow from those of the pinned deployment.', cause);
  }
}

function changeBytes(value: unknown): Uint8Array {
  if (typeof value !== 'string') throw new TypeError('a change is text');
  return base64urlDecode(value);
}

function member(value: unknown): (name: string) => unknown {
  if (typeof value !== 'object' || value === null) throw new TypeError('an object is expected');
  return (name) => (Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined);
}

function key(value: unknown): Uint8Array {
  if (typeof value !== 'string') throw new TypeError('a key is text');
  const bytes = base64urlDecode(value);
  if (bytes.length !== 32) throw new RangeError('a key has 32 bytes');
  return bytes;
}
