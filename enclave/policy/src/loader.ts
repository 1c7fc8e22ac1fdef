import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { MerkleMap } from '@keystead/crypto/merkle-map';
import { checkpointInterval, type Head, zeroHash } from '@keystead/protocol/entry';
import type { RowQuery } from '@keystead/protocol/frames';
import type { DecidedRequests } from './decided-requests.ts';
import {
  emptyHead,
  type KnownEntry,
  locked,
  Organization,
  type OrganizationKeys,
  openEntry,
} from './organization.ts';
import type { NodeCache } from './rows.ts';

/** Writes of the authority set that cost less to replay than its nodes cost to fetch. */
const mostReplayedWrites = 64;

/**
 * Brings a cold organization into memory (spec/state.md §7): the certifier says where the chain ends, the store gives
 * the newest checkpoint and the entries after it, and every one of them must lie on the way to that end.
 */
export class Loading {
  readonly id: Uint8Array;
  readonly #keys: OrganizationKeys;
  readonly #nodes: NodeCache;
  readonly #requests: DecidedRequests;
  #head: Head | undefined;
  /** The end of the chain is what the store has, at or after the head that the certifier knows. */
  #adopts = false;
  #checkpoint: number | undefined;
  #rows: Uint8Array[] = [];

  constructor(id: Uint8Array, keys: OrganizationKeys, nodes: NodeCache, requests: DecidedRequests) {
    this.id = id;
    this.#keys = keys;
    this.#nodes = nodes;
    this.#requests = requests;
  }

  /** The certified head, or undefined when the certifier knows none. Returns the next step. */
  headKnown(head: Head | undefined, unconfirmed: boolean): RowQuery {
    if (unconfirmed) {
      this.#adopts = true;
      this.#head = head;
      return { kind: 'newestCheckpoint', organization: this.id, atMost: Number.MAX_SAFE_INTEGER };
    }
    if (head === undefined || head.position === 0)
      return { kind: 'entries', organization: this.id, from: 1, limit: 1 };
    this.#head = head;
    return { kind: 'newestCheckpoint', organization: this.id, atMost: head.position };
  }

  checkpointKnown(position: number | undefined): RowQuery {
    this.#checkpoint = position ?? 0;
    if (this.#adopts) {
      if (this.#checkpoint % checkpointInterval !== 0)
        throw locked('the store names a checkpoint that is none');
      return this.#following();
    }
    const head = this.#head!;
    if (this.#checkpoint % checkpointInterval !== 0 || this.#checkpoint > head.position)
      throw locked('the store names a checkpoint that is none');
    if (head.position - this.#checkpoint >= checkpointInterval)
      throw locked('the newest checkpoint is missing from the store');
    return this.#remaining();
  }

  /** The rows after those that have been read, whose number nobody knows. */
  #following(): RowQuery {
    const from = Math.max(this.#checkpoint!, 1) + this.#rows.length;
    return { kind: 'entries', organization: this.id, from, limit: checkpointInterval };
  }

  #remaining(): RowQuery {
    const from = Math.max(this.#checkpoint!, 1) + this.#rows.length;
    return { kind: 'entries', organization: this.id, from, limit: this.#head!.position - from + 1 };
  }

  /**
   * The organization, or the next query where the answer held a beginning only (a frame has room for so much).
   * Throws KmsError `organization-locked` when the rows are not the certified chain.
   */
  entriesKnown(rows: readonly Uint8Array[]): RowQuery | Organization {
    if (this.#adopts) {
      this.#rows = [...this.#rows, ...rows];
      return rows.length === 0 || this.#rows.length > 2 * checkpointInterval
        ? this.#adopted()
        : this.#following();
    }
    const head = this.#head;
    if (head === undefined) return this.#withoutHead(rows);
    const from = Math.max(this.#checkpoint!, 1);
    this.#rows = [...this.#rows, ...rows];
    const expected = head.position - from + 1;
    if (rows.length === 0 || this.#rows.length > expected) throw locked('entries are missing from the store');
    if (this.#rows.length < expected) return this.#remaining();
    return this.#fold(head, from);
  }

  /** The chain of the store, as far as its rows follow each other: unconfirmed until a root says that this is its end. */
  #adopted(): Organization {
    const from = Math.max(this.#checkpoint!, 1);
    const entries = this.#rows.map((row) => openEntry(this.#keys, row));
    const breaks = entries.findIndex(
      ({ entry }, index) => index > 0 && !equalBytes(entry.previous, entries[index - 1]!.hash),
    );
    const chain = breaks < 0 ? entries : entries.slice(0, breaks);
    const known = this.#head;
    const last = chain.at(-1);
    if (last === undefined) {
      if (known !== undefined) throw locked('entries are missing from the store');
      return this.#organization(zeroHash);
    }
    const { position, authorityAfter } = last.entry;
    if (known !== undefined) {
      const same = chain[known.position - from];
      if (known.position > position || (same !== undefined && !equalBytes(same.hash, known.hash)))
        throw locked('its rows are not the chain that the heads log knows');
    }
    this.#rows = this.#rows.slice(0, chain.length);
    const head = { position, hash: last.hash, authority: authorityAfter, floor: position };
    const organization = this.#fold(head, from);
    organization.isUnconfirmed = true;
    return organization;
  }

  /** The organization at a head, from the rows that end there. Throws KmsError `organization-locked`. */
  #fold(head: Head, from: number): Organization {
    const entries: KnownEntry[] = this.#rows.map((row) => openEntry(this.#keys, row));
    for (const [index, { entry, hash }] of entries.entries()) {
      if (entry.position !== from + index || !equalBytes(entry.organization, this.id))
        throw locked(`the row at position ${from + index} is another entry`);
      const next = entries[index + 1];
      const expected = next === undefined ? head.hash : next.entry.previous;
      if (!equalBytes(hash, expected)) throw locked(`the chain is broken at position ${entry.position}`);
    }
    const [first] = entries;
    if (from === 1 && !equalBytes(first.entry.previous, zeroHash))
      throw locked('the chain has another beginning');
    let stateRoot = zeroHash;
    if (this.#checkpoint! > 0) {
      if (first.entry.stateRoot === undefined) throw locked(`position ${from} is no checkpoint`);
      stateRoot = first.entry.stateRoot;
    }
    const organization = this.#organization(stateRoot);
    for (const known of entries) organization.append(known, head.floor);
    if (from === 1) this.#keepAuthority(entries, head.authority);
    if (!equalBytes(organization.tail.authority, head.authority))
      throw locked('the authority root is not the certified one');
    organization.certified = head;
    return organization;
  }

  /** A chain that is there from its beginning holds its whole authority set: none of its nodes has to be asked for. */
  #keepAuthority(entries: readonly KnownEntry[], root: Uint8Array): void {
    const writes = entries.flatMap(({ entry }) => entry.authority);
    if (writes.length > mostReplayedWrites) return;
    const map = new MerkleMap(zeroHash, this.#nodes);
    for (const { key, value } of writes) {
      if (value === undefined) map.delete(key);
      else map.set(key, value);
    }
    if (!equalBytes(map.root(), root)) return;
    for (const { hash, bytes } of map.newNodes()) this.#nodes.put(hash, bytes);
  }

  /**
   * No history: the organization does not exist. When this engine once wrote a founding for it, the heads log was lost
   * or is an older one, or that founding never became history; only founding it says which.
   */
  #withoutHead([row]: readonly Uint8Array[]): Organization {
    const organization = this.#organization(zeroHash);
    organization.hasEntriesWithoutHead = row !== undefined && this.#isOwn(row);
    return organization;
  }

  #isOwn(row: Uint8Array): boolean {
    try {
      return equalBytes(openEntry(this.#keys, row).entry.organization, this.id);
    } catch {
      return false;
    }
  }

  #organization(stateRoot: Uint8Array): Organization {
    return new Organization(this.id, this.#keys, this.#nodes, this.#requests, stateRoot, emptyHead);
  }

  get name(): string {
    return hexEncode(this.id);
  }
}
