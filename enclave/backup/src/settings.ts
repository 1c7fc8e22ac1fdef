import { base64urlDecode } from '@keystead/crypto/base64url';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { equalBytes } from '@keystead/crypto/bytes';
import type { JsonValue } from '@keystead/crypto/strict-json';
import {
  integer,
  members,
  refuseUnknown,
  SettingsError,
  settingsOf,
} from '@keystead/enclave-runtime/operator-settings';
import { maximumRealms } from '@keystead/protocol/backup-messages';
import { type DeploymentKeys, deploymentIdOf, type RoleKeys } from '@keystead/protocol/deployment';
import { followRoleKeys } from '@keystead/protocol/role-key-change';

/** spec/backup.md §9: what the operator says, and how it is written down. */

export interface BackupSettings {
  /** The deployment whose signer is believed; undefined before the operator has named one: then nothing is released. */
  readonly deployment:
    | { readonly id: Uint8Array; readonly keys: DeploymentKeys; readonly current: DeploymentKeys }
    | undefined;
  /** Ids of the realms that tokens are made for, hexadecimal. */
  readonly realms: readonly string[];
  /** Who runs each realm, by its id; a realm that is not here counts as run by whoever runs the keeper. */
  readonly operators: ReadonlyMap<string, string>;
  /** The tenant that realms know this keeper as, and the version of its key there. */
  readonly tenant: { readonly name: string; readonly version: string };
  /** How long the generation in use can still be kept after it was asked to be deleted. */
  readonly deletionDelayMilliseconds: number;
}

const defaultDelaySeconds = 7 * 24 * 60 * 60;
const longestDelaySeconds = 90 * 24 * 60 * 60;

/**
 * Reads `{"deployment": {"deploymentId", "keys"}, "realms": [id], "operators": {id: name}, "tenant": {"name", "version"}, "deletionDelaySeconds"}`;
 * every member is optional. `keys` is that of `GET /v1/deployment`. Throws SettingsError.
 */
export function parseBackupSettings(json: string): BackupSettings {
  const {
    deployment,
    realms = [],
    operators,
    tenant,
    deletionDelaySeconds,
    ...unknown
  } = settingsOf(json, 65_536);
  refuseUnknown(unknown, 'settings');
  const isId = (id: JsonValue): id is string => typeof id === 'string' && /^[0-9a-f]{32}$/.test(id);
  if (!Array.isArray(realms) || realms.length > maximumRealms || !realms.every(isId))
    throw new SettingsError(`realms is no list of at most ${maximumRealms} ids`);
  if (new Set(realms).size !== realms.length) throw new SettingsError('realms names one twice');
  const delay = integer(
    deletionDelaySeconds ?? defaultDelaySeconds,
    'deletionDelaySeconds',
    0,
    longestDelaySeconds,
  );
  return {
    deployment: deployment === undefined ? undefined : deploymentOf(deployment),
    realms,
    operators: operatorsOf(operators),
    tenant: tenantOf(tenant),
    deletionDelayMilliseconds: delay * 1000,
  };
}

function operatorsOf(value: JsonValue | undefined): BackupSettings['operators'] {
  const named = Object.entries(members(value ?? {}, 'operators')).map(([id, name]) => {
    if (typeof name !== 'string' || name.trim() === '' || name.length > 128)
      throw new SettingsError(`operators: a realm has no name of an operator`);
    return [id.toLowerCase(), name.trim().toLowerCase()] as const;
  });
  return new Map(named);
}

function tenantOf(value: JsonValue | undefined): BackupSettings['tenant'] {
  const { name = 'backup', version = '1', ...unknown } = members(value ?? {}, 'tenant');
  refuseUnknown(unknown, 'tenant');
  if (typeof name !== 'string' || !/^(?:test-)?[a-zA-Z0-9]{1,56}$/.test(name))
    throw new SettingsError('tenant.name is not letters and digits');
  if (typeof version !== 'string' || !/^(?:0|[1-9][0-9]{0,19})$/.test(version))
    throw new SettingsError('tenant.version is no number in a text');
  return { name, version };
}

function deploymentOf(value: JsonValue): BackupSettings['deployment'] {
  const { deploymentId, keys, changes = [], ...unknown } = members(value, 'deployment');
  refuseUnknown(unknown, 'deployment');
  const { policy, signer, certifier, ...others } = members(keys, 'deployment.keys');
  refuseUnknown(others, 'deployment.keys');
  const role = (pair: JsonValue | undefined, at: string): RoleKeys => {
    const { sign, agree, ...more } = members(pair, at);
    refuseUnknown(more, at);
    return { sign: key(sign, `${at}.sign`), agree: key(agree, `${at}.agree`) };
  };
  const read: DeploymentKeys = {
    policy: role(policy, 'deployment.keys.policy'),
    signer: role(signer, 'deployment.keys.signer'),
    certifier: role(certifier, 'deployment.keys.certifier'),
  };
  const id = key(deploymentId, 'deployment.deploymentId');
  if (!equalBytes(deploymentIdOf(read), id))
    throw new SettingsError('deployment.deploymentId is not that of the keys');
  if (!Array.isArray(changes) || !changes.every((change) => typeof change === 'string'))
    throw new SettingsError('deployment.changes is no list of texts');
  try {
    return { id, keys: read, current: followRoleKeys(read, changes.map(base64urlDecode)).keys };
  } catch {
    throw new SettingsError('deployment.changes do not follow from the keys');
  }
}

function key(value: JsonValue | undefined, at: string): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    bytes = typeof value === 'string' ? base64urlDecode(value) : undefined;
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
  }
  if (bytes?.length !== 32) throw new SettingsError(`${at} is not base64url of 32 bytes`);
  return bytes;
}
