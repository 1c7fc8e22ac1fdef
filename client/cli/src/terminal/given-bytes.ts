import { readFileSync } from 'node:fs';
import { base58Decode } from '@keystead/crypto/base58';
import { CommandError } from '../command-error.ts';
import type { Surroundings } from '../surroundings.ts';

export const encodings = ['auto', 'hex', 'base64', 'base58', 'binary'] as const;
export type Encoding = (typeof encodings)[number];

const maximumBytes = 1_048_576;

/** The content of a file, or of standard input when `file` is `-` or missing. Throws CommandError. */
export async function readGiven(file: string | undefined, surroundings: Surroundings): Promise<Uint8Array> {
  if (file !== undefined && file !== '-') {
    try {
      return new Uint8Array(readFileSync(file));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
      throw new CommandError(
        `${file} cannot be read (${code})`,
        'name a file that is there, or - for standard input',
      );
    }
  }
  if (surroundings.stdin.isTTY === true) surroundings.say('reading standard input, end it with Ctrl-D');
  const chunks: Buffer[] = [];
  for await (const chunk of surroundings.stdin) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  if (bytes.length > maximumBytes) throw new CommandError('standard input is too long', 'give at most 1 MiB');
  return new Uint8Array(bytes);
}

/**
 * Bytes written as text, or as they are. `auto` reads 0x and hexadecimal digits as such, and anything else as base64 of
 * either alphabet. Throws CommandError.
 */
export function decodeGiven(content: Uint8Array, encoding: Encoding): Uint8Array {
  if (encoding === 'binary') return content;
  const text = new TextDecoder().decode(content).trim();
  if (encoding === 'hex' || (encoding === 'auto' && text.startsWith('0x'))) {
    const digits = text.replace(/^0x/, '');
    if (!/^([0-9a-fA-F]{2})+$/.test(digits)) throw wrong('hexadecimal');
    return new Uint8Array(Buffer.from(digits, 'hex'));
  }
  if (encoding === 'base58') {
    try {
      return base58Decode(text, maximumBytes);
    } catch {
      throw wrong('base58');
    }
  }
  const plain = text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
  const bytes = Buffer.from(plain, 'base64');
  if (plain === '' || bytes.toString('base64').replace(/=+$/, '') !== plain) throw wrong('base64');
  return new Uint8Array(bytes);
}

function wrong(encoding: string): CommandError {
  return new CommandError(`the bytes are not written in ${encoding}`, 'name their encoding with --encoding');
}
