import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EnvironmentError, numberOf, required, socketIn } from '@keystead/host-program/environment';
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

/**
 * Reads `KEYSTEAD_PORT`, `KEYSTEAD_HOME`, `KEYSTEAD_SOCKETS`, `KEYSTEAD_RPC` (optional) and `KEYSTEAD_PROFILE`.
 * Throws EnvironmentError.
 */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const home = resolve(required(variables, 'KEYSTEAD_HOME'));
  return {
    port: numberOf(variables, 'KEYSTEAD_PORT', 65535, 7400),
    home,
    database: join(home, 'store.sqlite'),
    socket: socketIn(variables, 'KEYSTEAD_SOCKETS', 'gateway.sock'),
    endpoints: endpointsOf(variables.KEYSTEAD_RPC),
    profile: profileOf(variables.KEYSTEAD_PROFILE ?? 'development'),
  };
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
