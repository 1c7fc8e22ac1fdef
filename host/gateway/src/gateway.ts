import { join } from 'node:path';
import { openSqliteStore } from '@keystead/host-storage/sqlite/store-sqlite';
import type { Store } from '@keystead/host-storage/store';
import { Broadcaster } from './broadcast/broadcaster.ts';
import { DeploymentFile } from './deployment-file.ts';
import { EnclaveLinks } from './enclave-links.ts';
import type { Environment } from './environment.ts';
import { Metrics } from './metrics.ts';
import { Pipeline, type PipelineOptions } from './pipeline.ts';
import { reopeningStore } from './reopening-store.ts';
import type { HoldLimits } from './held-refusals.ts';
import type { Report } from '@keystead/host-program/report';
import manifest from '../package.json' with { type: 'json' };
import { HttpServer, type ServerTimeouts } from './server.ts';

export interface Gateway {
  readonly port: number;
  /** Stops accepting, finishes what was accepted for at most `patience` milliseconds, and closes everything. */
  stop(patience: number): Promise<void>;
}

/** What tests set apart from the environment. */
export interface GatewayOptions extends Pick<PipelineOptions, 'limits' | 'patience' | 'window'> {
  readonly report: Report;
  readonly openStore?: () => Store;
  readonly timeouts?: Partial<ServerTimeouts>;
  readonly hold?: Partial<HoldLimits>;
}

/** Opens the store, listens for enclaves, then for callers on 127.0.0.1. Rejects when one of them cannot be. */
export async function startGateway(environment: Environment, options: GatewayOptions): Promise<Gateway> {
  const { report, limits, patience, window } = options;
  const store = reopeningStore(options.openStore ?? (() => openSqliteStore(environment.database)));
  const metrics = new Metrics();
  const broadcaster = new Broadcaster({
    endpoints: environment.endpoints,
    report,
    count: (outcome) => metrics.broadcast(outcome),
  });
  const links = new EnclaveLinks(report);
  const pipeline = new Pipeline({
    links,
    store,
    broadcaster,
    metrics,
    report,
    ...(limits === undefined ? {} : { limits }),
    ...(patience === undefined ? {} : { patience }),
    ...(window === undefined ? {} : { window }),
  });
  const server = new HttpServer({
    pipeline,
    links,
    metrics,
    deployment: new DeploymentFile(join(environment.home, 'deployment.json'), {
      profile: environment.profile,
      networks: broadcaster.networks,
    }),
    report,
    version: manifest.version,
    ...(options.timeouts === undefined ? {} : { timeouts: options.timeouts }),
    ...(options.hold === undefined ? {} : { hold: options.hold }),
  });

  const close = async () => {
    pipeline.stop();
    await links.close();
    await store.close();
  };
  let port: number;
  try {
    await links.listen(environment.socket, pipeline);
    port = await server.listen(environment.port, '127.0.0.1');
  } catch (error) {
    await close();
    throw error;
  }
  return {
    port,
    async stop(drainPatience) {
      const closed = server.close();
      await pipeline.drain(drainPatience);
      // Answers that were just given are written before the connections go.
      const grace = setTimeout(() => server.closeAllConnections(), 500);
      await closed;
      clearTimeout(grace);
      await close();
    },
  };
}
