import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { branch, type Role } from '@keystead/protocol/deployment';
import type { LauncherConfig } from './config.ts';
import { syncDirectory, writeNewFile } from './durable-file.ts';
import { exitConfiguration, LaunchError } from './launch-error.ts';

const label =
  '# DEVELOPMENT UNLOCK KEY. Whoever reads this file and the genesis directory holds every wallet of this deployment.';

/**
 * The unlock key of each role, from the development file, which a new deployment makes. Throws LaunchError in the
 * production profile unless the operator chose it, and when a founded deployment has lost it.
 */
export function developmentUnlock(
  config: Pick<LauncherConfig, 'profile' | 'unlock'>,
  founded: boolean,
): (role: Role) => SecretBytes {
  const path = config.unlock.developmentFile;
  if (config.profile === 'production' && !config.unlock.chosen)
    throw new LaunchError(
      'the production profile does not unlock from a development file: whoever reads the disk would hold every wallet',
      'set KEYSTEAD_UNLOCK=development-file to accept exactly that, or KEYSTEAD_PROFILE=development',
      exitConfiguration,
    );
  if (!existsSync(path)) {
    if (founded)
      throw new LaunchError(
        `the unlock key ${path} is missing`,
        'put it back from a backup; nothing else opens the records',
      );
    makeKeyFile(path);
  }
  const key = readKeyFile(path);
  return (role) => branch(key, `keystead/unlock/${role}/v1`);
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
