import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openSqliteStore } from '@keystead/host-storage/sqlite/store-sqlite';
import type { Store } from '@keystead/host-storage/store';
import { RawRequest, type Sealed, type StoreRows } from '@keystead/protocol/frames';
import { type Gateway, type GatewayOptions, startGateway } from '../gateway.ts';
import type { Endpoints } from '../broadcast/endpoints.ts';
import { EnclavePeer } from './enclave-peer.ts';

export interface RunningGateway {
  readonly gateway: Gateway;
  readonly home: string;
  readonly socket: string;
  readonly url: string;
  readonly policy: EnclavePeer<'policy'>;
  readonly signer: EnclavePeer<'signer'>;
  readonly certifier: EnclavePeer<'certifier'>;
  /** What the store was asked, and what left for the enclaves, in order. */
  readonly store: Store;
  readonly log: string[];
  post(path: string, body: string | Uint8Array, headers?: Record<string, string>): Promise<Response>;
  ready(): Promise<void>;
}

/** A gateway with a real store and three peers, ready for requests unless `withoutPeers`. */
export async function runGateway(
  context: TestContext,
  options: Partial<GatewayOptions> & { endpoints?: Endpoints; wrapStore?: (store: Store) => Store } = {},
): Promise<RunningGateway> {
  const home = mkdtempSync(join(tmpdir(), 'keystead-gateway-'));
  context.after(() => rmSync(home, { recursive: true, force: true }));
  const socket = join(home, 'gateway.sock');
  const database = join(home, 'store.sqlite');
  const { endpoints = new Map(), wrapStore = (store: Store) => store, ...rest } = options;
  let store: Store | undefined;
  const gateway = await startGateway(
    { port: 0, home, database, socket, endpoints, profile: 'development' },
    {
      report: () => {},
      openStore: () => (store = wrapStore(openSqliteStore(database))),
      ...rest,
    },
  );
  context.after(() => gateway.stop(0));
  const url = `http://127.0.0.1:${gateway.port}`;
  const ready = async () => {
    while ((await fetch(`${url}/readyz`)).status !== 200)
      await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const policy = await EnclavePeer.connect('policy', socket);
  const signer = await EnclavePeer.connect('signer', socket);
  const certifier = await EnclavePeer.connect('certifier', socket);
  context.after(() => {
    for (const peer of [policy, signer, certifier]) peer.close();
  });
  certifier.send({ type: 'tail', rows: [], last: true });
  await ready();
  const post = (path: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
    fetch(`${url}${path}`, { method: 'POST', body: body as BodyInit, headers });
  return { gateway, home, socket, url, policy, signer, certifier, store: store!, log: [], post, ready };
}

export const noRows = (): StoreRows => ({ entries: [], nodes: [], secrets: [], owners: [] });

/** A message between enclaves that begins with boot and batch, as all of a tick do. */
export function sealed(boot: Uint8Array, content: string): Sealed {
  return { bytes: Buffer.concat([boot, Buffer.from(content)]), mac: new Uint8Array(32) };
}

export const boot = new Uint8Array(16).fill(9);
export const identityOf = (name: string): Uint8Array => Buffer.alloc(32, name);
export const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
export const bodyOf = (item: { request: Uint8Array }): string =>
  Buffer.from(RawRequest.decode(item.request).body).toString('utf8');
export const randomHash = (): Uint8Array => randomBytes(32);

/**
 * Sends bytes as they are, several parts one by one, and resolves with everything that comes back until the other end
 * closes.
 */
export function rawExchange(
  port: number,
  bytes: string | Buffer | readonly string[],
  closeAfter = 3000,
): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket: Socket = connect(port, '127.0.0.1', async () => {
      for (const part of typeof bytes === 'string' || Buffer.isBuffer(bytes) ? [bytes] : bytes) {
        socket.write(part);
        await new Promise(setImmediate);
      }
    });
    socket.setNoDelay(true);
    const timer = setTimeout(() => socket.destroy(), closeAfter);
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}
