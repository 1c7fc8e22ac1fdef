/** A seedless wallet in an application in React Native, bundled with its condition and run where only what Hermes has is there. */
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { createClient } from '@keystead/sdk/client';
import type { ConfigurationDocument, Stretch } from '@keystead/sdk/recovery';
import { createSeedlessWallets, type KeeperDocument, type SeedlessWallets } from '@keystead/sdk/seedless';
import { memoryDeviceStore } from '@keystead/sdk/seedless/device-store';
import { keyStamper } from '@keystead/sdk/stampers/key';
import type { NativeArgon2 } from '../react-native.ts';

export interface Native {
  readonly api: string;
  readonly deploymentId: string;
  readonly organizationId: string;
  /** Of the account's authenticator, as the bridge carries it. */
  readonly privateKey: readonly number[];
  readonly keeper: KeeperDocument;
  readonly configuration: ConfigurationDocument;
  readonly fetch: typeof fetch;
  /** None is what an application forgot. */
  readonly argon2?: NativeArgon2;
}

/** What the application keeps of one device. */
export interface Device {
  readonly wallets: SeedlessWallets;
}

export function device(native: Native): Device {
  const { api, deploymentId, organizationId, keeper, configuration, fetch, argon2 } = native;
  const privateKey = SecretBytes.take(Uint8Array.from(native.privateKey));
  const stamper = keyStamper({ algorithm: 'Ed25519', privateKey });
  const client = createClient({ baseUrl: api, stamper, root: deploymentId, fetch });
  const deviceStore = memoryDeviceStore();
  const stretch = argon2 === undefined ? {} : { stretch: stretchBy(argon2) };
  return {
    wallets: createSeedlessWallets({
      client,
      organizationId,
      keeper,
      configuration,
      deviceStore,
      fetch,
      ...stretch,
    }),
  };
}

const stretchBy =
  (argon2: NativeArgon2): Stretch =>
  async ({ pin, salt, memoryKibibytes, iterations }) =>
    Uint8Array.from(await argon2([...pin], [...salt], memoryKibibytes, iterations));

const backupName = 'main';

/** `done`, or the code that a call rejects with. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    const { code, name } = error as { code?: string; name?: string };
    return code ?? name ?? String(error);
  }
}

export const create = ({ wallets }: Device, pin: string) => outcome(wallets.create({ backupName, pin }));
export const recover = ({ wallets }: Device, pin: string) => outcome(wallets.recover({ backupName, pin }));
export const changePin = ({ wallets }: Device, pin: string, newPin: string) =>
  outcome(wallets.changePin({ backupName, pin, newPin }));
export const verifyPin = ({ wallets }: Device, pin: string) => wallets.verifyPin({ backupName, pin });
export const phrase = ({ wallets }: Device) => wallets.exportPhrase({ backupName });
export const guesses = async ({ wallets }: Device) =>
  (await wallets.guessesRemaining({ backupName })).guesses;
export const remove = ({ wallets }: Device) => outcome(wallets.delete({ backupName }));

/** Whether page and passphrase of a kit bring the seed to another device of the application. */
export async function moveByKit({ wallets }: Device, other: Device): Promise<string> {
  const { page, passphrase } = await wallets.exportKit({ backupName });
  return outcome(other.wallets.importKit({ backupName, page, passphrase }));
}

/** Recovers, and gives up at once. */
export async function abandon({ wallets }: Device, pin: string): Promise<string> {
  const giveUp = new AbortController();
  setTimeout(() => giveUp.abort());
  return outcome(wallets.recover({ backupName, pin, signal: giveUp.signal }));
}
