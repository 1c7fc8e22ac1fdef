/** What becomes of the requests of a device on their way. */
import type { SeedlessOptions, SeedlessWallets } from '@keystead/sdk/seedless';

/** One request of a device, on its way. */
export interface Sent {
  /** From 1, among those of the device. */
  readonly number: number;
  readonly to: 'deployment' | 'keeper' | 'realm';
  /** Of what the deployment is asked to permit. */
  readonly method?: string;
  /** Of what goes to the keeper or a realm. */
  readonly url?: string;
  readonly body?: Uint8Array;
}

/** What becomes of a request: `deliver` can be called never, once, later or again. */
export type Way = <T>(sent: Sent, deliver: () => Promise<T>) => Promise<T>;

export const openWay: Way = (_sent, deliver) => deliver();

/** Devices of one account. */
export interface Devices {
  device(way: Way, options?: Partial<SeedlessOptions>): SeedlessWallets;
}

/** The request never leaves, or it is done and its answer is lost: once, or everything that comes later as well. */
export interface Loss {
  readonly request: number;
  readonly when: 'before' | 'after';
  readonly forGood: boolean;
}

export function losing({ request, when, forGood }: Loss): Way {
  return async ({ number }, deliver) => {
    const isAt = number === request;
    if (number < request || (number > request && !forGood)) return deliver();
    if (isAt && when === 'after') await deliver();
    throw new TypeError('connection lost');
  };
}

/** Nothing leaves any more from the first request of this method on. */
export function losingFrom(method: string): Way {
  let isLost = false;
  return async (sent, deliver) => {
    isLost ||= sent.method === method;
    if (isLost) throw new TypeError('connection lost');
    return deliver();
  };
}

/** How many requests something of a device has. */
export async function requestsOf(act: (way: Way) => Promise<unknown>): Promise<number> {
  let count = 0;
  await act((sent, deliver) => {
    count = sent.number;
    return deliver();
  });
  return count;
}
