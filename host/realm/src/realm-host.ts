import type { AddressInfo } from 'node:net';
import { EnclaveLink } from './enclave-link.ts';
import type { Environment } from './environment.ts';
import { RealmStore } from './realm-store.ts';
import type { Report } from '@keystead/host-program/report';
import { createRealmServer } from './server.ts';

export interface RealmHost {
  readonly port: number;
  readonly link: EnclaveLink;
  /** Stops accepting, finishes what was accepted for at most `patience` milliseconds, and closes everything. */
  stop(patience: number): Promise<void>;
}

const expiryInterval = 60_000;

/** Opens the database, listens for the enclave, then for clients on 127.0.0.1. */
export async function startRealmHost(environment: Environment, report: Report): Promise<RealmHost> {
  const store = new RealmStore(environment.database);
  const link = new EnclaveLink(store, report);
  const server = createRealmServer({ link, store, report, addressRate: environment.addressRate });
  const expiry = setInterval(() => store.expire(Date.now()), expiryInterval);
  const close = async () => {
    clearInterval(expiry);
    await link.close();
    store.close();
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
    link,
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
