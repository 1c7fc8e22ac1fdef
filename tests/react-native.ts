/** Applications in React Native: bundled with its condition, and run where only what Hermes has is there. */
import assert from 'node:assert/strict';
import { argon2 } from 'node:crypto';
import { constants, createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';

/** Argon2id of a native module, in lists of numbers as a bridge carries them. */
export type NativeArgon2 = (
  pin: readonly number[],
  salt: readonly number[],
  memoryKibibytes: number,
  iterations: number,
) => Promise<readonly number[]>;

/** The application in one script, as a bundler with these conditions makes it. */
export async function bundle(entryPoint: string, conditions: readonly string[]): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entryPoint],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'app',
    platform: 'browser',
    conditions: [...conditions],
    target: 'es2022',
    logLevel: 'silent',
    tsconfigRaw: { compilerOptions: { target: 'es2022', verbatimModuleSyntax: true } },
  });
  return outputFiles[0]!.text;
}

/** What a bundle names that is not there; a script has no import.meta: a bundler writes an empty object in its place. */
export const missingIn = (code: string): string[] =>
  ['import.meta', 'WebAssembly', 'new Worker', 'AbortSignal', 'TextDecoder'].filter((name) =>
    code.includes(name),
  );

/** What React Native brings, a random source included. Everything else that V8 and newer languages have is taken away. */
const brought = () => ({
  ...{ fetch: nativeFetch, URL, AbortController: NativeAbortController, setTimeout, clearTimeout },
  crypto: { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) },
});
const takeAway = `
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'Iterator', 'AsyncDisposableStack']) delete globalThis[name];
  for (const name of ['isWellFormed', 'toWellFormed']) delete String.prototype[name];
  for (const name of ['toSorted', 'toReversed', 'toSpliced', 'with']) delete Array.prototype[name];
  for (const name of ['toHex', 'toBase64', 'setFromHex']) delete Uint8Array.prototype[name];
  for (const name of ['fromHex', 'fromBase64']) delete Uint8Array[name];
  for (const name of ['withResolvers', 'try']) delete Promise[name];
  delete Array.fromAsync;
`;

/** Starts a bundle: what its entry exports. */
export function start<Application>(code: string): Application {
  // An ordinary global object, without the interceptors that others have.
  const context = createContext(constants.DONT_CONTEXTIFY);
  Object.assign(context, brought());
  runInContext(takeAway, context);
  const absent = 'AbortSignal Worker WebAssembly TextEncoder TextDecoder structuredClone process Buffer';
  for (const name of absent.split(' '))
    assert.equal(runInContext(`typeof ${name}`, context), 'undefined', name);
  runInContext(code, context);
  return runInContext('app', context) as Application;
}

/** Its signals have `aborted` and listeners, and no reason. */
class NativeAbortController {
  readonly #own = new AbortController();
  readonly signal = (({ signal }) => ({
    get aborted() {
      return signal.aborted;
    },
    addEventListener: signal.addEventListener.bind(signal),
    removeEventListener: signal.removeEventListener.bind(signal),
  }))(this.#own);

  abort(): void {
    this.#own.abort();
  }
}

/** Its answers come whole: they have no stream. */
export const nativeFetch: typeof fetch = async (input, { signal, ...init } = {}) => {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  try {
    const answer = await fetch(input, { ...init, signal: controller.signal });
    const bytes = await answer.arrayBuffer();
    const { status, headers } = answer;
    return { status, ok: answer.ok, headers, arrayBuffer: async () => bytes } as unknown as Response;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
};

export const nativeArgon2: NativeArgon2 = (pin, salt, memory, passes) =>
  new Promise((resolve, reject) => {
    const [message, nonce] = [Uint8Array.from(pin), Uint8Array.from(salt)];
    argon2('argon2id', { message, nonce, parallelism: 1, tagLength: 64, memory, passes }, (error, key) =>
      error === null ? resolve([...key]) : reject(error),
    );
  });
