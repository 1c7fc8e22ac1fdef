import type { ChainName } from '@keystead/chains/effects';
import { caip2Of } from '@keystead/chains/networks';
import { KmsError } from '../errors.ts';
import { object, refine, type Schema, string, transform } from '../schema.ts';

/** Sign and send: the network to broadcast to. */
export interface Submission {
  /** CAIP-2, e.g. `eip155:1`. */
  readonly network: string;
}

const namespaces: Readonly<Record<string, ChainName>> = {
  eip155: 'ethereum',
  solana: 'solana',
  bip122: 'bitcoin',
  sui: 'sui',
};

/** The chain whose transactions a CAIP-2 network takes; undefined when the namespace is not one of ours. */
export function chainOfNetwork(network: string): ChainName | undefined {
  const namespace = network.slice(0, network.indexOf(':'));
  return Object.hasOwn(namespaces, namespace) ? namespaces[namespace] : undefined;
}

const unknownNetwork = (path: string, name: string, cause?: unknown) =>
  new KmsError('network-not-configured', {
    field: path,
    detail: `${name} is not a network known here.`,
    cause,
  });

/** A CAIP-2 id of a chain that is signed for. Whether an endpoint is configured is decided when sending. */
export const network: Schema<string> = refine(
  string({
    max: 41,
    pattern: /^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/,
    description: 'a CAIP-2 chain id, e.g. eip155:1',
  }),
  (value, path) => {
    if (chainOfNetwork(value) === undefined) throw unknownNetwork(path, value);
  },
);

const word = string({
  min: 1,
  max: 64,
  pattern: /^[A-Za-z0-9_:.-]+$/,
  description: 'the name of a chain or network',
});

/** The compatibility form: {chain: 'solana', network: 'devnet'}; the main network when `network` is absent. */
export const submissionConfig: Schema<Submission> = transform(
  object({ required: { chain: word }, optional: { network: word } }),
  (named, path) => {
    const found = caip2Of(named);
    if (found === null) throw unknownNetwork(path, `${named.chain} ${named.network ?? ''}`.trim());
    return { network: found };
  },
);

/** The account to simulate for. It never takes part in signing. */
export const simulationConfig: Schema<{ readonly account?: string }> = object({
  optional: { account: string({ min: 1, max: 128, pattern: /^[A-Za-z0-9]+$/, description: 'an address' }) },
});
