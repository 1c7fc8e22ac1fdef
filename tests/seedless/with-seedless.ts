/** A deployment with a keeper of backups and realms for a test file, as separate processes. */
import '../loopback-only.ts';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import { type Client, createClient } from '@keystead/sdk/client';
import { stretch } from '@keystead/sdk/node/argon2';
import { createSeedlessWallets, type SeedlessOptions, type SeedlessWallets } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import type { NewKeypairAuthenticator } from '@keystead/sdk/native-calls';
import { keyStamper } from '@keystead/sdk/stampers/key';
import { newKeypairAuthenticator } from '@keystead/sdk/stampers/possession';
import { type JoinedBackup, joinBackup, type KeeperDocument } from '@keystead/stack/join-backup';
import { type Realms, startRealms } from '@keystead/stack/start-realms';
import { type Stack, startStack } from '@keystead/stack/start-stack';
import type { Devices, Sent, Way } from './ways.ts';

export class SeedlessWorld {
  readonly directory = mkdtempSync(join(tmpdir(), 'keystead-seedless-'));
  readonly #deletionDelaySeconds: number;
  readonly #realmCount: number;
  #stack: Stack | undefined;
  #realms: Realms | undefined;
  #joined: JoinedBackup | undefined;
  #log: number | undefined;

  constructor(deletionDelaySeconds: number, realmCount: number) {
    this.#deletionDelaySeconds = deletionDelaySeconds;
    this.#realmCount = realmCount;
  }

  async start(): Promise<void> {
    this.#log ??= openSync(join(this.directory, 'log'), 'a');
    const stderr = this.#log;
    try {
      // One after the other: both bundle enclaves, and the bundler ends with the first.
      this.#stack = await startStack({ home: this.home, heads: join(this.directory, 'heads'), stderr });
      await this.#startRealms();
    } catch (error) {
      throw new Error(`the world does not start:\n${this.logged()}`, { cause: error });
    }
  }

  async #startRealms(): Promise<void> {
    this.#realms = await startRealms({
      realms: Array.from({ length: this.#realmCount }, (_, position) => ({
        number: position + 1,
        home: this.realmHome(position + 1),
        heads: join(this.directory, `heads-${position + 1}`),
        port: 0,
        settings: () => '{"tenants":{}}\n',
      })),
      backup: {
        home: this.keeperHome,
        heads: this.keeperHeads,
        port: 0,
        settings: () => JSON.stringify({ deletionDelaySeconds: this.#deletionDelaySeconds }),
      },
      stderr: this.#log!,
    });
    // What is tested here is not how much a realm takes in a second.
    const rate = { tenant: 1_000_000, user: 1_000_000 };
    this.#joined = await joinBackup(this.#realms, this.home, { rate });
  }

  /** Stops realms and keeper, and starts them again after `between`; the deployment goes on. */
  async restartRealms(between: () => void = () => {}): Promise<void> {
    await this.#stopRealms();
    between();
    await this.#startRealms();
  }

  async #stopRealms(): Promise<void> {
    this.#joined?.stop();
    await this.#realms?.stop();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#stack?.stop(), this.#stopRealms()]);
    if (this.#log !== undefined) closeSync(this.#log);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Stops everything, and starts it again after `between`. */
  async restart(between: () => void = () => {}): Promise<void> {
    await Promise.all([this.#stack?.stop(), this.#stopRealms()]);
    between();
    await this.start();
  }

  get home(): string {
    return join(this.directory, 'home');
  }

  get keeperHome(): string {
    return join(this.directory, 'realms/backup');
  }

  get keeperHeads(): string {
    return join(this.directory, 'heads-backup');
  }

  realmHome(number: number): string {
    return join(this.directory, 'realms', String(number));
  }

  get stack(): Stack {
    return this.#stack!;
  }

  get realms(): Realms {
    return this.#realms!;
  }

  get joined(): JoinedBackup {
    return this.#joined!;
  }

  get keeper(): KeeperDocument {
    return this.joined.keeper;
  }

  logged(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8').split('\n').slice(-60).join('\n');
  }

  configuration(): ConfigurationDocument {
    return {
      realms: this.realms.realms.map(({ id, address, publicKey }) => ({
        id,
        address,
        public_key: publicKey,
      })),
      register_threshold: this.#realmCount,
      recover_threshold: Math.floor(this.#realmCount / 2) + 1,
      pin_hashing_mode: 'FastInsecure',
    };
  }

  /** Some of the realms, by their places when their ids are in ascending order. */
  someOf(places: readonly number[], recoverThreshold: number): ConfigurationDocument {
    const all = this.configuration();
    const realms = [...all.realms].sort((a, b) => (a.id < b.id ? -1 : 1));
    return {
      ...all,
      realms: places.map((place) => realms[place]!),
      register_threshold: places.length,
      recover_threshold: recoverThreshold,
    };
  }

  client(privateKey: SecretBytes, options: { fetch?: typeof fetch } = {}): Client {
    const { api, deploymentId } = this.stack;
    const stamper = keyStamper({ algorithm: 'Ed25519', privateKey });
    const send = options.fetch;
    return createClient({
      baseUrl: api,
      stamper,
      root: deploymentId,
      ...(send === undefined ? {} : { fetch: (input, init) => send(input, init) }),
    });
  }

  /** An organization of one person, whose key this is. */
  async person(privateKey = newKey()): Promise<Person> {
    const client = this.client(privateKey);
    const publicKey = Buffer.from(client.stamper.publicKey).toString('base64url');
    const { organizationId } = await client.call('createOrganization', {
      organizationName: 'Ada',
      users: [
        {
          username: 'ada',
          policy: { type: 'ROOT' },
          authenticators: [
            { authenticatorKind: 'keypair', authenticatorName: 'phone', algorithm: 'Ed25519', publicKey },
          ],
        },
      ],
    });
    return { organizationId, privateKey };
  }

  /** A key of a user that is to be enrolled, with its proof. */
  authenticator(
    key: SecretBytes,
    organizationId: string,
    username: string,
  ): Promise<NewKeypairAuthenticator> {
    const { stamper, deploymentId } = this.client(key);
    const registration = { deploymentId, organizationId, username };
    return newKeypairAuthenticator(stamper, registration, { authenticatorName: 'another key' });
  }

  /** Devices of a person whose requests go their ways. */
  devicesOf(person: Person): Devices {
    return { device: (way, options) => this.device(person, { ...options, fetch: this.#fetch(way) }) };
  }

  #fetch(way: Way): typeof fetch {
    let number = 0;
    return async (input, init) => {
      const url = String(input);
      const to: Sent['to'] = url.startsWith(this.stack.api)
        ? 'deployment'
        : url.startsWith(this.keeper.address)
          ? 'keeper'
          : 'realm';
      const body = init?.body instanceof Uint8Array ? { body: init.body } : {};
      return way({ number: (number += 1), to, url, ...body }, () => fetch(input, init));
    };
  }

  /** A device of a person: what it keeps is its own. */
  device(person: Person, options: Partial<SeedlessOptions> = {}): SeedlessWallets {
    const { fetch: send } = options;
    return createSeedlessWallets({
      client: this.client(person.privateKey, send === undefined ? {} : { fetch: send }),
      organizationId: person.organizationId,
      keeper: this.keeper,
      configuration: this.configuration(),
      deviceStore: memoryDeviceStore(),
      // What is tested here is not how long a PIN takes to stretch.
      stretch: fastStretch,
      ...options,
    });
  }
}

export interface Person {
  readonly organizationId: string;
  readonly privateKey: SecretBytes;
}

export const newKey = (): SecretBytes => SecretBytes.take(crypto.getRandomValues(new Uint8Array(32)));

/** Argon2id with the least it takes. */
export const fastStretch: typeof stretch = (input) =>
  stretch({ ...input, memoryKibibytes: 8, iterations: 1 });

export function withSeedless({ deletionDelaySeconds = 0, realmCount = 3 } = {}): SeedlessWorld {
  const world = new SeedlessWorld(deletionDelaySeconds, realmCount);
  before(() => world.start());
  after(() => world.stop());
  return world;
}
