import { concatBytes } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { ChainError } from '../error.ts';

/** A byte string or a list of items. Source: Ethereum yellow paper, appendix B. */
export type RlpItem = Uint8Array | readonly RlpItem[];

/** No transaction nests deeper than four lists; the bound keeps hostile input off the call stack. */
const MAX_DEPTH = 32;

/** Shortest big-endian bytes of a non-negative integer; zero is the empty string. */
export function integerToBytes(value: bigint): Uint8Array {
  if (value < 0n) throw new RangeError('an RLP integer is not negative');
  if (value === 0n) return new Uint8Array(0);
  let hex = value.toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  return hexDecode(hex);
}

/** Big-endian integer of any byte string; the empty string is zero. */
export function bytesToInteger(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${hexEncode(bytes)}`);
}

/** Canonical RLP of an item. */
export function encodeRlp(item: RlpItem): Uint8Array {
  if (item instanceof Uint8Array) {
    if (item.length === 1 && item[0]! < 0x80) return item.slice();
    return concatBytes(header(item.length, 0x80), item);
  }
  const payload = concatBytes(...item.map(encodeRlp));
  return concatBytes(header(payload.length, 0xc0), payload);
}

/**
 * Decodes exactly one item that fills `bytes`. Only the canonical encoding is accepted: no trailing byte, no
 * long form where the short one fits, no leading zero in a length, no one-byte string below 0x80 with a header.
 * @throws ChainError `transaction-malformed`
 */
export function decodeRlp(bytes: Uint8Array): RlpItem {
  const { item, end } = decodeAt(bytes, 0, bytes.length, 0);
  if (end !== bytes.length) throw malformed('bytes follow the RLP item');
  return item;
}

function header(length: number, base: 0x80 | 0xc0): Uint8Array {
  if (length <= 55) return Uint8Array.of(base + length);
  const lengthBytes = integerToBytes(BigInt(length));
  return concatBytes(Uint8Array.of(base + 55 + lengthBytes.length), lengthBytes);
}

function decodeAt(
  bytes: Uint8Array,
  start: number,
  limit: number,
  depth: number,
): { item: RlpItem; end: number } {
  if (depth > MAX_DEPTH) throw malformed('RLP lists are nested too deeply');
  if (start >= limit) throw malformed('an RLP item ends early');
  const prefix = bytes[start]!;
  if (prefix < 0x80) return { item: bytes.slice(start, start + 1), end: start + 1 };
  const base = prefix < 0xc0 ? 0x80 : 0xc0;
  let length = prefix - base;
  let contentStart = start + 1;
  if (length > 55) {
    const lengthSize = length - 55;
    contentStart += lengthSize;
    if (contentStart > limit) throw malformed('an RLP length ends early');
    if (bytes[start + 1] === 0) throw malformed('an RLP length has a leading zero');
    const long = bytesToInteger(bytes.subarray(start + 1, contentStart));
    if (long <= 55n) throw malformed('an RLP length is in long form without need');
    if (long > BigInt(limit - contentStart)) throw malformed('an RLP item is longer than its container');
    length = Number(long);
  }
  const end = contentStart + length;
  if (end > limit) throw malformed('an RLP item is longer than its container');
  if (base === 0x80) {
    if (length === 1 && bytes[contentStart]! < 0x80)
      throw malformed('a single byte below 0x80 has an RLP header');
    return { item: bytes.slice(contentStart, end), end };
  }
  const items: RlpItem[] = [];
  let offset = contentStart;
  while (offset < end) {
    const inner = decodeAt(bytes, offset, end, depth + 1);
    items.push(inner.item);
    offset = inner.end;
  }
  return { item: items, end };
}

function malformed(detail: string): ChainError {
  return new ChainError('transaction-malformed', detail);
}
