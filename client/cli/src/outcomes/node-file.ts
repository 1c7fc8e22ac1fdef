import { chainNode, type ChainNode } from '../chain/json-rpc.ts';
import { CommandError } from '../command-error.ts';
import { checkBitcoinNetwork, bitcoinOutcome, type Esplora } from './bitcoin-outcome.ts';
import { checkEthereumNetwork, ethereumOutcome } from './ethereum-outcome.ts';
import type { FoundOutcome } from './outcome.ts';
import { checkSolanaNetwork, solanaOutcome } from './solana-outcome.ts';
import type { UnsettledEntry } from './unsettled-entries.ts';

/** Asks one network. Throws NodeLies and CommandError. */
type Asks = (entry: UnsettledEntry) => Promise<FoundOutcome>;

const maximumBytes = 4 * 1024 * 1024;
const patience = 15_000;

/**
 * Nodes by CAIP-2 id: `{"eip155:1": {"url": "https://…"}}`. EVM and Solana speak JSON-RPC, Bitcoin Esplora. Of Solana and of
 * Bitcoin one network each: their transactions name none. Throws CommandError; never repeats a URL, which can hold a key.
 */
export function readNodeFile(text: string): ReadonlyMap<string, string> {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    given = undefined;
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw wrong('the file is no JSON object');
  const urls = new Map<string, string>();
  for (const [network, value] of Object.entries(given as Record<string, unknown>)) {
    if (!/^(eip155:[1-9][0-9]{0,15}|solana:[1-9A-HJ-NP-Za-km-z]{32}|bip122:[0-9a-f]{32})$/.test(network))
      throw wrong(`${network.slice(0, 64)} is the CAIP-2 id of no chain whose outcomes are read`);
    const { url, ...others } = (value ?? {}) as Record<string, unknown>;
    if (typeof url !== 'string' || Object.keys(others).length > 0)
      throw wrong(`${network} is {"url": "…"} and nothing else`);
    if (!/^https?:\/\//.test(url)) throw wrong(`${network}: url is neither https nor http`);
    urls.set(network, url);
  }
  for (const prefix of ['solana:', 'bip122:'])
    if ([...urls.keys()].filter((network) => network.startsWith(prefix)).length > 1)
      throw wrong(`of ${prefix.slice(0, -1)} more than one network is named`);
  return urls;
}

/** The nodes of a file, each asked for its network before its first answer counts. */
export class OutcomeNodes {
  readonly #urls: ReadonlyMap<string, string>;
  readonly #asks = new Map<string, Promise<Asks>>();

  constructor(urls: ReadonlyMap<string, string>) {
    this.#urls = urls;
  }

  /** Null as well where no node is named for the network. Throws NodeLies and CommandError. */
  async outcomeOf(entry: UnsettledEntry): Promise<FoundOutcome> {
    const network = this.networkOf(entry);
    if (network === undefined) return null;
    let asks = this.#asks.get(network);
    if (asks === undefined) {
      asks = asking(network, this.#urls.get(network)!);
      this.#asks.set(network, asks);
      // A node that did not answer is asked again in the next round.
      asks.catch(() => this.#asks.delete(network));
    }
    return (await asks)(entry);
  }

  /** The URL of a network's node, once the node said that it is of that network. Throws NodeLies and CommandError. */
  async checkedUrl(network: string): Promise<string> {
    await (this.#asks.get(network) ?? asking(network, this.#urls.get(network)!));
    return this.#urls.get(network)!;
  }

  /** Undefined where no node is named for it. */
  networkOf({ effects }: UnsettledEntry): string | undefined {
    const prefix = { solana: 'solana:', bitcoin: 'bip122:', ethereum: '', sui: '' }[effects.chain];
    if (prefix === '') return this.#urls.has(effects.network ?? '') ? effects.network! : undefined;
    return [...this.#urls.keys()].find((network) => network.startsWith(prefix));
  }
}

async function asking(network: string, url: string): Promise<Asks> {
  if (network.startsWith('bip122:')) {
    const server = esplora(url);
    const named = await checkBitcoinNetwork(server, network);
    return (entry) => bitcoinOutcome(server, named, entry);
  }
  const node: ChainNode = chainNode(url);
  if (network.startsWith('solana:')) {
    await checkSolanaNetwork(node, network);
    return (entry) => solanaOutcome(node, entry);
  }
  await checkEthereumNetwork(node, network);
  return (entry) => ethereumOutcome(node, entry);
}

export function esplora(url: string): Esplora {
  return {
    async get(path) {
      try {
        const response = await fetch(`${url.replace(/\/+$/, '')}${path}`, {
          redirect: 'error',
          signal: AbortSignal.timeout(patience),
        });
        if (response.status !== 200) throw new Error('status');
        const chunks: Uint8Array[] = [];
        let length = 0;
        for await (const chunk of response.body ?? []) {
          length += (chunk as Uint8Array).length;
          if (length > maximumBytes) throw new Error('length');
          chunks.push(chunk as Uint8Array);
        }
        return Buffer.concat(chunks).toString();
      } catch {
        throw new CommandError(`the server did not answer ${path.slice(0, 80)}`, 'check the file of nodes');
      }
    },
  };
}

const wrong = (detail: string) =>
  new CommandError(detail, 'keystead outcomes state --help shows the form of the file');
