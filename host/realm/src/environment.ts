import { isAbsolute, join, resolve } from 'node:path';

export interface Environment {
  /** Port on 127.0.0.1; 0 takes any free one. */
  readonly port: number;
  readonly database: string;
  /** Unix socket on which the enclave's stream arrives. */
  readonly socket: string;
  /** Requests per second of one address; 0 is no bound. */
  readonly addressRate: number;
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

/** Reads `KEYSTEAD_PORT`, `KEYSTEAD_HOME` (the folder of the database), `KEYSTEAD_SOCKETS`, `KEYSTEAD_ADDRESS_RATE`. */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const home = resolve(required(variables, 'KEYSTEAD_HOME'));
  const socket = join(required(variables, 'KEYSTEAD_SOCKETS'), 'realm.sock');
  if (!isAbsolute(socket) || Buffer.byteLength(socket) > maximumSocketPathBytes)
    throw new EnvironmentError('KEYSTEAD_SOCKETS is not an absolute path with room for a socket');
  return {
    port: numberOf(variables, 'KEYSTEAD_PORT', 65535),
    database: join(home, 'realm.sqlite'),
    socket,
    addressRate: numberOf(variables, 'KEYSTEAD_ADDRESS_RATE', 1_000_000),
  };
}

function required(variables: NodeJS.ProcessEnv, name: string): string {
  const value = variables[name];
  if (value === undefined || value === '') throw new EnvironmentError(`${name} is not set`);
  return value;
}

function numberOf(variables: NodeJS.ProcessEnv, name: string, maximum: number): number {
  const text = variables[name] ?? '0';
  const number = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number <= maximum)) throw new EnvironmentError(`${name} is not a number from 0 to ${maximum}`);
  return number;
}
