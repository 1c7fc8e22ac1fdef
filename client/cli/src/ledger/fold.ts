import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { emptyMapRoot, MerkleMap, type StoredNode } from '@keystead/crypto/merkle-map';
import { domainHash } from '@keystead/protocol/domain';
import { checkpointInterval, type Entry } from '@keystead/protocol/entry';

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

  /** Applies the writes of an entry. Throws what MerkleMap throws. */
  apply(entry: Entry): void {
    for (const { key, value } of entry.authority) write(this.#authority, key, value);
    for (const { key, value } of entry.cells) write(this.#cells, cellKey(key), value);
    if (this.#identities.length === 0) this.#oldestTime = entry.time;
    this.#identities.push(entry.identity);
    if (entry.position % checkpointInterval !== 0) return;
    const name = `requests/${entry.position / checkpointInterval}`;
    this.#cells.set(cellKey(name), concatBytes(timeBytes(this.#oldestTime), ...this.#identities));
    this.#identities = [];
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
