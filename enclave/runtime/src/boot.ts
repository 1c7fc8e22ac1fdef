import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Role } from '@keystead/protocol/deployment';
import { deploymentIdOf } from '@keystead/protocol/deployment';
import { createContext, systemRandom } from './context.ts';
import { type FromEnclave, ToEnclave } from './control.ts';
import { openGenesisRecord, sealGenesisRecord } from './genesis-record.ts';
import type { EnclaveContext, Random } from './program.ts';
import { roleKeysOf } from './role-keys.ts';
import { parseSettings } from './settings.ts';

export interface BootOptions {
  readonly role: Role;
  readonly log: EnclaveContext['log'];
  readonly random?: Random;
  /** Writes one message to the launcher. */
  answer(message: FromEnclave): void;
  /** Called once, before `ready` is answered. An exception of it ends the process. */
  unlocked(context: EnclaveContext): void;
}

/**
 * The enclave's side of spec/boot.md §3: `generate`, `pin`, `unlock`, each at most once and in that order, of which
 * the first two belong to genesis. `receive` throws BootError on anything else.
 */
export function createBoot(options: BootOptions): { receive(payload: Uint8Array): void } {
  const { role, random = systemRandom } = options;
  let made: { seed: SecretBytes; unlockKey: SecretBytes } | undefined;
  let phase: 'locked' | 'generated' | 'pinned' | 'unlocked' = 'locked';

  const step = (from: readonly (typeof phase)[], to: typeof phase) => {
    if (!from.includes(phase)) throw new BootError('boot-order', `not in phase ${phase}`);
    phase = to;
  };

  const handlers = {
    generate: (message: ToEnclave & { type: 'generate' }) => {
      step(['locked'], 'generated');
      assertRole(message.role);
      made = { seed: SecretBytes.take(random(32)), unlockKey: SecretBytes.take(message.unlockKey) };
      options.answer({ type: 'generated', keys: roleKeysOf(role, made.seed) });
    },
    pin: ({ deployment }: ToEnclave & { type: 'pin' }) => {
      step(['generated'], 'pinned');
      const { seed, unlockKey } = made!;
      made = undefined;
      try {
        const record = sealGenesisRecord(role, { seed, deployment }, unlockKey, random);
        options.answer({ type: 'sealed', record });
      } catch (error) {
        throw new BootError('pin-refused', 'the keys to pin contradict the generated one', { cause: error });
      } finally {
        seed.wipe();
        unlockKey.wipe();
      }
    },
    unlock: (message: ToEnclave & { type: 'unlock' }) => {
      step(['locked', 'pinned'], 'unlocked');
      assertRole(message.role);
      const unlockKey = SecretBytes.take(message.unlockKey);
      const context = openContext(message, unlockKey);
      unlockKey.wipe();
      options.unlocked(context);
      const { deployment } = context;
      options.answer({ type: 'ready', deploymentId: deploymentIdOf(deployment), deployment });
    },
  };

  function assertRole(named: Role): void {
    if (named !== role) throw new BootError('boot-role', `this is ${role}, not ${named}`);
  }

  function openContext(message: ToEnclave & { type: 'unlock' }, unlockKey: SecretBytes): EnclaveContext {
    let settings: EnclaveContext['settings'];
    try {
      settings = parseSettings(message.settings, message.profile);
    } catch (error) {
      throw new BootError('settings-refused', (error as Error).message);
    }
    let genesis: ReturnType<typeof openGenesisRecord>;
    try {
      genesis = openGenesisRecord(role, message.record, unlockKey);
    } catch (error) {
      throw new BootError('record-refused', 'the genesis record does not open with this unlock key', {
        cause: error,
      });
    }
    const { profile, measurement } = message;
    return createContext({ role, profile, measurement, settings, random, log: options.log, ...genesis });
  }

  return {
    receive: (payload) => {
      let message: ToEnclave;
      try {
        message = ToEnclave.decode(payload);
      } finally {
        // It may hold an unlock key.
        payload.fill(0);
      }
      if (message.type === 'generate') handlers.generate(message);
      else if (message.type === 'pin') handlers.pin(message);
      else handlers.unlock(message);
    },
  };
}

/** A boot that cannot go on. `code` and `detail` go to the launcher; neither holds a secret. */
export class BootError extends Error {
  readonly code: 'boot-order' | 'boot-role' | 'pin-refused' | 'record-refused' | 'settings-refused';

  constructor(code: BootError['code'], detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'BootError';
    this.code = code;
  }
}
