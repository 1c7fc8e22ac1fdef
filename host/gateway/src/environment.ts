import { readFileSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { type Endpoints, readEndpoints } from './broadcast/endpoints.ts';

export interface Environment {
  /** Port on 127.0.0.1; 0 takes any free one. */
  readonly port: number;
  /** Data directory: the database and deployment.json. */
  readonly home: string;
  readonly database: string;
  /** Unix socket on which the enclaves' streams arrive. */
  readonly socket: string;
  readonly endpoints: Endpoints;
  readonly profile: 'development' | 'production';
}

/** The longest path that a unix socket has on every supported system (unix(7): 108 bytes with the end). */
const maximumSocketPathBytes = 103;

/** What is wrong with the gateway's environment; the message names the variable and never its content. */
export class EnvironmentError extends Error {
  constructor(detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = 'EnvironmentError';
  }
}

/**
 * Reads `KEYSTEAD_PORT`, `KEYSTEAD_HOME`, `KEYSTEAD_SOCKETS`, `KEYSTEAD_RPC` (optional) and `KEYSTEAD_PROFILE`.
 * Throws EnvironmentError.
 */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const home = resolve(required(variables, 'KEYSTEAD_HOME'));
  const socket = join(required(variables, 'KEYSTEAD_SOCKETS'), 'gateway.sock');
  if (!isAbsolute(socket) || Buffer.byteLength(socket) > maximumSocketPathBytes)
    throw new EnvironmentError(
      `KEYSTEAD_SOCKETS is not an absolute path that leaves room for gateway.sock in ${maximumSocketPathBytes} bytes`,
    );
  return {
    port: portOf(variables.KEYSTEAD_PORT ?? '7400'),
    home,
    database: join(home, 'store.sqlite'),
    socket,
    endpoints: endpointsOf(variables.KEYSTEAD_RPC),
    profile: profileOf(variables.KEYSTEAD_PROFILE ?? 'development'),
  };
}

function required(variables: NodeJS.ProcessEnv, name: string): string {
  const value = variables[name];
  if (value === undefined || value === '') throw new EnvironmentError(`${name} is not set`);
  return value;
}

function portOf(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65535)) throw new EnvironmentError('KEYSTEAD_PORT is not a number from 0 to 65535');
  return port;
}

function profileOf(text: string): 'development' | 'production' {
  if (text === 'development' || text === 'production') return text;
  throw new EnvironmentError('KEYSTEAD_PROFILE is neither development nor production');
}

function endpointsOf(path: string | undefined): Endpoints {
  if (path === undefined || path === '') return new Map();
  try {
    return readEndpoints(readFileSync(path));
  } catch (cause) {
    const detail = cause instanceof TypeError ? `: ${cause.message}` : '';
    throw new EnvironmentError(`KEYSTEAD_RPC names no readable file of endpoints${detail}`, { cause });
  }
}
