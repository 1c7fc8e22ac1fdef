/** The program of the test page for seedless wallets, as a web application would use the SDK. */
import { createClient } from '@keystead/sdk/client';
import type { NewKeypairAuthenticator } from '@keystead/sdk/native-calls';
import { createSeedlessWallets, type SeedlessOptions } from '@keystead/sdk/seedless';
import { browserDeviceStore } from '@keystead/sdk/seedless/browser-device-store';
import { forNewOrganization, newKeypairAuthenticator } from '@keystead/sdk/stampers/possession';
import { openBrowserKey } from '@keystead/sdk/stampers/webcrypto';

export interface World {
  readonly api: string;
  readonly root: string;
  readonly keeper: SeedlessOptions['keeper'];
  readonly configuration: SeedlessOptions['configuration'];
}

export interface Account extends World {
  readonly organizationId: string;
}

const backupName = 'main';
const username = 'ada';
const longTasks: number[] = [];
const note = (entries: PerformanceEntryList) => {
  for (const { duration } of entries) longTasks.push(duration);
};
const observer = new PerformanceObserver((list) => note(list.getEntries()));
observer.observe({ type: 'longtask' });

const client = async ({ api, root }: World) =>
  createClient({ baseUrl: api, root, stamper: await openBrowserKey('account') });

const wallets = async (account: Account) =>
  createSeedlessWallets({ ...account, client: await client(account), deviceStore: browserDeviceStore() });

/** The code of what a call rejects with, or `done`. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string };
    return code ?? String(message);
  }
}

const program = {
  async found(world: World): Promise<string> {
    const own = await client(world);
    const registration = {
      deploymentId: own.deploymentId,
      organizationId: forNewOrganization,
      username,
    };
    const authenticator = await newKeypairAuthenticator(own.stamper, registration, {
      authenticatorName: 'first browser',
    });
    const { organizationId } = await own.call('createOrganization', {
      organizationName: 'Ada',
      users: [{ username, policy: { type: 'ROOT' }, authenticators: [authenticator] }],
    });
    return organizationId;
  },

  /** What another browser enrols of this one. */
  async ownKey(account: Account, authenticatorName: string): Promise<NewKeypairAuthenticator> {
    const own = await client(account);
    const registration = {
      deploymentId: own.deploymentId,
      organizationId: account.organizationId,
      username,
    };
    return newKeypairAuthenticator(own.stamper, registration, { authenticatorName });
  },

  async enrol(account: Account, authenticator: NewKeypairAuthenticator): Promise<void> {
    const own = await client(account);
    const { organizationId } = account;
    await own.call('createAuthenticator', { organizationId, username, authenticator });
  },

  create: async (account: Account, pin: string) =>
    outcome((await wallets(account)).create({ backupName, pin })),
  recover: async (account: Account, pin: string) =>
    outcome((await wallets(account)).recover({ backupName, pin })),
  changePin: async (account: Account, pin: string, newPin: string) =>
    outcome((await wallets(account)).changePin({ backupName, pin, newPin })),
  resetPin: async (account: Account, newPin: string) =>
    outcome((await wallets(account)).resetPin({ backupName, newPin })),
  verifyPin: async (account: Account, pin: string) => (await wallets(account)).verifyPin({ backupName, pin }),

  /** The phrase, or the code of why there is none. */
  async phrase(account: Account): Promise<string> {
    const own = await wallets(account);
    return own.exportPhrase({ backupName }).catch((error: { code?: string }) => String(error.code));
  },

  /** Everything that IndexedDB keeps, as text of its bytes: what a copy of the browser's files shows. */
  async kept(): Promise<string> {
    const texts: string[] = [];
    for (const { name } of await indexedDB.databases()) {
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open(name!);
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error);
      });
      for (const store of database.objectStoreNames) {
        const all = await new Promise<unknown[]>((resolve, reject) => {
          const request = database.transaction(store).objectStore(store).getAll();
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
        for (const value of all) texts.push(hexOf(value));
      }
      database.close();
    }
    return texts.join(' ');
  },

  /** The longest entry of the page's thread above 50 ms since the last call, in milliseconds; 0 without one. */
  async longestTask(): Promise<number> {
    await new Promise((wake) => setTimeout(wake, 100));
    note(observer.takeRecords());
    return Math.max(0, ...longTasks.splice(0));
  },

  /** So many tasks of so many milliseconds of work each, as they take on a thread that nobody disturbs. */
  async work(tasks: number, milliseconds: number): Promise<void> {
    for (let task = 0; task < tasks; task += 1) {
      await new Promise((wake) => setTimeout(wake, 20));
      turn(milliseconds * turnsPerMillisecond);
    }
  },
};

function turn(turns: number): number {
  let value = 1;
  for (let count = 0; count < turns; count += 1) value = Math.imul(value, 1664525) + 1013904223;
  return value;
}

/** By the fastest of many short tries: others on the machine make a try slower and never faster. */
const turnsPerMillisecond = (() => {
  const turns = 200_000;
  let fastest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const began = performance.now();
    turn(turns);
    fastest = Math.min(fastest, performance.now() - began);
  }
  return turns / Math.max(fastest, 0.05);
})();

function hexOf(value: unknown): string {
  if (value instanceof CryptoKey) return value.type !== 'public' && value.extractable ? 'extractable' : 'key';
  if (value instanceof ArrayBuffer) return hexOf(new Uint8Array(value));
  if (value instanceof Uint8Array)
    return [...value].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.values(value).map(hexOf).join(' ');
}

export type SeedlessProgram = typeof program;

(globalThis as unknown as { keystead: SeedlessProgram }).keystead = program;
