import { isAbsolute, join, resolve } from 'node:path';

export interface Environment {
  /** Port on 127.0.0.1; 0 takes any free one. */
  readonly port: number;
  readonly database: string;
  /** Unix socket on which the enclave's stream arrives. */
  readonly socket: string;
}

/** The longest path that a unix socket has on every supported system (unix(7): 108 bytes with the end). */
const maximumSocketPathBytes = 103;

/** What is wrong with the environment; the message names the variable and never its content. */
export class EnvironmentError extends Error {
  constructor(detail: string) {
    super(detail);
    this.name = 'EnvironmentError';
  }
}

/** Reads `KEYSTEAD_PORT`, `KEYSTEAD_HOME` (the folder of the database) and `KEYSTEAD_SOCKETS`. */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const home = resolve(required(variables, 'KEYSTEAD_HOME'));
  const socket = join(required(variables, 'KEYSTEAD_SOCKETS'), 'backup.sock');
  if (!isAbsolute(socket) || Buffer.byteLength(socket) > maximumSocketPathBytes)
    throw new EnvironmentError('KEYSTEAD_SOCKETS is not an absolute path with room for a socket');
  const text = variables.KEYSTEAD_PORT ?? '0';
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) throw new EnvironmentError('KEYSTEAD_PORT is not a number from 0 to 65535');
  return { port, database: join(home, 'backup.sqlite'), socket };
}

function required(variables: NodeJS.ProcessEnv, name: string): string {
  const value = variables[name];
  if (value === undefined || value === '') throw new EnvironmentError(`${name} is not set`);
  return value;
}
