import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Serving } from './run-host.ts';

/** A server in front of an enclave, and what it stands on. */
export interface LinkedServer {
  readonly link: {
    listen(path: string): Promise<void>;
    drain(patience: number): Promise<void>;
    close(): Promise<void>;
  };
  readonly server: Server;
  readonly environment: { readonly port: number; readonly socket: string };
  /** Called when everything else is closed. */
  close(): void;
}

/** Listens for the enclave, then for clients on 127.0.0.1. */
export async function startLinkedServer(options: LinkedServer): Promise<Serving & { readonly port: number }> {
  const { link, server, environment } = options;
  const close = async () => {
    await link.close();
    options.close();
  };
  try {
    await link.listen(environment.socket);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(environment.port, '127.0.0.1', () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    port: (server.address() as AddressInfo).port,
    async stop(patience) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await link.drain(patience);
      const grace = setTimeout(() => server.closeAllConnections(), 500);
      await closed;
      clearTimeout(grace);
      await close();
    },
  };
}
