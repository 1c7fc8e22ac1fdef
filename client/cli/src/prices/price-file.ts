import { CommandError } from '../command-error.ts';
import { microsOf } from './price-text.ts';

/** A price as `statePrices` takes it. */
export interface StatedPrice {
  readonly asset: string;
  readonly microsPerUnit: string;
  readonly decimals: number;
}

/** Where a feed's answer has the price of an asset. */
export interface FeedAsset {
  readonly asset: string;
  readonly decimals: number;
  /** JSON pointer (RFC 6901) to a number, or to a text that is one: US dollars for one whole unit. */
  readonly at: string;
}

export interface FeedDocument {
  readonly url: string;
  readonly assets: readonly FeedAsset[];
}

/** Numbers keep the text that they were written as, so that no digit is lost. */
export class WrittenNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** JSON whose numbers are `WrittenNumber`. Throws SyntaxError. */
export function parseWritten(text: string): unknown {
  const keep = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' ? new WrittenNumber(context?.source ?? String(value)) : value;
  return JSON.parse(text, keep as Parameters<typeof JSON.parse>[1]) as unknown;
}

/** The price that stands at a pointer of a document; undefined when there is none above zero. */
export function priceAt(document: unknown, pointer: string): string | undefined {
  let found: unknown = document;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  if (found instanceof WrittenNumber) return microsOf(found.text);
  return typeof found === 'string' ? microsOf(found) : undefined;
}

const asList = (value: unknown, what: string): readonly Record<string, unknown>[] => {
  if (!Array.isArray(value) || value.length === 0 || value.length > 64)
    throw wrong(`${what} is no list of 1 to 64`);
  return value as Record<string, unknown>[];
};

/** A file of quotes: `{"prices": [{"asset", "usd", "decimals"}]}`. Throws CommandError. */
export function readPriceFile(text: string): StatedPrice[] {
  const { prices, ...others } = objectOf(text);
  refuseOthers(others);
  return asList(prices, 'prices').map(({ asset, usd, decimals, ...more }, index) => {
    const at = `prices[${index}]`;
    refuseOthers(more, at);
    const microsPerUnit = priceAt({ usd }, '/usd');
    if (microsPerUnit === undefined) throw wrong(`${at}.usd is no price above zero`);
    return { asset: assetOf(asset, at), microsPerUnit, decimals: decimalsOf(decimals, at) };
  });
}

/** The configuration of a feed: `{"url", "assets": [{"asset", "decimals", "at"}]}`. Throws CommandError. */
export function readFeedFile(text: string): FeedDocument {
  const { url, assets, ...others } = objectOf(text);
  refuseOthers(others);
  if (typeof url !== 'string' || !URL.canParse(url)) throw wrong('url is no URL');
  const { protocol, hostname } = new URL(url);
  const isLocal = hostname === '127.0.0.1' || hostname === '[::1]' || hostname === 'localhost';
  if (protocol !== 'https:' && !(protocol === 'http:' && isLocal))
    throw wrong('url is neither https nor of this machine');
  return {
    url,
    assets: asList(assets, 'assets').map(({ asset, decimals, at: pointer, ...more }, index) => {
      const at = `assets[${index}]`;
      refuseOthers(more, at);
      if (typeof pointer !== 'string' || !/^(\/([^~/]|~[01])*)+$/.test(pointer))
        throw wrong(`${at}.at is no JSON pointer`);
      return { asset: assetOf(asset, at), decimals: decimalsOf(decimals, at), at: pointer };
    }),
  };
}

function objectOf(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseWritten(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong('the file is no JSON object');
  return value as Record<string, unknown>;
}

function refuseOthers(others: Record<string, unknown>, at = 'the file'): void {
  const [name] = Object.keys(others);
  if (name !== undefined) throw wrong(`${at} has an unknown member ${name}`);
}

function assetOf(asset: unknown, at: string): string {
  if (typeof asset !== 'string' || asset === '') throw wrong(`${at}.asset is no CAIP-19 asset`);
  return asset;
}

function decimalsOf(decimals: unknown, at: string): number {
  const number =
    decimals instanceof WrittenNumber && /^\d{1,2}$/.test(decimals.text) ? Number(decimals.text) : 99;
  if (number > 36) throw wrong(`${at}.decimals is no number from 0 to 36`);
  return number;
}

const wrong = (detail: string) =>
  new CommandError(detail, 'keystead prices --help shows the form of the file');
