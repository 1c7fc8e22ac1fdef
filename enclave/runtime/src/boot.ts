import { fixed, struct, u32 } from '@keystead/crypto/pack';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { DeploymentKeys, Role } from '@keystead/protocol/deployment';
import { deploymentIdOf } from '@keystead/protocol/deployment';
import { issueCertificate, maximumValidity } from '@keystead/protocol/certificate';
import { equalBytes } from '@keystead/crypto/bytes';
import { publicKey as x25519PublicKey } from '@keystead/crypto/x25519';
import { createContext, systemRandom } from './context.ts';
import { type FromEnclave, ToEnclave } from './control.ts';
import { type Genesis, openGenesisRecord, sealGenesisRecord } from './genesis-record.ts';
import type { Clock, EnclaveContext, Random, Rotation } from './program.ts';
import { roleKeysOf, signSeedOf } from './role-keys.ts';
import { type Approved, joinHalves, SeedHolder, Withheld } from './seed-halves.ts';
import { parseSettings } from './settings.ts';
import { openOwnRecord } from './own-record.ts';
import { keysInUse, RoleKeyReplacement } from './role-key-replacement.ts';
import { WalletKeyRenewal } from './wallet-key-renewal.ts';

export interface BootOptions {
  readonly role: Role;
  readonly log: EnclaveContext['log'];
  readonly random?: Random;
  readonly clock?: Clock;
  /** Writes one message to the launcher. */
  answer(message: FromEnclave): void;
  /** Called once, before `ready` is answered, and gives the program. An exception of it ends the process. */
  unlocked(context: EnclaveContext): Rotation;
}

/** The enclave's side of the control pipe. */
export interface Boot {
  /** Throws BootError when the boot cannot go on. */
  receive(payload: Uint8Array): void;
  /** Whether another role would miss this process's memory. */
  readonly holdsHalves: boolean;
}

/** What signer and certifier tell each other; `boot` is of the signer's start. */
const StatedGenerations = struct({ boot: fixed(16), newest: u32, oldest: u32 });

type Unlocking = Extract<ToEnclave, { type: 'unlock' | 'resume' }>;

/**
 * spec/boot.md §3: `generate`, `pin`, `unlock`, each at most once and in that order, of which the first two belong to
 * genesis; `setup` and `resume` in the place of `unlock`; after it what spec/unlock.md §6 asks of a holder.
 */
export function createBoot(options: BootOptions): Boot {
  const { role, random = systemRandom, clock = Date.now } = options;
  let setupKey: SecretBytes | undefined;
  let open:
    | {
        readonly holder: SeedHolder;
        readonly genesis: Genesis;
        readonly approved: Approved;
        readonly context: EnclaveContext;
        readonly program: Rotation;
        readonly roleKeys: RoleKeyReplacement;
        /** The signer's wallet keys. */
        readonly renewal: WalletKeyRenewal | undefined;
      }
    | undefined;
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
        const walletKeys = role === 'signer' ? [{ generation: 1, key: SecretBytes.take(random(32)) }] : [];
        const record = sealGenesisRecord(
          role,
          { seed, deployment, walletKeys, roleSeed: seed, roleGeneration: 1 },
          unlockKey,
          random,
        );
        for (const { key } of walletKeys) key.wipe();
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
    split: (_: unknown, { holder, renewal }: NonNullable<typeof open>): FromEnclave => ({
      type: 'halves',
      halves: holder.split(renewal?.keys ?? []),
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
      const signSeed = signSeedOf(role, genesis.roleSeed);
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
    renew: (
      message: ToEnclave & { type: 'renew' },
      { genesis, program, renewal }: NonNullable<typeof open>,
    ): FromEnclave => {
      const unlockKey = SecretBytes.take(message.unlockKey);
      try {
        const { record, retire } = message;
        const isComplete = program.rewrapping?.isComplete === true;
        const renewed = signersOwn(renewal).renew({ record, retire, isComplete, unlockKey, genesis });
        return { type: 'renewed', ...renewed };
      } finally {
        unlockKey.wipe();
      }
    },
    adopt: (_: unknown, { renewal }: NonNullable<typeof open>): FromEnclave => {
      signersOwn(renewal).adopt();
      return { type: 'adopted' };
    },
    stateGenerations: (_: unknown, { context, program, renewal }: NonNullable<typeof open>): FromEnclave => {
      const { generations, isUsed } = signersOwn(renewal);
      const { isComplete, rewrapped } = program.rewrapping ?? { isComplete: false, rewrapped: 0 };
      const stated = context.seal(
        'signer-to-certifier',
        'generations-stated',
        StatedGenerations.encode({ boot: context.boot, ...generations }),
      );
      return { type: 'generations', generations, isComplete, rewrapped, isUsed, stated };
    },
    reseal: (message: ToEnclave & { type: 'reseal' }, { genesis }: NonNullable<typeof open>): FromEnclave => {
      const unlockKey = SecretBytes.take(message.unlockKey);
      const next = SecretBytes.take(message.nextUnlockKey);
      try {
        const onDisk = openOwnRecord({ role, record: message.record, unlockKey, seed: genesis.seed });
        const record = sealGenesisRecord(role, onDisk, next, random);
        onDisk.seed.wipe();
        onDisk.roleSeed.wipe();
        for (const { key } of onDisk.walletKeys) key.wipe();
        return { type: 'resealed', record };
      } finally {
        unlockKey.wipe();
        next.wipe();
      }
    },
    makeRoleKeys: (_: unknown, { roleKeys }: NonNullable<typeof open>): FromEnclave => ({
      type: 'roleKeysMade',
      keys: roleKeys.make(),
    }),
    signRoleKeys: (
      { keys }: ToEnclave & { type: 'signRoleKeys' },
      { roleKeys }: NonNullable<typeof open>,
    ): FromEnclave => ({ type: 'roleKeysSigned', ...roleKeys.sign(keys) }),
    sealRoleKeys: (
      message: ToEnclave & { type: 'sealRoleKeys' },
      { roleKeys }: NonNullable<typeof open>,
    ): FromEnclave => {
      const unlockKey = SecretBytes.take(message.unlockKey);
      try {
        const { record, change } = message;
        return { type: 'roleKeysSealed', record: roleKeys.seal({ record, change, unlockKey }) };
      } finally {
        unlockKey.wipe();
      }
    },
    recordGenerations: (
      { stated }: ToEnclave & { type: 'recordGenerations' },
      { context, program }: NonNullable<typeof open>,
    ): Promise<FromEnclave> => {
      if (program.recordGenerations === undefined) throw new Withheld('not-the-certifier');
      const bytes = fromRole(() => context.open('signer-to-certifier', 'generations-stated', stated));
      const { newest, oldest } = StatedGenerations.decode(bytes);
      const recording = program.recordGenerations({ newest, oldest });
      if (recording === undefined) throw new Withheld('not-loaded');
      return recording.then((isNewest) => {
        if (!isNewest) throw new Withheld('rolled-back');
        const recorded = context.seal('certifier-to-signer', 'generations-recorded', bytes);
        return { type: 'recorded', recorded };
      });
    },
    useGenerations: (
      { recorded }: ToEnclave & { type: 'useGenerations' },
      { context, program, renewal }: NonNullable<typeof open>,
    ): FromEnclave => {
      const bytes = fromRole(() => context.open('certifier-to-signer', 'generations-recorded', recorded));
      const { boot, newest, oldest } = StatedGenerations.decode(bytes);
      if (!equalBytes(boot, context.boot)) throw new Withheld('another-start');
      program.useWalletKeys?.(signersOwn(renewal).use({ newest, oldest }));
      signersOwn(renewal).wipeSuperseded();
      return { type: 'used' };
    },
  };

  function serve(message: ToEnclave & { type: keyof typeof services }): void {
    if (open === undefined) throw new BootError('boot-order', `not in phase ${phase}`);
    type Service = (message: ToEnclave, at: NonNullable<typeof open>) => FromEnclave | Promise<FromEnclave>;
    const withheld = (error: unknown) => {
      if (!(error instanceof Withheld)) throw error;
      options.answer({ type: 'withheld', code: error.code });
    };
    try {
      // The type of the message picked the function of that type.
      const answer = (services[message.type] as Service)(message, open);
      if (answer instanceof Promise) void answer.then(options.answer).catch(withheld);
      else options.answer(answer);
    } catch (error) {
      withheld(error);
    }
  }

  function signersOwn(renewal: WalletKeyRenewal | undefined): WalletKeyRenewal {
    if (renewal === undefined) throw new Withheld('not-the-signer');
    return renewal;
  }

  /** What another role wrote, and the launcher carried. */
  function fromRole(openIt: () => Uint8Array): Uint8Array {
    try {
      return openIt();
    } catch {
      throw new Withheld('forged');
    }
  }

  function goOn(message: Unlocking, genesis: Genesis): void {
    const { approved, launcher } = message;
    const { seed, deployment, walletKeys, roleSeed, roleGeneration } = genesis;
    const current = currentKeys(role, genesis, message.changes);
    const context = createContext({
      role,
      seed,
      roleSeed,
      roleGeneration,
      current,
      deployment,
      // The program gets them when the certifier knows of them.
      walletKeys: [],
      profile: message.profile,
      measurement: message.measurement,
      settings: settingsOf(message),
      random,
      log: options.log,
    });
    open = {
      holder: new SeedHolder({
        role,
        approved,
        launcher,
        random,
        clock,
        seed,
        deployment,
        roleSeed,
        roleGeneration,
        current,
      }),
      roleKeys: new RoleKeyReplacement({ role, genesis, changes: message.changes, random }),
      genesis,
      approved,
      context,
      renewal: role === 'signer' ? new WalletKeyRenewal(walletKeys, random) : undefined,
      program: options.unlocked(context),
    };
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

  function currentKeys(role: Role, genesis: Genesis, changes: readonly Uint8Array[]): DeploymentKeys {
    try {
      return keysInUse(role, genesis, changes);
    } catch (error) {
      throw new BootError(
        'record-refused',
        'the keys of the roles do not follow from those of the founding',
        {
          cause: error,
        },
      );
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
          return serve(message);
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
