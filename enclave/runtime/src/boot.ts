import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { Role } from '@keystead/protocol/deployment';
import { deploymentIdOf } from '@keystead/protocol/deployment';
import { issueCertificate, maximumValidity } from '@keystead/protocol/certificate';
import { equalBytes } from '@keystead/crypto/bytes';
import { publicKey as x25519PublicKey } from '@keystead/crypto/x25519';
import { createContext, systemRandom } from './context.ts';
import { type FromEnclave, ToEnclave } from './control.ts';
import { type Genesis, openGenesisRecord, sealGenesisRecord } from './genesis-record.ts';
import type { Clock, EnclaveContext, Random } from './program.ts';
import { roleKeysOf, signSeedOf } from './role-keys.ts';
import { type Approved, joinHalves, SeedHolder, Withheld } from './seed-halves.ts';
import { parseSettings } from './settings.ts';

export interface BootOptions {
  readonly role: Role;
  readonly log: EnclaveContext['log'];
  readonly random?: Random;
  readonly clock?: Clock;
  /** Writes one message to the launcher. */
  answer(message: FromEnclave): void;
  /** Called once, before `ready` is answered. An exception of it ends the process. */
  unlocked(context: EnclaveContext): void;
}

/** The enclave's side of the control pipe. */
export interface Boot {
  /** Throws BootError when the boot cannot go on. */
  receive(payload: Uint8Array): void;
  /** Whether another role would miss this process's memory. */
  readonly holdsHalves: boolean;
}

type Unlocking = Extract<ToEnclave, { type: 'unlock' | 'resume' }>;

/**
 * spec/boot.md §3: `generate`, `pin`, `unlock`, each at most once and in that order, of which the first two belong to
 * genesis; `setup` and `resume` in the place of `unlock`; after it what spec/unlock.md §6 asks of a holder.
 */
export function createBoot(options: BootOptions): Boot {
  const { role, random = systemRandom, clock = Date.now } = options;
  let setupKey: SecretBytes | undefined;
  let open: { holder: SeedHolder; genesis: Genesis; approved: Approved } | undefined;
  let made: { seed: SecretBytes; unlockKey: SecretBytes } | undefined;
  let phase: 'locked' | 'generated' | 'pinned' | 'setup' | 'unlocked' = 'locked';

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
      try {
        goOn(message, openRecord(message.record, unlockKey));
      } finally {
        unlockKey.wipe();
      }
    },
    setup: (message: ToEnclave & { type: 'setup' }) => {
      step(['locked'], 'setup');
      assertRole(message.role);
      setupKey = SecretBytes.take(random(32));
      options.answer({ type: 'setupKey', publicKey: x25519PublicKey(setupKey.expose()) });
    },
    resume: (message: ToEnclave & { type: 'resume' }) => {
      step(['setup'], 'unlocked');
      assertRole(message.role);
      const key = setupKey!;
      try {
        goOn(message, joined(key, message.released));
      } finally {
        key.wipe();
      }
    },
  };

  /** What a process that is open does for the others. Throws Withheld. */
  const services = {
    split: (_: unknown, { holder }: NonNullable<typeof open>): FromEnclave => ({
      type: 'halves',
      halves: holder.split(),
    }),
    keep: (message: ToEnclave & { type: 'keep' }, { holder }: NonNullable<typeof open>): FromEnclave => {
      holder.keep(message.role, message.sealed);
      return { type: 'kept' };
    },
    challenge: (_: unknown, { holder }: NonNullable<typeof open>): FromEnclave => ({
      type: 'challenged',
      challenge: holder.challenge(),
    }),
    release: (
      message: ToEnclave & { type: 'release' },
      { holder }: NonNullable<typeof open>,
    ): FromEnclave => ({
      type: 'released',
      sealed: holder.release(message.role, message.certificate),
    }),
    certify: (
      message: ToEnclave & { type: 'certify' },
      { genesis, approved }: NonNullable<typeof open>,
    ): FromEnclave => {
      if (role !== 'certifier') throw new Withheld('not-the-certifier');
      if (!equalBytes(message.measurement, approved[message.role])) throw new Withheld('measurement');
      const signSeed = signSeedOf(role, genesis.seed);
      const now = clock();
      const certificate = issueCertificate(signSeed, {
        use: 'running',
        deployment: deploymentIdOf(genesis.deployment),
        role: message.role,
        measurement: message.measurement,
        subject: new Uint8Array(32),
        challenge: new Uint8Array(32),
        notBefore: now,
        notAfter: now + maximumValidity.running,
      });
      signSeed.wipe();
      return { type: 'certified', certificate };
    },
  };

  function serve(message: ToEnclave & { type: keyof typeof services }): FromEnclave {
    if (open === undefined) throw new BootError('boot-order', `not in phase ${phase}`);
    try {
      // The type of the message picked the function of that type.
      return (services[message.type] as (message: ToEnclave, at: NonNullable<typeof open>) => FromEnclave)(
        message,
        open,
      );
    } catch (error) {
      if (!(error instanceof Withheld)) throw error;
      return { type: 'withheld', code: error.code };
    }
  }

  function goOn(message: Unlocking, genesis: Genesis): void {
    const { approved, launcher } = message;
    const context = createContext({
      role,
      profile: message.profile,
      measurement: message.measurement,
      settings: settingsOf(message),
      random,
      log: options.log,
      ...genesis,
    });
    open = {
      holder: new SeedHolder({ role, approved, launcher, random, clock, ...genesis }),
      genesis,
      approved,
    };
    options.unlocked(context);
    const { deployment } = context;
    options.answer({ type: 'ready', deploymentId: deploymentIdOf(deployment), deployment });
  }

  function assertRole(named: Role): void {
    if (named !== role) throw new BootError('boot-role', `this is ${role}, not ${named}`);
  }

  function settingsOf({ settings, profile }: Unlocking): EnclaveContext['settings'] {
    try {
      return parseSettings(settings, profile);
    } catch (error) {
      throw new BootError('settings-refused', (error as Error).message);
    }
  }

  function openRecord(record: Uint8Array, unlockKey: SecretBytes): Genesis {
    try {
      return openGenesisRecord(role, record, unlockKey);
    } catch (error) {
      throw new BootError('record-refused', 'the genesis record does not open with this unlock key', {
        cause: error,
      });
    }
  }

  function joined(key: SecretBytes, released: Parameters<typeof joinHalves>[2]): Genesis {
    try {
      return joinHalves(role, key, released);
    } catch (error) {
      throw new BootError('handover-refused', 'the halves of the holders give no seed of this role', {
        cause: error,
      });
    }
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
      switch (message.type) {
        case 'generate':
          return handlers.generate(message);
        case 'pin':
          return handlers.pin(message);
        case 'unlock':
          return handlers.unlock(message);
        case 'setup':
          return handlers.setup(message);
        case 'resume':
          return handlers.resume(message);
        case 'makeRealm':
        case 'unlockRealm':
        case 'configureRealm':
          throw new BootError('boot-role', `this is ${role}, no realm`);
        default:
          options.answer(serve(message));
      }
    },
    get holdsHalves() {
      return open?.holder.holds ?? false;
    },
  };
}

/** A boot that cannot go on. `code` and `detail` go to the launcher; neither holds a secret. */
export class BootError extends Error {
  readonly code:
    | 'boot-order'
    | 'boot-role'
    | 'pin-refused'
    | 'record-refused'
    | 'settings-refused'
    | 'handover-refused';

  constructor(code: BootError['code'], detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'BootError';
    this.code = code;
  }
}
