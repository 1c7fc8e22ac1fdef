import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { LauncherConfig } from '../config.ts';
import { syncDirectory, writeNewFile } from '../durable-file.ts';
import { exitConfiguration, LaunchError } from '../launch-error.ts';
import { listenForDevelopment } from './development-operators.ts';
import type { OperatorSocket } from './operator-socket.ts';
import type { Opened, Unlock } from './unlock.ts';

const label =
  '# DEVELOPMENT UNLOCK KEY. Whoever reads this file and the genesis directory holds every wallet of this deployment.';

/** The unlock secret in a file of the home, which a new deployment makes. */
export class DevelopmentFile implements Unlock<unknown> {
  readonly kind = 'development-file';
  readonly given = true;
  readonly #path: string;
  readonly #socket: string;
  #listening: OperatorSocket | undefined;

  /** Throws LaunchError in the production profile unless it was chosen, and when a founded deployment has lost it. */
  constructor({ profile, unlock }: Pick<LauncherConfig, 'profile' | 'unlock'>, founded: boolean) {
    this.#path = unlock.developmentFile;
    this.#socket = unlock.operatorSocket;
    if (profile === 'production' && unlock.kind !== 'development-file')
      throw new LaunchError(
        'the production profile does not unlock from a development file: whoever reads the disk would hold every wallet',
        'set KEYSTEAD_UNLOCK=development-file to accept exactly that, or KEYSTEAD_PROFILE=development',
        exitConfiguration,
      );
    if (founded && !existsSync(this.#path))
      throw new LaunchError(
        `the unlock key ${this.#path} is missing`,
        'put it back from a backup; nothing else opens the records',
      );
  }

  async found(): Promise<{ readonly record: undefined }> {
    if (!existsSync(this.#path)) makeKeyFile(this.#path);
    return { record: undefined };
  }

  async secret(): Promise<SecretBytes> {
    return readKeyFile(this.#path);
  }

  async serve({ keys }: Opened<unknown>): Promise<void> {
    this.#listening = await listenForDevelopment({
      socket: this.#socket,
      secret: () => this.secret(),
      keys,
    });
  }

  opened(): void {}

  close(): void {
    this.#listening?.close();
  }
}

function makeKeyFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const key = randomFillSync(new Uint8Array(32));
  writeNewFile(path, `${label}\n${hexEncode(key)}\n`, 0o600);
  key.fill(0);
  syncDirectory(dirname(path));
  syncDirectory(dirname(dirname(path)));
}

function readKeyFile(path: string): SecretBytes {
  const lines = readFileSync(path, 'utf8').split('\n');
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length !== 1 || !/^[0-9a-f]{64}$/.test(keys[0]))
    throw new LaunchError(
      `${path} holds no unlock key`,
      'it has one line of 64 lower-case hexadecimal digits',
    );
  return SecretBytes.take(hexDecode(keys[0]));
}
