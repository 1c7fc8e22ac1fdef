/** `keystead …` as operators run it, in this process: secrets come on standard input. */
import { Readable } from 'node:stream';
import { runCommandLine } from '@keystead/cli/command-line';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function keystead(
  home: string,
  words: readonly string[],
  input: string | Uint8Array = '',
): Promise<Ran> {
  let out = '';
  let err = '';
  const surroundings = {
    credentials: undefined,
    home,
    heads: `${home}-heads`,
    rpcUrl: undefined,
    searchPath: process.env.PATH ?? '',
    stdin: Readable.from([Buffer.from(input)]),
    say: (line: string) => {
      err += `${line}\n`;
    },
  };
  const code = await runCommandLine(words, surroundings, (text) => {
    out += text;
  });
  return { code, out, err };
}
