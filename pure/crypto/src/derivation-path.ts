import { CryptoError } from './crypto-error.ts';
import { Recent } from './recent.ts';

/** The bit of an index that makes it hardened (BIP-32). */
export const HARDENED = 0x80000000;

const MAX_LEVELS = 10;
const PATH = /^m(?:\/(?:0|[1-9][0-9]{0,9})'?)*$/;

/**
 * Indexes of a path such as `m/44'/60'/0'/0/0`, the hardened bit set where an apostrophe stands. Only this spelling: no
 * `h` or `H`, no leading zeros, no trailing slash, at most 10 levels, numbers below 2^31. CryptoError `path-malformed`.
 */
export function parsePath(text: string): readonly number[] {
  if (typeof text !== 'string') throw new TypeError('text must be a string');
  const known = parsed.get(text);
  if (known !== undefined) return known;
  const path = Object.freeze(indexesOf(text));
  parsed.set(text, path);
  return path;
}

// A request's path is parsed in many places.
const parsed = new Recent<readonly number[]>(1024);

function indexesOf(text: string): number[] {
  // 10 levels of 12 characters and the root.
  if (text.length > 121 || !PATH.test(text)) throw new CryptoError('path-malformed');
  const levels = text === 'm' ? [] : text.slice(2).split('/');
  if (levels.length > MAX_LEVELS) throw new CryptoError('path-malformed', 'more than 10 levels');
  return levels.map((level) => {
    const hardened = level.endsWith("'");
    const index = Number(hardened ? level.slice(0, -1) : level);
    if (index >= HARDENED) throw new CryptoError('path-malformed', 'index not below 2^31');
    return hardened ? index + HARDENED : index;
  });
}

/** The text that `parsePath` reads. RangeError when an index is no u32 or there are more than 10. */
export function formatPath(path: readonly number[]): string {
  assertPath(path);
  return `m${path.map((index) => `/${index >= HARDENED ? `${index - HARDENED}'` : index}`).join('')}`;
}

/** Throws RangeError unless `path` is at most 10 indexes, each a u32. */
export function assertPath(path: readonly number[]): void {
  if (!Array.isArray(path)) throw new TypeError('path must be an array');
  if (path.length > MAX_LEVELS) throw new RangeError('path has more than 10 levels');
  for (const index of path) {
    if (!Number.isInteger(index) || index < 0 || index > 0xffffffff)
      throw new RangeError('path index must be a u32');
  }
}
