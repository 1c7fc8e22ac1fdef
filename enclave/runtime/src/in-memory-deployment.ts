import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch, type DeploymentKeys, type Role } from '@keystead/protocol/deployment';
import { createContext, systemRandom } from './context.ts';
import type { Clock, EnclaveContext, EnclaveSettings, Random } from './program.ts';
import { roleKeysOf } from './role-keys.ts';
import { defaultSettings } from './settings.ts';

export interface InMemoryOptions {
  readonly clock?: Clock;
  readonly passed?: Clock;
  /** Makes the three root seeds too: a counting source gives the same deployment each time. */
  readonly random?: Random;
  readonly settings?: Partial<EnclaveSettings>;
  readonly log?: EnclaveContext['log'];
}

/** Of a genesis it is random; here the seeds alone make a deployment. */
const inMemoryWalletKey = (seed: SecretBytes): SecretBytes =>
  branch(seed, 'keystead/in-memory-wallet-key/v1');

/**
 * The contexts of the three roles of a new deployment in one process: the rung `inproc`, for unit tests.
 * It isolates nothing, and its profile is always development.
 */
export function inMemoryDeployment(options: InMemoryOptions = {}): Record<Role, EnclaveContext> {
  const { random = systemRandom, clock, passed, log } = options;
  const settings = { ...defaultSettings('development'), ...options.settings };
  const seeds = {
    policy: SecretBytes.take(random(32)),
    signer: SecretBytes.take(random(32)),
    certifier: SecretBytes.take(random(32)),
  };
  const deployment: DeploymentKeys = {
    policy: roleKeysOf('policy', seeds.policy),
    signer: roleKeysOf('signer', seeds.signer),
    certifier: roleKeysOf('certifier', seeds.certifier),
  };
  const contextOf = (role: Role) =>
    createContext({
      role,
      profile: 'development',
      seed: seeds[role],
      walletKeys: role === 'signer' ? [{ generation: 1, key: inMemoryWalletKey(seeds.signer) }] : [],
      deployment,
      settings,
      random,
      clock,
      passed,
      log,
    });
  return { policy: contextOf('policy'), signer: contextOf('signer'), certifier: contextOf('certifier') };
}
