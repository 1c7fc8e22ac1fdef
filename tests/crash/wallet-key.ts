/** The wallet key of a running stack, as operators see it and as its rows have it. */
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { copyStore } from '@keystead/cli/ledger/store-file';
import { wrappingOf } from '@keystead/protocol/sealed-row';
import { keystead, type Ran } from '../unlock/operator-commands.ts';

export interface WalletKey {
  readonly newest: number;
  readonly oldest: number;
  readonly isUsed: boolean;
  readonly isComplete: boolean;
  readonly rewrapped: number;
}

export const rotate = (home: string): Promise<Ran> => keystead(home, ['operator', 'rotate', 'wallet-key']);
export const retire = (home: string): Promise<Ran> => keystead(home, ['operator', 'retire', 'wallet-key']);

/** Undefined while the launcher or the signer is away. */
export async function walletKey(home: string): Promise<WalletKey | undefined> {
  const { code, out } = await keystead(home, ['operator', 'status', '--json']);
  if (code !== 0) return undefined;
  return (JSON.parse(out) as { walletKey: WalletKey | null }).walletKey ?? undefined;
}

/** How many rows of the store are under each generation; a row that has none counts as 0. */
export async function generationsOfRows(home: string): Promise<Map<number, number>> {
  const copy = await copyStore(join(home, 'store.sqlite'));
  try {
    const generations = new Map<number, number>();
    for (const { bytes } of copy.database.prepare('SELECT bytes FROM secrets').iterate()) {
      const generation = wrappingOf(bytes as Uint8Array)?.generation ?? 0;
      generations.set(generation, (generations.get(generation) ?? 0) + 1);
    }
    return generations;
  } finally {
    copy.close();
  }
}

/** Waits until `holds` gives something; throws after a minute or two. */
export async function until<T>(what: string, holds: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 150_000;
  for (;;) {
    const found = await holds();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not in time: ${what}`);
    await wait(200);
  }
}
