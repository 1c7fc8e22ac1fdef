/** One started deployment for a test file: temporary home, free port, and chains to send to where asked. */
import './loopback-only.ts';
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { StackSettings } from '@keystead/stack/environment';
import { type Stack, startStack } from '@keystead/stack/start-stack';
import { type Anvil, SEPOLIA, startAnvil } from './chains/anvil.ts';
import { DEVNET, type LiteSvmRpc, startLiteSvmRpc } from './chains/litesvm-rpc.ts';
import { type LyingNode, startLyingNode } from './chains/lying-node.ts';
import { closeConnections, newStampKey, RawClient, type StampKey } from './raw-client.ts';
import { weakenedBundles } from './weakened-build.ts';

/** The gateway asks the enclaves for their figures once a second. */
const FIGURES_INTERVAL = 1000;

const PROCESSES = ['policy', 'signer', 'certifier', 'launcher', 'gateway', 'heads'] as const;

export interface WithStackOptions {
  /** Starts anvil as Sepolia and LiteSVM as Solana devnet, and names them to the gateway. */
  readonly chains?: boolean;
  /** With chains: the gateway reaches them through nodes that can lie. */
  readonly lying?: boolean;
  readonly settings?: StackSettings;
  /** Another program in the place of the gateway's. */
  readonly gateway?: string;
}

/** An organization with one root user, made by a raw client. */
export interface Organization {
  readonly organizationId: string;
  /** Stamps as the root user. */
  readonly client: RawClient;
}

export class TestStack {
  readonly #options: WithStackOptions;
  readonly #directory = mkdtempSync(join(tmpdir(), 'keystead-'));
  #stack: Stack | undefined;
  #anvil: Anvil | undefined;
  #solana: LiteSvmRpc | undefined;
  #lyingAnvil: LyingNode | undefined;
  #lyingSolana: LyingNode | undefined;
  #log: number | undefined;
  #rpc: string | undefined;

  constructor(options: WithStackOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#options.chains) {
      [this.#anvil, this.#solana] = await Promise.all([startAnvil(), startLiteSvmRpc()]);
      if (this.#options.lying)
        [this.#lyingAnvil, this.#lyingSolana] = await Promise.all([
          startLyingNode(this.#anvil.url),
          startLyingNode(this.#solana.url),
        ]);
      this.#rpc = join(this.#directory, 'rpc.json');
      const endpoints = {
        [SEPOLIA]: { url: this.#lyingAnvil?.url ?? this.#anvil.url, private: true },
        [DEVNET]: { url: this.#lyingSolana?.url ?? this.#solana.url, private: true },
      };
      writeFileSync(this.#rpc, JSON.stringify(endpoints));
    }
    this.#log = openSync(this.#logPath, 'a');
    await this.#boot(this.#log);
  }

  async #boot(stderr: number, settings: StackSettings = {}): Promise<void> {
    const rpc = this.#rpc;
    const { gateway } = this.#options;
    const bundles = await weakenedBundles(join(this.#directory, 'weakened'));
    try {
      this.#stack = await startStack({
        home: this.home,
        heads: this.heads,
        stderr,
        ...(rpc === undefined ? {} : { rpc }),
        ...(bundles === undefined && gateway === undefined
          ? {}
          : { substitutes: { ...(bundles && { bundles }), ...(gateway && { gateway }) } }),
        settings: { ...this.#options.settings, ...settings },
      });
    } catch (error) {
      throw new Error(`the stack does not start:\n${this.logged()}`, { cause: error });
    }
  }

  /**
   * Stops every process, and starts them again on the same directories after `between`; the port is another one.
   * `settings` hold for this start, beside those of the test file.
   */
  async restart(between: () => void | Promise<void> = () => {}, settings: StackSettings = {}): Promise<void> {
    closeConnections();
    await this.stack.stop();
    this.#stack = undefined;
    await between();
    if (this.#log !== undefined) await this.#boot(this.#log, settings);
  }

  /** `ended` runs when no process is left, before the directories are removed. */
  async stop(ended: () => void = () => {}): Promise<void> {
    closeConnections();
    await this.#stack?.stop();
    await Promise.all([this.#lyingAnvil?.stop(), this.#lyingSolana?.stop()]);
    await Promise.all([this.#anvil?.stop(), this.#solana?.stop()]);
    if (this.#log !== undefined) closeSync(this.#log);
    ended();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  get #logPath(): string {
    return join(this.#directory, 'log');
  }

  get heads(): string {
    return join(this.#directory, 'heads');
  }

  get home(): string {
    return join(this.#directory, 'home');
  }

  get stack(): Stack {
    if (this.#stack === undefined) throw new Error('the stack has not started');
    return this.#stack;
  }

  /** `http://127.0.0.1:<port>` */
  get api(): string {
    return this.stack.api;
  }

  /** What published clients are given as `apiBaseUrl`. */
  get wallets(): string {
    return `${this.api}/v1/wallets`;
  }

  get anvil(): Anvil {
    if (this.#anvil === undefined) throw new Error('withStack({ chains: true }) starts anvil');
    return this.#anvil;
  }

  get solana(): LiteSvmRpc {
    if (this.#solana === undefined) throw new Error('withStack({ chains: true }) starts LiteSVM');
    return this.#solana;
  }

  /** The nodes between the gateway and the chains. */
  get lying(): { readonly ethereum: LyingNode; readonly solana: LyingNode } {
    if (this.#lyingAnvil === undefined || this.#lyingSolana === undefined)
      throw new Error('withStack({ chains: true, lying: true }) starts nodes that can lie');
    return { ethereum: this.#lyingAnvil, solana: this.#lyingSolana };
  }

  /** The last lines that the processes wrote to standard error. */
  logged(): string {
    return readFileSync(this.#logPath, 'utf8').trimEnd().split('\n').slice(-40).join('\n');
  }

  client(key: StampKey = newStampKey()): RawClient {
    return new RawClient(this.api, this.stack.deploymentId, key);
  }

  async organization(name = 'Acme', key: StampKey = newStampKey()): Promise<Organization> {
    const client = this.client(key);
    const { organizationId } = await client.call<{ organizationId: string }>('createOrganization', {
      organizationName: name,
      users: [{ username: 'root', policy: { type: 'ROOT' }, authenticators: [keypair('first', key)] }],
      tags: [],
    });
    return { organizationId, client };
  }

  /** Kills every process at once and resolves when all of them run again. */
  async killAll(): Promise<void> {
    const before = new Map(this.stack.processes);
    for (const name of PROCESSES) this.stack.kill(name);
    await this.stack.settled();
    for (const [name, pid] of before) {
      if (this.stack.processes.get(name) === pid) throw new Error(`${name} was not killed`);
    }
  }

  /** Figures that enclaves state of themselves on /metrics, as `role.name`; none of them is older than this call. */
  async figures(): Promise<ReadonlyMap<string, number>> {
    await wait(2 * FIGURES_INTERVAL + 200);
    const text = await (await fetch(`${this.api}/metrics`)).text();
    const lines = text.matchAll(/^keystead_enclave_figure\{role="([^"]+)",name="([^"]+)"\} (\S+)$/gm);
    return new Map([...lines].map(([, role, name, value]) => [`${role}.${name}`, Number(value)]));
  }

  /** Reads a copy of the store, since the gateway holds the store itself. For moments in which nothing is written. */
  #rows<T>(read: (database: DatabaseSync) => T): T {
    const copy = mkdtempSync(join(this.#directory, 'copy-'));
    for (const name of readdirSync(this.home)) {
      if (name === 'store.sqlite' || name === 'store.sqlite-wal')
        copyFileSync(join(this.home, name), join(copy, name));
    }
    const database = new DatabaseSync(join(copy, 'store.sqlite'));
    try {
      return read(database);
    } finally {
      database.close();
      rmSync(copy, { recursive: true });
    }
  }

  /** How many entries the chain of an organization has in the store. */
  entries(organizationId: string): number {
    const id = Buffer.from(organizationId.replaceAll('-', ''), 'hex');
    const sql = 'SELECT count(*) AS count FROM entries WHERE organization = ?';
    return this.#rows((database) => Number(database.prepare(sql).get(id)?.count));
  }

  /** SHA-256 of all rows of the store and of all files of the heads log. */
  digest(): { readonly rows: string; readonly heads: string } {
    const rows = createHash('sha256');
    this.#rows((database) => {
      for (const table of ['entries', 'node_packs', 'secrets', 'owners']) {
        rows.update(`\n${table}\n`);
        for (const row of database.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).iterate()) {
          for (const value of Object.values(row))
            rows.update(value instanceof Uint8Array ? value : `${value}`).update('|');
        }
      }
    });
    const heads = createHash('sha256');
    for (const name of readdirSync(this.heads).sort()) {
      heads.update(`\n${name}\n`).update(readFileSync(join(this.heads, name)));
    }
    return { rows: rows.digest('hex'), heads: heads.digest('hex') };
  }
}

/** A keypair authenticator as requests name it. */
export function keypair(
  authenticatorName: string,
  key: StampKey,
  more: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const { publicKey, algorithm } = key;
  return { authenticatorName, authenticatorKind: 'keypair', publicKey, algorithm, ...more };
}

/**
 * Starts a stack before the tests of a file and stops it after them. `prepare` runs once it has started: hooks of
 * the top level do not wait for one another.
 */
export function withStack(
  options: WithStackOptions = {},
  prepare: (running: TestStack) => Promise<void> = async () => {},
): TestStack {
  const running = new TestStack(options);
  before(async () => {
    await running.start();
    await prepare(running);
  });
  after(() => running.stop());
  return running;
}
