import { join, resolve } from 'node:path';
import { numberOf, required, socketIn } from '@keystead/host-program/environment';

export interface Environment {
  /** Port on 127.0.0.1; 0 takes any free one. */
  readonly port: number;
  readonly database: string;
  /** The operator's file of who is told of what; there need not be one. */
  readonly notifications: string;
  /** Unix socket on which the enclave's stream arrives. */
  readonly socket: string;
  /** Requests per second of one address; 0 is no bound. */
  readonly addressRate: number;
  /** Trusted proxies before this server. */
  readonly proxies: number;
}

/**
 * Reads `KEYSTEAD_PORT`, `KEYSTEAD_HOME` (the folder of the database), `KEYSTEAD_SOCKETS`, `KEYSTEAD_ADDRESS_RATE`,
 * `KEYSTEAD_PROXIES`.
 * Throws EnvironmentError.
 */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const home = resolve(required(variables, 'KEYSTEAD_HOME'));
  return {
    port: numberOf(variables, 'KEYSTEAD_PORT', 65535, 0),
    database: join(home, 'realm.sqlite'),
    notifications: join(home, 'notifications.json'),
    socket: socketIn(variables, 'KEYSTEAD_SOCKETS', 'realm.sock'),
    addressRate: numberOf(variables, 'KEYSTEAD_ADDRESS_RATE', 1_000_000, 0),
    proxies: numberOf(variables, 'KEYSTEAD_PROXIES', 16, 0),
  };
}
