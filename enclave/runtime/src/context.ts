import { randomFillSync } from 'node:crypto';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import {
  type DeploymentKeys,
  deploymentIdOf,
  type Edge,
  edgeKey,
  type Role,
} from '@keystead/protocol/deployment';
import { openMessage, sealMessage } from '@keystead/protocol/sealed';
import { type Genesis, roles } from './genesis-record.ts';
import type { Clock, EnclaveContext, EnclaveSettings, Random } from './program.ts';
import { agreeSecretOf, signSeedOf } from './role-keys.ts';

export interface ContextOptions extends Omit<Genesis, 'roleSeed' | 'roleGeneration'> {
  /** Left out where the keys of the role were never replaced: then the root seed. */
  readonly roleSeed?: SecretBytes;
  readonly roleGeneration?: number;
  /** The keys of all three that are in use; left out, those of the founding. */
  readonly current?: DeploymentKeys;
  readonly role: Role;
  readonly profile: EnclaveContext['profile'];
  readonly settings: EnclaveSettings;
  /** Left out where nothing is measured: then it is zero. */
  readonly measurement?: Uint8Array;
  readonly clock?: Clock;
  readonly passed?: Clock;
  readonly random?: Random;
  readonly log?: EnclaveContext['log'];
}

/** Random bytes of the operating system, through OpenSSL. */
export const systemRandom: Random = (length) => randomFillSync(new Uint8Array(length));

/**
 * The context of one unlocked role. It holds the keys of the edges that the role ends: `seal` and `open` throw
 * TypeError for any other edge or direction.
 */
export function createContext(options: ContextOptions): EnclaveContext {
  const { role, seed, deployment, random = systemRandom } = options;
  const { roleSeed = seed, roleGeneration = 1, current = deployment } = options;
  const deploymentId = deploymentIdOf(deployment);
  const agreeSecret = agreeSecretOf(role, roleSeed);
  const outgoing = new Map<Edge, SecretBytes>();
  const incoming = new Map<Edge, SecretBytes>();
  for (const peer of roles) {
    if (peer === role) continue;
    const keyOf = (edge: Edge) => edgeKey(agreeSecret, current[peer].agree, edge, deploymentId);
    const to = `${role}-to-${peer}` as Edge;
    const from = `${peer}-to-${role}` as Edge;
    outgoing.set(to, keyOf(to));
    incoming.set(from, keyOf(from));
  }
  agreeSecret.wipe();

  return Object.freeze<EnclaveContext>({
    role,
    profile: options.profile,
    seed,
    walletKeys: options.walletKeys,
    signSeed: signSeedOf(role, roleSeed),
    roleGeneration,
    deployment,
    deploymentId,
    boot: random(16),
    measurement: options.measurement ?? new Uint8Array(48),
    clock: options.clock ?? Date.now,
    passed: options.passed ?? (() => performance.now()),
    random,
    settings: options.settings,
    seal: (edge, kind, bytes) => sealMessage(keyOn(outgoing, edge, role), kind, bytes),
    open: (edge, kind, sealed) => openMessage(keyOn(incoming, edge, role), kind, sealed),
    log: options.log ?? (() => {}),
  });
}

function keyOn(keys: ReadonlyMap<Edge, SecretBytes>, edge: Edge, role: Role): SecretBytes {
  const key = keys.get(edge);
  if (key === undefined) throw new TypeError(`${role} has no key for this direction of ${edge}`);
  return key;
}
