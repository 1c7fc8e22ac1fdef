import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { ReadStream } from 'node:tty';
import { SecretBytes } from '@keystead/crypto/secret-bytes';
import { CommandError } from '../command-error.ts';
import type { Surroundings } from '../surroundings.ts';

const maximumBytes = 65_536;
const interrupt = 0x03;
const endOfInput = 0x04;
const backspaces = [0x08, 0x7f];
const lineEnds = [0x0a, 0x0d];

/**
 * A secret from a file, from standard input, or typed without being shown: in that order of what there is. Line ends
 * at its end are left away. Throws CommandError.
 */
export async function readSecret(
  file: string | undefined,
  prompt: string,
  surroundings: Surroundings,
): Promise<SecretBytes> {
  const { stdin } = surroundings;
  const bytes =
    file !== undefined
      ? readPrivateFile(file)
      : stdin.isTTY === true
        ? await typed(prompt, stdin as ReadStream)
        : await piped(stdin);
  let length = bytes.length;
  while (length > 0 && lineEnds.includes(bytes[length - 1]!)) length--;
  const secret = new SecretBytes(bytes.subarray(0, length));
  bytes.fill(0);
  if (length === 0) throw new CommandError('the secret is empty', 'give it by --file, or on standard input');
  return secret;
}

/** The content of a file that only its owner can read. Throws CommandError when others can. */
export function readPrivateFile(path: string): Uint8Array {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDONLY);
  } catch (error) {
    throw new CommandError(
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      'name a file that is there',
    );
  }
  try {
    const { mode, size } = fstatSync(descriptor);
    if ((mode & 0o077) !== 0)
      throw new CommandError(
        `${path} can be read by others`,
        `chmod 600 ${path}, and think of the secret as known`,
      );
    if (size > maximumBytes) throw new CommandError(`${path} is too long for a secret`, 'name another file');
    const bytes = new Uint8Array(size);
    let offset = 0;
    while (offset < size) {
      const read = readSync(descriptor, bytes, offset, size - offset, offset);
      if (read === 0) break;
      offset += read;
    }
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

async function piped(stdin: Surroundings['stdin']): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > maximumBytes)
      throw new CommandError('standard input is too long for a secret', 'give the secret alone');
  }
  const bytes = new Uint8Array(Buffer.concat(chunks));
  for (const chunk of chunks) chunk.fill(0);
  return bytes;
}

function typed(prompt: string, stdin: ReadStream): Promise<Uint8Array> {
  process.stderr.write(`${prompt}: `);
  const bytes: number[] = [];
  return new Promise((resolve, reject) => {
    const finish = (end: () => void) => {
      stdin.off('data', take);
      stdin.setRawMode(false);
      stdin.pause();
      process.stderr.write('\n');
      end();
    };
    const take = (chunk: Buffer) => {
      for (const byte of chunk) {
        if (byte === interrupt)
          return finish(() => reject(new CommandError('interrupted', 'nothing was changed')));
        if (lineEnds.includes(byte) || byte === endOfInput)
          return finish(() => {
            resolve(Uint8Array.from(bytes));
            bytes.fill(0);
          });
        if (backspaces.includes(byte)) bytes.pop();
        else bytes.push(byte);
      }
      chunk.fill(0);
    };
    stdin.setRawMode(true);
    stdin.on('data', take);
    stdin.resume();
  });
}
