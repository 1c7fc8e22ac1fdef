import { isAbsolute, resolve } from 'node:path';
import { KeeperError } from './keeper-error.ts';

export interface Environment {
  /** Directory of the log, used by nothing else. */
  directory: string;
  /** Path of the unix socket on which the certifier's stream arrives. */
  socket: string;
}

/** The longest path that a unix socket has on every supported system (unix(7): 108 bytes with the end). */
const maximumSocketPathBytes = 103;

/** Reads `KEYSTEAD_HEADS` and `KEYSTEAD_HEADS_SOCKET`. Throws KeeperError `heads-environment`. */
export function readEnvironment(variables: NodeJS.ProcessEnv): Environment {
  const directory = required(variables, 'KEYSTEAD_HEADS');
  const socket = required(variables, 'KEYSTEAD_HEADS_SOCKET');
  if (!isAbsolute(socket) || Buffer.byteLength(socket) > maximumSocketPathBytes)
    throw new KeeperError(
      'heads-environment',
      `KEYSTEAD_HEADS_SOCKET is not an absolute path of at most ${maximumSocketPathBytes} bytes`,
    );
  return { directory: resolve(directory), socket };
}

function required(variables: NodeJS.ProcessEnv, name: string): string {
  const value = variables[name];
  if (value === undefined || value === '') throw new KeeperError('heads-environment', `${name} is not set`);
  return value;
}
