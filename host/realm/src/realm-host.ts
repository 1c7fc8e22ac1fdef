import { notifierOf } from '@keystead/host-notification/notifier-of';
import { startLinkedServer } from '@keystead/host-program/linked-server';
import type { Report } from '@keystead/host-program/report';
import { keepLogEmpty } from '@keystead/host-program/sealed-row-table';
import type { Serving } from '@keystead/host-program/run-host';
import type { Environment } from './environment.ts';
import { type RealmLink, realmLink } from './realm-link.ts';
import { RealmStore } from './realm-store.ts';
import { createRealmServer } from './server.ts';

export interface RealmHost extends Serving {
  readonly port: number;
  readonly link: RealmLink;
}

const expiryInterval = 60_000;

/** Opens the database, listens for the enclave, then for clients on 127.0.0.1. */
export async function startRealmHost(environment: Environment, report: Report): Promise<RealmHost> {
  const store = new RealmStore(environment.database);
  const notifier = notifierOf(store.database, environment.notifications, report);
  store.notifier = notifier;
  const link = realmLink(store, report);
  const { addressRate, proxies } = environment;
  const server = createRealmServer({ link, store, notifier, report, addressRate, proxies });
  const expiry = setInterval(() => store.expire(Date.now()), expiryInterval);
  const stopEmptying = keepLogEmpty(store.database, report);
  const close = () => {
    clearInterval(expiry);
    stopEmptying();
    notifier.stop();
    store.close();
  };
  const host = await startLinkedServer({ link, server, environment, close });
  notifier.start();
  return { ...host, link };
}
