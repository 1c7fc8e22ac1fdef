import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { emptyMapRoot, MerkleMap, type StoredNode } from '@keystead/crypto/merkle-map';
import { appendRow, emptyLedger, type LedgerHead, type SealedSegment } from '@keystead/policy/usage-ledger';
import { domainHash } from '@keystead/protocol/domain';
import { checkpointInterval, type Entry } from '@keystead/protocol/entry';
import {
  encodePage,
  type Page,
  pageOf,
  PlaceCell,
  placeCellOf,
  SegmentCell,
  UsageCell,
  writtenPage,
} from '@keystead/protocol/state-cells';

/**
 * The state of one organization, folded from its entries alone: no row of the store but the entries is read, so that
 * the roots that it comes to owe nothing to stored nodes (spec/state.md).
 */
export class Fold {
  readonly #authority = wholeMap();
  readonly #cells = wholeMap();
  /** Identities and the oldest time of the entries since the last checkpoint. */
  #identities: Uint8Array[] = [];
  #oldestTime = 0;

  /** Ledgers of counters, the segments that rows filled and the counters that got one since the last checkpoint. */
  readonly #ledgers = new Map<string, LedgerHead>();
  #filled = new Map<string, SealedSegment['rows']>();
  #counted = new Set<string>();
  readonly #pages = new Map<string, Page>();

  /** Applies the writes of an entry. Throws what MerkleMap throws, and RangeError for what no cell can hold. */
  apply(entry: Entry): void {
    for (const { key, value } of entry.authority) write(this.#authority, key, value);
    for (const { key, value } of entry.cells) this.#writeCell(key, value);
    for (const place of entry.places)
      this.#writeCell(`place/${place}`, PlaceCell.encode(placeCellOf(entry, place)));
    for (const { counter, amount } of entry.reservations)
      this.#addRow(hexEncode(counter), entry.time, BigInt(amount));
    if (this.#identities.length === 0) this.#oldestTime = entry.time;
    this.#identities.push(entry.identity);
    if (entry.position % checkpointInterval !== 0) return;
    const name = `requests/${entry.position / checkpointInterval}`;
    this.#cells.set(cellKey(name), concatBytes(timeBytes(this.#oldestTime), ...this.#identities));
    this.#identities = [];
    this.#writeCounters();
  }

  #writeCell(name: string, value: Uint8Array | undefined): void {
    const found = pageOf(name);
    if (found === undefined || value === undefined) {
      write(this.#cells, cellKey(name), value);
      return;
    }
    const { page, own } = writtenPage(
      this.#pages.get(found.page) ?? new Map(),
      new Map([[found.slot, value]]),
    );
    this.#pages.set(found.page, page);
    this.#cells.set(cellKey(found.page), encodePage(page));
    for (const [slot, long] of own) write(this.#cells, cellKey(`${found.page}/${slot}`), long);
  }

  #addRow(counter: string, time: number, amount: bigint): void {
    const ledger = this.#ledgers.get(counter) ?? emptyLedger();
    this.#ledgers.set(counter, ledger);
    this.#counted.add(counter);
    for (const { level, index, rows } of appendRow(ledger, time, amount))
      this.#filled.set(`usage-segment/${counter}/${level}/${index}`, rows);
  }

  #writeCounters(): void {
    for (const [name, rows] of this.#filled) this.#cells.set(cellKey(name), SegmentCell.encode(rows));
    for (const counter of this.#counted)
      this.#cells.set(cellKey(`usage/${counter}`), UsageCell.encode(this.#ledgers.get(counter)!));
    this.#filled = new Map();
    this.#counted = new Set();
  }

  /** Root of the authority set (32 bytes). */
  authorityRoot(): Uint8Array {
    return this.#authority.root();
  }

  /** Root of the map over all cells (32 bytes). */
  stateRoot(): Uint8Array {
    return this.#cells.root();
  }

  /** Every node of the authority set, and of the state: a store must have those of a certified root. */
  authorityNodes(): StoredNode[] {
    return this.#authority.newNodes();
  }

  stateNodes(): StoredNode[] {
    return this.#cells.newNodes();
  }
}

/** A map that begins empty has every node in memory and never asks its source. */
function wholeMap(): MerkleMap {
  return new MerkleMap(emptyMapRoot(), { node: () => undefined });
}

function write(map: MerkleMap, key: Uint8Array, value: Uint8Array | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

const cellKey = (name: string): Uint8Array => domainHash('keystead/cell/v1', utf8Encode(name));

function timeBytes(milliseconds: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(milliseconds));
  return bytes;
}
