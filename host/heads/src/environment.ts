import { resolve } from 'node:path';
import { required, socketPath } from '@keystead/host-program/environment';

export interface Environment {
  /** Directory of the log, used by nothing else. */
  directory: string;
  /** Path of the unix socket on which the certifier's stream arrives. */
  socket: string;
}

/** Reads `KEYSTEAD_HEADS` and `KEYSTEAD_HEADS_SOCKET`. Throws EnvironmentError. */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  return {
    directory: resolve(required(variables, 'KEYSTEAD_HEADS')),
    socket: socketPath('KEYSTEAD_HEADS_SOCKET', required(variables, 'KEYSTEAD_HEADS_SOCKET')),
  };
}
