/** Realms for a test file: temporary directories, free ports, one development tenant. */
import '../loopback-only.ts';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import { type DevelopmentTenant, developmentSettings } from '@keystead/stack/realm-tenant';
import { type Realms, type RealmsOptions, startRealms } from '@keystead/stack/start-realms';

export const testTenant: DevelopmentTenant = {
  name: 'acme',
  version: 1,
  secret: 'a secret of thirty-two characters',
};

export class TestRealms {
  readonly directory = mkdtempSync(join(tmpdir(), 'keystead-realms-'));
  readonly #count: number;
  readonly #settings: string;
  readonly #options: Pick<RealmsOptions, 'addressRate' | 'proxies'>;
  #realms: Realms | undefined;
  #log: number | undefined;

  constructor(count: number, settings: string, options: Pick<RealmsOptions, 'addressRate' | 'proxies'> = {}) {
    this.#options = options;
    this.#count = count;
    this.#settings = settings;
  }

  async start(): Promise<void> {
    this.#log ??= openSync(join(this.directory, 'log'), 'a');
    try {
      this.#realms = await startRealms({
        realms: Array.from({ length: this.#count }, (_, position) => ({
          number: position + 1,
          home: this.homeOf(position + 1),
          heads: join(this.directory, `heads-${position + 1}`),
          port: 0,
          settings: () => this.#settings,
        })),
        stderr: this.#log,
        ...this.#options,
      });
    } catch (error) {
      throw new Error(`the realms do not start:\n${this.logged()}`, { cause: error });
    }
  }

  /** Stops everything, and starts it again after `between`. */
  async restart(between: () => void = () => {}): Promise<void> {
    await this.#realms?.stop();
    between();
    await this.start();
  }

  async stop(): Promise<void> {
    await this.#realms?.stop();
    if (this.#log !== undefined) closeSync(this.#log);
    rmSync(this.directory, { recursive: true, force: true });
  }

  get running(): Realms {
    return this.#realms!;
  }

  homeOf(number: number): string {
    return join(this.directory, String(number));
  }

  logged(): string {
    return readFileSync(join(this.directory, 'log'), 'utf8');
  }

  /** The configuration of realms, of which those in `noise` (by position) are spoken to with Noise. */
  configuration(
    noise: readonly number[],
    thresholds: Partial<ConfigurationDocument> = {},
  ): ConfigurationDocument {
    return {
      realms: this.running.realms.map(({ id, address, publicKey }, position) => ({
        id,
        address,
        ...(noise.includes(position) ? { public_key: publicKey } : {}),
      })),
      register_threshold: this.#count,
      recover_threshold: Math.floor(this.#count / 2) + 1,
      pin_hashing_mode: 'FastInsecure',
      ...thresholds,
    };
  }
}

export function withRealms(
  count: number,
  settings: string = developmentSettings(testTenant),
  options: Pick<RealmsOptions, 'addressRate' | 'proxies'> = {},
): TestRealms {
  const realms = new TestRealms(count, settings, options);
  before(() => realms.start());
  after(() => realms.stop());
  return realms;
}
