import { isIP } from 'node:net';
import { chainOfNetwork } from '@keystead/protocol/parameters/network';
import { isPublicAddress } from '@keystead/host-program/public-address';

/** Where transactions of one network are sent. */
export interface Endpoint {
  readonly url: URL;
  /** The operator's own node: loopback, private addresses and plain HTTP are meant. */
  readonly private: boolean;
  /** `esplora`: POST /tx instead of JSON-RPC; Bitcoin only. */
  readonly api: 'json-rpc' | 'esplora';
}

/** By CAIP-2 id. */
export type Endpoints = ReadonlyMap<string, Endpoint>;

const networkPattern = /^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$/;

/**
 * Reads `{"<caip2>": {"url": "https://…", "private": true, "api": "esplora"}}`; `private` and `api` are optional.
 * Throws TypeError that names the network and what is wrong; never the URL, which can hold a key.
 */
export function readEndpoints(file: Uint8Array): Endpoints {
  let given: unknown;
  try {
    given = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file));
  } catch {
    throw new TypeError('it is not JSON');
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new TypeError('it is not a JSON object');
  return new Map(Object.entries(given).map(([network, value]) => [network, endpoint(network, value)]));
}

function endpoint(network: string, value: unknown): Endpoint {
  if (!networkPattern.test(network) || chainOfNetwork(network) === undefined)
    throw new TypeError(`${JSON.stringify(network)} is not the CAIP-2 id of a chain that is signed for`);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${network}: an object with url is expected`);
  const { url, private: own = false, api = 'json-rpc', ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new TypeError(`${network}: unknown member ${JSON.stringify(unknown)}`);
  if (typeof own !== 'boolean') throw new TypeError(`${network}: private is not a boolean`);
  if (api !== 'json-rpc' && api !== 'esplora')
    throw new TypeError(`${network}: api is not json-rpc or esplora`);
  if (api === 'esplora' && chainOfNetwork(network) !== 'bitcoin')
    throw new TypeError(`${network}: esplora is an interface of Bitcoin networks`);
  const refusal = typeof url === 'string' ? refusalOf(url, own) : 'url is not a string';
  if (refusal !== undefined) throw new TypeError(`${network}: ${refusal}`);
  return { url: new URL(url as string), private: own, api };
}

/** Why an endpoint URL cannot be used, or undefined. Names are judged when they are resolved, addresses here. */
export function refusalOf(text: string, own: boolean): string | undefined {
  if (!URL.canParse(text)) return 'url is not a URL';
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(own && url.protocol === 'http:'))
    return own ? 'url is neither https nor http' : 'url is not https';
  if (url.username !== '' || url.password !== '') return 'url holds a user name or password';
  if (url.hash !== '') return 'url holds a fragment';
  if (url.hostname === '') return 'url has no host';
  if (own) return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) !== 0 && !isPublicAddress(host))
    return 'url names an address that is not public; set private';
  if (/(^|\.)(localhost|local|internal|home\.arpa|onion)\.?$/.test(host))
    return 'url names a host that is not public; set private';
  return undefined;
}
