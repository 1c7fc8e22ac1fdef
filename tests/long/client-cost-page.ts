/** The program of a page that recovers with our client and with the published one, in turn. */
import type { ConfigurationDocument } from '@keystead/juicebox/configuration';
import { createRecoveryClient } from '@keystead/sdk/recovery';
// @ts-expect-error The published package has no types for its glue.
import * as glue from 'juicebox-sdk/juicebox-sdk_bg.js';

export interface CostQuestion {
  readonly configuration: ConfigurationDocument;
  /** Of one user, by realm id. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly pin: string;
  readonly rounds: number;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const hex = (id: Uint8Array) => [...id].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const program = {
  /** Milliseconds of each recovery, in pairs whose order alternates. */
  async recoverBoth(
    question: CostQuestion,
  ): Promise<{ readonly own: number[]; readonly published: number[] }> {
    const { configuration, tokens, pin, rounds } = question;
    const { instance } = await WebAssembly.instantiateStreaming(fetch('/juicebox.wasm'), {
      './juicebox-sdk_bg.js': glue,
    });
    glue.__wbg_set_wasm(instance.exports);
    (instance.exports as { __wbindgen_start?: () => void }).__wbindgen_start?.();
    const secret = new Uint8Array(33).fill(7);
    const own = createRecoveryClient({ configuration, token: (realmId) => tokens[realmId]! });
    await own.register({ pin, secret, info: 'ada' });
    Object.assign(globalThis, { JuiceboxGetAuthToken: async (realmId: Uint8Array) => tokens[hex(realmId)] });
    const recoverPublished = async () => {
      const client = new glue.Client(new glue.Configuration(configuration), []);
      return new Uint8Array(await client.recover(bytes(pin), bytes('ada')));
    };
    const recoverOwn = () => own.recover({ pin, info: 'ada' });
    const timed = async (recover: () => Promise<Uint8Array>, into: number[]) => {
      const began = performance.now();
      const found = await recover();
      into.push(performance.now() - began);
      if (hex(found) !== hex(secret)) throw new Error('another secret');
    };
    const times = { own: [] as number[], published: [] as number[] };
    // Both once before anything is counted: the first loads code.
    await recoverOwn();
    await recoverPublished();
    for (let round = 0; round < rounds; round += 1) {
      if (round % 2 === 0) await timed(recoverOwn, times.own);
      await timed(recoverPublished, times.published);
      if (round % 2 === 1) await timed(recoverOwn, times.own);
    }
    return times;
  },
};

export type CostProgram = typeof program;

(globalThis as unknown as { keystead: CostProgram }).keystead = program;
