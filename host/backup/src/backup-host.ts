import { notifierOf } from '@keystead/host-notification/notifier-of';
import { startLinkedServer } from '@keystead/host-program/linked-server';
import { keepLogEmpty } from '@keystead/host-program/sealed-row-table';
import type { Report } from '@keystead/host-program/report';
import type { Serving } from '@keystead/host-program/run-host';
import { backupLink } from './backup-link.ts';
import { BackupStore } from './backup-store.ts';
import type { Environment } from './environment.ts';
import { createBackupServer } from './server.ts';

export type BackupHost = Serving & { readonly port: number };

/** Opens the database, listens for the enclave, then for clients on 127.0.0.1. */
export async function startBackupHost(environment: Environment, report: Report): Promise<BackupHost> {
  const store = new BackupStore(environment.database);
  const notifier = notifierOf(store.database, environment.notifications, report);
  store.notifier = notifier;
  const link = backupLink(store, report);
  const server = createBackupServer(link, notifier, report);
  const stopEmptying = keepLogEmpty(store.database, report);
  const close = () => {
    stopEmptying();
    notifier.stop();
    store.close();
  };
  const host = await startLinkedServer({ link, server, environment, close });
  notifier.start();
  return host;
}
