import { KmsError } from '@keystead/protocol/errors';
import { openApiDocument } from '@keystead/protocol/openapi';
import { bytesOfText } from './answer-body.ts';
import type { DeploymentFile } from './deployment-file.ts';
import type { EnclaveLinks } from './enclave-links.ts';
import type { Metrics } from './metrics.ts';
import type { Pipeline } from './pipeline.ts';
import { json } from './reply.ts';
import type { ReadPath } from './routes.ts';

export interface ReadRoutesOptions {
  readonly pipeline: Pipeline;
  readonly links: EnclaveLinks;
  readonly metrics: Metrics;
  readonly deployment: DeploymentFile;
  readonly version: string;
}

export interface ReadAnswer {
  readonly type: string;
  /** One character per byte. */
  readonly body: string;
}

type ReadRoute = () => ReadAnswer | Promise<ReadAnswer>;

const text = 'text/plain; charset=utf-8';

/** What is read with GET, by path; `held` are refusals that are held back. A route throws KmsError. */
export function readAnswers(
  options: ReadRoutesOptions,
  held: { readonly size: number },
): Readonly<Record<ReadPath, ReadRoute>> {
  const { pipeline, links, metrics, deployment } = options;
  const state = (holds: () => boolean) => () => {
    if (!holds()) throw new KmsError('unavailable', {});
    return { type: text, body: 'ok\n' };
  };
  const document = bytesOfText(JSON.stringify(openApiDocument({ version: options.version })));
  return {
    '/healthz': state(() => pipeline.isHealthy),
    '/readyz': state(() => pipeline.isReady),
    '/metrics': () => ({
      type: 'text/plain; version=0.0.4; charset=utf-8',
      body: bytesOfText(
        metrics.text({ waiting: pipeline.waiting, held: held.size, ready: pipeline.isReady, links }),
      ),
    }),
    '/openapi.json': () => ({ type: json, body: document }),
    '/v1/deployment': async () => {
      const content = await deployment.read();
      if (content === undefined) throw new KmsError('unavailable', {});
      return { type: json, body: Buffer.from(content).toString('latin1') };
    },
  };
}
