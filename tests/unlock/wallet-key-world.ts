/**
 * Three enclaves with their real boots, the real signer and certifier, and the launcher's own code that replaces wallet keys;
 * processes are objects, so that every one of them can be killed before or after any message.
 */
import { genesisDirectoryOf } from '@keystead/enclave-launcher/genesis-directory';
import '../loopback-only.ts';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { createCertifier } from '@keystead/enclave-certifier/program';
import {
  EnclaveFailure,
  type EnclaveProcess,
  EnclaveWithheld,
} from '@keystead/enclave-launcher/enclave-process';
import { found } from '@keystead/enclave-launcher/genesis';
import {
  readGenesisRecord,
  readRoleKeyChanges,
  replaceGenesis,
  writeGenesis,
} from '@keystead/enclave-launcher/genesis-files';
import { replaceRoleKeys } from '@keystead/enclave-launcher/role-keys';
import { resealed } from '@keystead/enclave-launcher/reseal';
import { SeedHolders } from '@keystead/enclave-launcher/seed-holders';
import { unlockKeyOf } from '@keystead/enclave-launcher/unlock/unlock-key';
import { walletKeysOf } from '@keystead/enclave-launcher/wallet-keys';
import { createBoot } from '@keystead/enclave-runtime/boot';
import { FromEnclave, ToEnclave } from '@keystead/enclave-runtime/control';
import { roles } from '@keystead/enclave-runtime/genesis-record';
import type { HeadsPort } from '@keystead/enclave-runtime/heads-port';
import type { Rotation } from '@keystead/enclave-runtime/program';
import type { WalletKey } from '@keystead/enclave-runtime/wallet-keys';
import { createSigner } from '@keystead/enclave-signer/program';
import { Vault } from '@keystead/enclave-signer/vault';
import { newSecret } from '@keystead/enclave-signer/wallet-secret';
import type { Role } from '@keystead/protocol/deployment';
import type { FromSigner, ToSigner } from '@keystead/protocol/frames';
import { type CurrentKeys, followRoleKeys } from '@keystead/protocol/role-key-change';
import { sealedRowHash } from '@keystead/protocol/sealed-row';

const random = (length: number) => new Uint8Array(randomBytes(length));
const settled = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
const approved = { policy: random(48), signer: random(48), certifier: random(48) };

/** The heads log, which outlives its certifier. */
export class Heads implements HeadsPort {
  records: { sequence: number; record: Uint8Array }[] = [];

  async load() {
    return { snapshot: undefined, snapshotSequence: 0, records: [...this.records] };
  }

  async append(sequence: number, record: Uint8Array): Promise<void> {
    this.records.push({ sequence, record: record.slice() });
  }

  async snapshot(): Promise<void> {}
}

export type Moment = 'before' | 'after';

/** Kills `victims` before or after the message with this number, counted from when it is set. */
export interface Kill {
  readonly at: number;
  readonly moment: Moment;
  readonly victims: readonly Role[];
}

class Process {
  readonly role: Role;
  readonly measurement: Uint8Array;
  readonly ended: Promise<void>;
  end!: () => void;
  isOver = false;
  signer: { receive(message: ToSigner): void; readonly sent: FromSigner[] } | undefined;
  /** The wallet keys that the signer uses. */
  keys: readonly WalletKey[] | undefined;
  readonly #world: WalletKeyWorld;
  readonly #boot;
  #answered: (message: FromEnclave) => void = () => {};
  #turn: Promise<unknown> = Promise.resolve();

  constructor(world: WalletKeyWorld, role: Role) {
    this.#world = world;
    this.role = role;
    this.measurement = approved[role];
    this.ended = new Promise((resolve) => {
      this.end = () => {
        this.isOver = true;
        resolve();
      };
    });
    this.#boot = createBoot({
      role,
      log: () => {},
      answer: (message) => this.#answered(FromEnclave.decode(FromEnclave.encode(message))),
      unlocked: (context) => this.#program(role, { ...context, clock: () => world.now }),
    });
  }

  #program(role: Role, context: Parameters<typeof createSigner>[0]): Rotation {
    if (role === 'policy') return {};
    if (role === 'certifier') {
      return createCertifier(context, this.#world.heads, (error) => {
        this.#world.refused = error;
        this.end();
      });
    }
    const signer = createSigner(context);
    const sent: FromSigner[] = [];
    signer.send = (message) => sent.push(message);
    this.signer = { receive: (message) => signer.receive(message), sent };
    return {
      useWalletKeys: (keys) => {
        this.keys = keys;
        signer.useWalletKeys!(keys);
      },
      get rewrapping() {
        return signer.rewrapping!;
      },
    };
  }

  /** One question at a time, as the launcher asks them. */
  ask<T extends FromEnclave['type']>(message: ToEnclave, type: T) {
    const asked = this.#turn.then(() => this.#ask(message, type));
    this.#turn = asked.catch(() => {});
    return asked;
  }

  async #ask<T extends FromEnclave['type']>(message: ToEnclave, type: T) {
    await this.#world.step('before');
    if (this.isOver) throw new EnclaveFailure('ended', `${this.role} ended`);
    const answer = await new Promise<FromEnclave>((resolve) => {
      this.#answered = resolve;
      this.#boot.receive(ToEnclave.encode(message));
    });
    await this.#world.step('after');
    if (this.isOver) throw new EnclaveFailure('ended', `${this.role} ended`);
    if (answer.type === 'withheld') throw new EnclaveWithheld(this.role, answer.code);
    if (answer.type !== type) throw new EnclaveFailure('malformed', answer.type);
    return answer as Extract<FromEnclave, { type: T }>;
  }
}

export class WalletKeyWorld {
  readonly home = mkdtempSync(join(tmpdir(), 'keystead-wallet-key-'));
  heads = new Heads();
  /** Why the certifier did not take its log. */
  refused: Error | undefined;
  now = 1_900_000_000_000;
  /** The store: rows by the hash of their body. */
  readonly rows = new Map<string, Uint8Array>();
  readonly walletIds: Uint8Array[] = [];
  #secret = SecretBytes.take(random(32));
  #processes = new Map<Role, Process>();
  #holders!: SeedHolders;
  #kill: Kill | undefined;
  #steps = 0;

  static async founded(wallets = 3): Promise<WalletKeyWorld> {
    const world = new WalletKeyWorld();
    const made = {
      policy: new Process(world, 'policy'),
      signer: new Process(world, 'signer'),
      certifier: new Process(world, 'certifier'),
    };
    const records = await found(made as never, world.#secret);
    writeGenesis(world.home, records, undefined);
    await world.start();
    for (let n = 0; n < wallets; n++) world.makeWallet();
    return world;
  }

  get keys(): readonly WalletKey[] {
    return this.#processes.get('signer')!.keys ?? [];
  }

  /** The signing keys that the records give to the three roles. */
  get roleKeys(): CurrentKeys {
    return followRoleKeys(this.#holders.deployment, readRoleKeyChanges(this.home));
  }

  get generations(): number[] {
    return this.keys.map(({ generation }) => generation);
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true });
  }

  /** A copy of the genesis directory, as a host can keep one. */
  copyRecords(): () => void {
    const copy = mkdtempSync(join(tmpdir(), 'keystead-records-'));
    cpSync(genesisDirectoryOf(this.home), copy, { recursive: true });
    return () => {
      rmSync(genesisDirectoryOf(this.home), { recursive: true });
      mkdirSync(genesisDirectoryOf(this.home));
      cpSync(copy, genesisDirectoryOf(this.home), { recursive: true });
      rmSync(copy, { recursive: true });
    };
  }

  /** All three from their records, as after a start of the machine. Rejects as the launcher does. */
  async start(): Promise<void> {
    for (const each of this.#processes.values()) each.end();
    await settled();
    this.#processes = new Map();
    this.#holders = new SeedHolders({ home: this.home, keepsHalves: true, log: () => {} });
    for (const role of roles) await this.#unlock(role);
    await this.#opened();
  }

  /** What was killed comes back: from the other two when it was one, else from the record. */
  async recover(): Promise<void> {
    const gone = roles.filter((role) => this.#processes.get(role)?.isOver ?? true);
    await settled();
    if (gone.length > 1) return this.start();
    for (const role of gone) {
      const fresh = new Process(this, role);
      this.#processes.set(role, fresh);
      const ready = await this.#holders.resume(fresh as never, this.#around());
      if (ready === undefined) throw new Error(`${role} did not resume`);
      await this.#holders.opened(fresh as unknown as EnclaveProcess, ready);
    }
    await this.#opened();
  }

  #around() {
    const changes = readRoleKeyChanges(this.home);
    return { settings: '{}', profile: 'development', approved, changes } as const;
  }

  async #unlock(role: Role): Promise<void> {
    const fresh = new Process(this, role);
    this.#processes.set(role, fresh);
    const unlockKey = unlockKeyOf(this.#secret, role);
    const ready = await fresh.ask(
      {
        type: 'unlock',
        role,
        unlockKey: unlockKey.expose().slice(),
        record: readGenesisRecord(this.home, role),
        measurement: approved[role],
        launcher: this.#holders.launcher,
        ...this.#around(),
      },
      'ready',
    );
    // `opened` would begin to use the keys by itself, and its refusal would be nobody's.
    this.#open.push([fresh, ready]);
  }

  #open: [Process, Extract<FromEnclave, { type: 'ready' }>][] = [];

  async #opened(): Promise<void> {
    const { useGenerations } = this.#holders;
    let using: Promise<boolean> = Promise.resolve(true);
    this.#holders.useGenerations = () => {
      using = using.then(() => useGenerations.call(this.#holders));
      using.catch(() => {});
      return using;
    };
    for (const [process, ready] of this.#open.splice(0))
      await this.#holders.opened(process as unknown as EnclaveProcess, ready);
    await using;
    await this.#holders.useGenerations();
  }

  /** Adds a wallet key, or retires the older ones, as operators have it done. */
  renew(retire: boolean, kill?: Kill): Promise<unknown> {
    this.#kill = kill;
    this.#steps = 0;
    return walletKeysOf(this.home, this.#holders)
      .renew(this.#secret, retire)
      .finally(() => {
        this.#kill = undefined;
      });
  }

  /** Other keys of the roles, and all three started again with them. */
  async replaceRoleKeys(kill?: Kill): Promise<number> {
    this.#kill = kill;
    this.#steps = 0;
    try {
      return await replaceRoleKeys({ home: this.home, holders: this.#holders, unlockSecret: this.#secret });
    } finally {
      this.#kill = undefined;
    }
  }

  /** Another unlock secret, as a rotation of shares or of the password makes it; what it was before. */
  async replaceSecret(): Promise<SecretBytes> {
    const [from, to] = [this.#secret, SecretBytes.take(random(32))];
    const records = await resealed(this.home, this.#holders, { from, to });
    replaceGenesis(this.home, records, { unlockRecord: '{}' });
    this.#secret = to;
    return from;
  }

  /** Starts as whoever has this unlock secret can. */
  async startWith(secret: SecretBytes): Promise<void> {
    const own = this.#secret;
    this.#secret = secret;
    try {
      await this.start();
    } finally {
      this.#secret = own;
    }
  }

  /** Messages of the last `renew`. */
  get steps(): number {
    return this.#steps;
  }

  async step(moment: Moment): Promise<void> {
    if (moment === 'before') this.#steps += 1;
    const kill = this.#kill;
    if (kill === undefined || kill.at !== this.#steps || kill.moment !== moment) return;
    this.#kill = undefined;
    for (const role of kill.victims) this.#processes.get(role)!.end();
    await settled();
  }

  /** A row as the signer of now makes it. */
  makeWallet(): void {
    const walletId = random(16);
    const secret = newSecret({ type: 'MNEMONIC', mnemonicLength: 12, accounts: [] }, random);
    const row = new Vault(this.keys, random).seal(walletId, secret);
    this.walletIds.push(walletId);
    this.rows.set(nameOf(row), row);
  }

  /** How many wallets the signer of now opens. */
  get readable(): number {
    const vault = new Vault(this.keys, random);
    const rows = [...this.rows.values()];
    return this.walletIds.filter((walletId) => rows.some((row) => vault.open(walletId, row) !== undefined))
      .length;
  }

  /** One frame of rows to the signer, and what comes back, by name. */
  rewrapped(rows: readonly Uint8Array[]): Map<string, Uint8Array> {
    const { signer } = this.#processes.get('signer')!;
    signer!.receive({
      type: 'rewrap',
      id: 1,
      rows: rows.map((bytes) => ({ hash: sealedRowHash(bytes), bytes })),
    });
    const answer = signer!.sent.findLast((message) => message.type === 'rewrapped')!;
    return new Map(answer.rows.map(({ bytes }) => [nameOf(bytes), bytes]));
  }

  /** The gateway's pass over all rows, half a minute after the keys changed. */
  pass(newest: number): void {
    const { signer } = this.#processes.get('signer')!;
    this.now += 31_000;
    signer!.receive({ type: 'rewrapPass', newest, ended: false, older: 0 });
    for (const [name, row] of this.rewrapped([...this.rows.values()])) this.rows.set(name, row);
    signer!.receive({ type: 'rewrapPass', newest, ended: true, older: 0 });
  }
}

export const nameOf = (row: Uint8Array): string => Buffer.from(sealedRowHash(row)).toString('hex');
