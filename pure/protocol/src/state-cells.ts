import { utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import {
  bytes,
  fixed,
  list,
  mapped,
  option,
  type Static,
  struct,
  text,
  u8,
  u53,
  variant,
} from '@keystead/crypto/pack';
import { Recent } from '@keystead/crypto/recent';
import { domainHash } from './domain.ts';
import type { Entry } from './entry.ts';

/** Cells of counters and places (spec/state.md §3.1), as the engine and whoever folds a chain encode them. */

/** A row of a counter's ledger: milliseconds, and the total of all rows up to it. */
export type CounterRow = readonly [time: number, total: bigint];

const maximumWords = 8;
const rowsHead = 3;

/** Throws RangeError for totals of more than 512 bits: no sum of amounts of an entry comes near. */
function encodeRows(rows: readonly CounterRow[]): Uint8Array {
  let words = 0;
  for (let rest = rows.at(-1)?.[1] ?? 0n; rest > 0n; rest >>= 64n) words += 1;
  if (words > maximumWords) throw new RangeError('total');
  const size = 8 * (1 + words);
  const encoded = new Uint8Array(rowsHead + size * rows.length);
  const view = new DataView(encoded.buffer);
  view.setUint16(0, rows.length);
  view.setUint8(2, words);
  let at = rowsHead;
  for (const [time, total] of rows) {
    view.setUint32(at, time / 2 ** 32);
    view.setUint32(at + 4, time >>> 0);
    let rest = total;
    for (let word = words; word > 0; word -= 1) {
      view.setBigUint64(at + 8 * word, rest);
      // Nearly every total has one word.
      if (word > 1) rest >>= 64n;
    }
    at += size;
  }
  return encoded;
}

function decodeRows(encoded: Uint8Array): CounterRow[] {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.length);
  const count = view.getUint16(0);
  const words = view.getUint8(2);
  const size = 8 * (1 + words);
  if (words > maximumWords || encoded.length !== rowsHead + size * count) throw new RangeError('length');
  const rows: CounterRow[] = [];
  for (let at = rowsHead; at < encoded.length; at += size) {
    let total = 0n;
    for (let word = 1; word <= words; word += 1) total = (total << 64n) | view.getBigUint64(at + 8 * word);
    rows.push([view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4), total]);
  }
  const newest = rows.at(-1)?.[1] ?? 0n;
  if (words > 0 && newest >> BigInt(64 * (words - 1)) === 0n) throw new RangeError('words');
  return rows;
}

const maximumRowsBytes = rowsHead + 65_535 * 8 * (1 + maximumWords);

/** `usage-segment`: the bytes are the rows, with nothing around them. */
export const SegmentCell = {
  encode: encodeRows,
  /** Throws RangeError for bytes that are no rows. */
  decode: (encoded: Uint8Array): readonly CounterRow[] => decodeRows(encoded),
};

/** `usage`: the ledger's open end (spec/policy.md §6.4). */
export const UsageCell = struct({
  open: list(mapped(bytes(maximumRowsBytes), decodeRows, encodeRows), 16),
  sealed: list(u53, 16),
});
export type UsageCell = Static<typeof UsageCell>;

const counter = mapped(fixed(16), hexEncode, (name) => bytesOfNames.get(name) ?? hexDecode(name));
const amount = mapped(
  text(100),
  (digits) => {
    if (!/^(?:0|[1-9][0-9]*)$/.test(digits)) throw new RangeError('amount');
    return BigInt(digits);
  },
  String,
);

/** `place/<page>/<slot>`: a group of transactions that exclude each other (spec/policy.md §6.5), or where it stands. */
export const PlaceCell = variant('stands', {
  here: [
    1,
    struct({
      /** Names of the places that every member takes. */
      places: list(text(40), 16),
      members: list(
        struct({
          /** Of the entry that reserved. */
          position: u53,
          amounts: list(struct({ counter, amount }), 64),
        }),
        16,
      ),
      /** What of the members' rows is not credited. */
      rows: list(struct({ counter, open: list(struct({ time: u53, amount }), 16) }), 64),
    }),
  ],
  elsewhere: [2, struct({ at: text(40) })],
  alone: [
    3,
    struct({
      /** Of the entry that reserved. */
      position: u53,
      time: u53,
      /** Names of its places. */
      places: list(text(40), 16),
      amounts: list(struct({ counter, amount }), 64),
    }),
  ],
});
export type PlaceCell = Static<typeof PlaceCell>;
export type GroupCell = Extract<PlaceCell, { stands: 'here' }>;
export type AloneCell = Extract<PlaceCell, { stands: 'alone' }>;

/** What the fold reads of an entry whose transaction begins a group. */
export type BeginningEntry = Pick<Entry, 'position' | 'time' | 'reservations' | 'places'>;

/** The cell that the fold writes at one of the places of an entry: a group whose one member it is, or where that stands. */
export function placeCellOf(
  { position, time, reservations, places }: BeginningEntry,
  name: string,
): PlaceCell {
  const home = places[0]!;
  if (name !== home) return { stands: 'elsewhere', at: home };
  return {
    stands: 'alone',
    position,
    time,
    places: [...places],
    amounts: reservations
      // A count is of requests, whatever becomes of them.
      .filter(({ asset }) => asset !== 'count')
      .map(({ counter, amount }) => ({ counter: counterNameOf(counter), amount: BigInt(amount) })),
  };
}

/** The same as a group that others can join. */
export const groupOfOne = ({ position, time, places, amounts }: AloneCell): GroupCell => ({
  stands: 'here',
  places,
  members: [{ position, amounts }],
  rows: amounts.map(({ counter, amount }) => ({ counter, open: [{ time, amount }] })),
});

/** Names of counters by their scopes: the same few are asked for all the time. */
const counterIds = new Recent<CounterId>(4096);
const namesOfBytes = new WeakMap<Uint8Array, string>();
const bytesOfNames = new Recent<Uint8Array>(4096);

export interface CounterId {
  /** 16 bytes, not to be changed. */
  readonly bytes: Uint8Array;
  /** The same in hexadecimal: the name of its cells. */
  readonly name: string;
}

/** What a counter is called: its scope may be longer than a name. */
export function counterId(scope: string): CounterId {
  const known = counterIds.get(scope);
  if (known !== undefined) return known;
  const bytes = domainHash('keystead/usage/v1', utf8Encode(scope)).slice(0, 16);
  const id = { bytes, name: hexEncode(bytes) };
  counterIds.set(scope, id);
  namesOfBytes.set(bytes, id.name);
  bytesOfNames.set(id.name, bytes);
  return id;
}

/** Name of the cells of a counter by its 16 bytes; of bytes that `counterId` gave, the same string each time. */
export const counterNameOf = (bytes: Uint8Array): string => namesOfBytes.get(bytes) ?? hexEncode(bytes);

export const counterName = (scope: string): string => counterId(scope).name;

/** Consecutive nonces of one sender that stand together. */
const pageSlots = 64;
const pageNames = new Recent<string>(1024);

/** Name of a place's cell, `<page>/<slot>`. */
export function placeName(place: string): string {
  if (!place.startsWith('eip155:')) return `${pageName(place)}/0`;
  const end = place.lastIndexOf(' ') + 1;
  const page = place.slice(0, end);
  // A short nonce is a number, which costs less.
  if (place.length - end < 16) {
    const nonce = Number(place.slice(end));
    return `${pageName(page + Math.floor(nonce / pageSlots))}/${nonce % pageSlots}`;
  }
  const nonce = BigInt(place.slice(end));
  return `${pageName(page + nonce / BigInt(pageSlots))}/${nonce % BigInt(pageSlots)}`;
}

function pageName(page: string): string {
  const known = pageNames.get(page);
  if (known !== undefined) return known;
  const name = hexEncode(domainHash('keystead/place-page/v1', utf8Encode(page)).subarray(0, 16));
  pageNames.set(page, name);
  return name;
}

/** Of a cell that lies with others in one cell of the map: that cell's name, and its slot there. */
export function pageOf(cell: string): { readonly page: string; readonly slot: number } | undefined {
  if (!cell.startsWith('place/')) return undefined;
  const end = cell.lastIndexOf('/');
  return { page: cell.slice(0, end), slot: Number(cell.slice(end + 1)) };
}

/** The longest value that lies in a page; a longer one has a cell of its own, and its slot says so. */
export const maximumSlotBytes = 1024;

const Slots = list(struct({ slot: u8, value: option(bytes(maximumSlotBytes)) }), 64);

/** Values of a page by their slots; undefined stands for a value in a cell of its own. */
export type Page = ReadonlyMap<number, Uint8Array | undefined>;

export function encodePage(page: Page): Uint8Array {
  return Slots.encode(
    [...page].sort(([left], [right]) => left - right).map(([slot, value]) => ({ slot, value })),
  );
}

/** Throws CryptoError `pack-malformed`. */
export function decodePage(encoded: Uint8Array): Page {
  return new Map(Slots.decode(encoded).map(({ slot, value }) => [slot, value]));
}

/**
 * A page after writes to its slots, and the values that have, or no more have, a cell of their own. No slot is ever emptied.
 */
export function writtenPage(
  page: Page,
  writes: ReadonlyMap<number, Uint8Array>,
): { readonly page: Page; readonly own: ReadonlyMap<number, Uint8Array | undefined> } {
  const after = new Map(page);
  const own = new Map<number, Uint8Array | undefined>();
  for (const [slot, value] of writes) {
    const isLong = value.length > maximumSlotBytes;
    if (isLong) own.set(slot, value);
    else if (page.has(slot) && page.get(slot) === undefined) own.set(slot, undefined);
    after.set(slot, isLong ? undefined : value);
  }
  return { page: after, own };
}
