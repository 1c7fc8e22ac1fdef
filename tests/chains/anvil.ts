/** A development Ethereum node that runs as Sepolia, the one test network that published clients know. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '@keystead/stack/free-port';

export const SEPOLIA_CHAIN_ID = 11_155_111;
/** CAIP-2. */
export const SEPOLIA = `eip155:${SEPOLIA_CHAIN_ID}`;

const PROGRAM = join(import.meta.dirname, '../../node_modules/.bin/anvil');

export interface Anvil {
  readonly url: string;
  /** One JSON-RPC call. Throws Error with the node's message. */
  call(method: string, params: readonly unknown[]): Promise<unknown>;
  /** Sets the balance of an address, in wei. */
  fund(address: string, wei: bigint): Promise<void>;
  /** Wei. */
  balance(address: string): Promise<bigint>;
  /** Waits until a transaction stands in a block; false when its execution failed. */
  mined(hash: string): Promise<boolean>;
  stop(): Promise<void>;
}

/** Starts anvil on a free port of loopback with one block per transaction; resolves when it answers. */
export async function startAnvil(): Promise<Anvil> {
  const port = await freePort(0);
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(
    PROGRAM,
    ['--port', `${port}`, '--chain-id', `${SEPOLIA_CHAIN_ID}`, '--silent', '--accounts', '1'],
    { stdio: 'ignore' },
  );
  const exited = once(child, 'exit');
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  failed.catch(() => {});

  const call = async (method: string, params: readonly unknown[]): Promise<unknown> => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const answer = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (answer.error !== undefined) throw new Error(answer.error.message);
    return answer.result;
  };
  const answering = async (): Promise<void> => {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`anvil ended with code ${child.exitCode}`);
      try {
        await call('eth_chainId', []);
        return;
      } catch {
        await wait(25);
      }
    }
  };
  await Promise.race([answering(), failed]);

  return {
    url,
    call,
    async fund(address, wei) {
      await call('anvil_setBalance', [address, `0x${wei.toString(16)}`]);
    },
    async balance(address) {
      return BigInt((await call('eth_getBalance', [address, 'latest'])) as string);
    },
    async mined(hash) {
      for (;;) {
        const receipt = await call('eth_getTransactionReceipt', [hash]);
        if (receipt !== null) return (receipt as { status: string }).status === '0x1';
        await wait(10);
      }
    },
    async stop() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
