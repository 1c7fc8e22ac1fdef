import type { Readable } from 'node:stream';

/** The environment of the command, all of it, read in this one place. */
export interface Surroundings {
  /** KEYSTEAD_CREDENTIALS */
  readonly credentials: string | undefined;
  /** KEYSTEAD_HOME; default `.keystead` */
  readonly home: string;
  /** KEYSTEAD_HEADS; by default beside the home */
  readonly heads: string;
  /** KEYSTEAD_RPC_URL */
  readonly rpcUrl: string | undefined;
  /** PATH */
  readonly searchPath: string;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Writes a line for people to standard error. */
  say(line: string): void;
}

export function readSurroundings(): Surroundings {
  const variable = (name: string) => process.env[name] || undefined;
  const home = variable('KEYSTEAD_HOME') ?? '.keystead';
  return {
    credentials: variable('KEYSTEAD_CREDENTIALS'),
    home,
    heads: variable('KEYSTEAD_HEADS') ?? `${home.replace(/\/+$/, '')}-heads`,
    rpcUrl: variable('KEYSTEAD_RPC_URL'),
    searchPath: variable('PATH') ?? '',
    stdin: process.stdin,
    say: (line) => void process.stderr.write(`${line}\n`),
  };
}
