import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Role } from '@keystead/protocol/deployment';
import type { LauncherConfig } from './config.ts';
import type { EnclaveStreams } from './enclave-process.ts';

/** Pause between two attempts, in milliseconds. */
const retryPause = 50;

/** Connects the streams of one enclave, waiting until those it belongs to are there or `signal` aborts. */
export async function connectStreams(
  role: Role,
  config: Pick<LauncherConfig, 'sockets' | 'headsSocket'>,
  signal: AbortSignal,
): Promise<EnclaveStreams> {
  const heads = role === 'certifier' ? await connectWhenThere(config.headsSocket, signal) : undefined;
  try {
    const gateway = await connectWhenThere(join(config.sockets, 'gateway.sock'), signal);
    return heads === undefined ? { gateway } : { gateway, heads };
  } catch (error) {
    heads?.destroy();
    throw error;
  }
}

/** Connects to a unix socket, waiting until it is there or `signal` aborts. */
export async function connectWhenThere(path: string, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    signal.throwIfAborted();
    const socket = await connectOnce(path);
    if (socket !== undefined) return socket;
    await new Promise((resolve) => setTimeout(resolve, retryPause));
  }
}

/** A connected socket from which nothing is read: its bytes belong to the enclave. */
function connectOnce(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.pause();
    socket.once('error', () => resolve(undefined));
    socket.once('connect', () => {
      // An end that comes later is the enclave's to see.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}
