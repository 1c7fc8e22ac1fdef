/** The npm package `juicebox-sdk`, unmodified, for one user at a time: its token hook belongs to the process. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';

interface PublishedModule {
  Client: new (
    configuration: unknown,
    previous: readonly unknown[],
  ) => {
    register(pin: Uint8Array, secret: Uint8Array, info: Uint8Array, guesses: number): Promise<void>;
    recover(pin: Uint8Array, info: Uint8Array): Promise<Uint8Array>;
    delete(): Promise<void>;
  };
  Configuration: new (document: unknown) => unknown;
  AuthTokenGenerator: new (options: unknown) => { vend(realmId: string, secretId: string): string };
  RecoverErrorReason: Record<string, string | number>;
  RegisterError: Record<string, string | number>;
  DeleteError: Record<string, string | number>;
  __wbg_set_wasm(exports: unknown): void;
}

const path = (file: string) => createRequire(import.meta.url).resolve(`juicebox-sdk/${file}`);
const glue = (await import(path('juicebox-sdk_bg.js'))) as PublishedModule;
const { instance } = await WebAssembly.instantiate(readFileSync(path('juicebox-sdk_bg.wasm')), {
  './juicebox-sdk_bg.js': glue as unknown as WebAssembly.ModuleImports,
});
glue.__wbg_set_wasm(instance.exports);
(instance.exports as { __wbindgen_start?: () => void }).__wbindgen_start?.();

/** Name of a refusal instead of its number. */
export interface PublishedRefusal {
  readonly reason: string;
  readonly guessesRemaining: number | undefined;
}

export class PublishedClient {
  readonly #configuration: ConfigurationDocument;
  readonly #previous: readonly ConfigurationDocument[];
  readonly #token: (realmId: string) => string;

  constructor(
    configuration: ConfigurationDocument,
    token: (realmId: string) => string,
    previous: readonly ConfigurationDocument[] = [],
  ) {
    this.#configuration = configuration;
    this.#token = token;
    this.#previous = previous;
  }

  async register(pin: string, secret: Uint8Array, info: string, guesses: number): Promise<string> {
    return await outcome(glue.RegisterError, () =>
      this.#client().register(utf8(pin), secret, utf8(info), guesses),
    );
  }

  async recover(pin: string, info: string): Promise<Uint8Array | PublishedRefusal> {
    try {
      return new Uint8Array(await this.#client().recover(utf8(pin), utf8(info)));
    } catch (error) {
      const { reason, guesses_remaining } = error as { reason?: number; guesses_remaining?: number };
      if (reason === undefined) throw error;
      return { reason: String(glue.RecoverErrorReason[reason]), guessesRemaining: guesses_remaining };
    }
  }

  async delete(): Promise<string> {
    return await outcome(glue.DeleteError, () => this.#client().delete());
  }

  #client() {
    Object.assign(globalThis, {
      JuiceboxGetAuthToken: async (realmId: Uint8Array) => this.#token(Buffer.from(realmId).toString('hex')),
    });
    return new glue.Client(new glue.Configuration(this.#configuration), this.#previous);
  }
}

async function outcome(names: Record<string, string | number>, action: () => Promise<void>): Promise<string> {
  try {
    await action();
    return 'ok';
  } catch (error) {
    if (typeof error !== 'number') throw error;
    return String(names[error]);
  }
}

const utf8 = (text: string) => new TextEncoder().encode(text);
