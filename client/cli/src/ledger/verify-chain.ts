import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import {
  checkpointInterval,
  Entry,
  entryHash,
  entryKind,
  entryVersion,
  zeroHash,
} from '@keystead/protocol/entry';
import { formatUuid, organizationIdOf } from '@keystead/protocol/ids';
import { Fold } from './fold.ts';

/** A row is the entry's bytes and a MAC of 32 bytes, for which only the policy engine has the key. */
const macBytes = 32;

export interface EntryRow {
  readonly position: number;
  readonly checkpoint: boolean;
  readonly bytes: Uint8Array;
}

/** The rows of one organization in ascending order, and one of them by position. */
export interface ChainRows {
  rows(): Iterable<EntryRow>;
  row(position: number): Uint8Array | undefined;
}

/** What is wrong with the first bad entry of a chain. */
export interface BadEntry {
  readonly position: number;
  readonly what: string;
}

/** An entry that another organization's chain has to answer with one for the same request. */
export interface Counterpart {
  readonly position: number;
  readonly identity: string;
  readonly organization: string;
}

export interface ChainReport {
  readonly organizationId: string;
  /** Entries that were found good, up to the first bad one. */
  readonly entries: number;
  readonly position: number;
  /** Hash of the entry at `position`, lower-case hexadecimal. */
  readonly hash: string;
  readonly denied: number;
  readonly bad: BadEntry | null;
  readonly counterparts: readonly Counterpart[];
  /** Hashes of map nodes that a store must have to load this organization. */
  readonly nodes: readonly Uint8Array[];
}

class Bad extends Error {
  readonly position: number;

  constructor(position: number, what: string) {
    super(what);
    this.position = position;
  }
}

/**
 * Walks one chain from its genesis: encoding, positions, links, times, authority roots and state roots, each computed
 * again from the entries. `deploymentId` (32 bytes) also checks that the organization's id commits to its genesis.
 * `through` ends the walk at a certified position: what follows it never became history.
 */
export function verifyChain(
  organization: Uint8Array,
  chain: ChainRows,
  options: { readonly deploymentId?: Uint8Array; readonly through?: number } = {},
): ChainReport {
  const walk = new Walk(organization, chain, options.deploymentId);
  let bad: BadEntry | null = null;
  try {
    for (const row of chain.rows()) {
      if (options.through !== undefined && row.position > options.through) break;
      walk.step(row);
    }
    if (options.through !== undefined && walk.position < options.through)
      throw new Bad(walk.position + 1, 'it is missing: history goes on to a later position');
  } catch (error) {
    if (!(error instanceof Bad)) throw error;
    bad = { position: error.position, what: error.message };
  }
  return { ...walk.report(), bad };
}

class Walk {
  readonly #organization: Uint8Array;
  readonly #chain: ChainRows;
  readonly #deploymentId: Uint8Array | undefined;
  readonly #fold = new Fold();
  readonly #counterparts: Counterpart[] = [];
  #stateNodes: Uint8Array[] = [];
  position = 0;
  #hash = zeroHash;
  #time = 0;
  #authority = zeroHash;
  #denied = 0;

  constructor(organization: Uint8Array, chain: ChainRows, deploymentId: Uint8Array | undefined) {
    this.#organization = organization;
    this.#chain = chain;
    this.#deploymentId = deploymentId;
  }

  step(row: EntryRow): void {
    const expected = this.position + 1;
    if (row.position !== expected) throw new Bad(expected, 'it is missing from the store');
    const { entry, hash } = decodeRow(row.bytes, expected);
    this.#checkPlace(entry, expected);
    this.#checkLink(entry, expected, hash);
    this.#checkRoots(entry, expected, row.checkpoint);
    this.#note(entry);
    this.position = expected;
    this.#hash = hash;
    this.#time = entry.time;
    this.#authority = entry.authorityAfter;
  }

  #checkPlace(entry: Entry, expected: number): void {
    if (!equalBytes(entry.organization, this.#organization))
      throw new Bad(expected, `it belongs to organization ${formatUuid(entry.organization)}`);
    if (entry.position !== expected) throw new Bad(expected, `it names position ${entry.position}`);
    if ((entry.kind === entryKind.genesis) !== (expected === 1))
      throw new Bad(expected, expected === 1 ? 'the first entry is no genesis' : 'it is a second genesis');
    if (expected === 1 && this.#deploymentId !== undefined) {
      const id = organizationIdOf(this.#deploymentId, entry.identity);
      if (!equalBytes(id, this.#organization))
        throw new Bad(1, 'the id of the organization does not follow from this genesis in this deployment');
    }
  }

  #checkLink(entry: Entry, expected: number, hash: Uint8Array): void {
    if (!equalBytes(entry.previous, this.#hash)) throw this.#brokenLink(expected, hash);
    if (entry.time < this.#time) throw new Bad(expected, 'its time lies before that of the entry before it');
    if (!equalBytes(entry.authorityBefore, this.#authority))
      throw new Bad(expected, 'it was decided under another authority set than the entry before it left');
  }

  /**
   * Two neighbours do not belong together. Which of them was changed shows in the entry after both: an entry that is
   * confirmed by its successor is as it was.
   */
  #brokenLink(expected: number, hash: Uint8Array): Bad {
    if (expected === 1) return new Bad(1, 'the first entry names an entry before it');
    const next = this.#chain.row(expected + 1);
    if (next === undefined)
      return new Bad(
        expected - 1,
        `its hash is not the one that position ${expected} names, and no later entry tells which of the two was changed`,
      );
    const confirmed = isNamedBy(next, hash);
    return confirmed
      ? new Bad(expected - 1, `its hash is not the one that position ${expected} names: it was changed`)
      : new Bad(
          expected,
          `it does not name the hash of position ${expected - 1}, and position ${expected + 1} does not name its hash: it was changed`,
        );
  }

  #checkRoots(entry: Entry, expected: number, checkpoint: boolean): void {
    try {
      this.#fold.apply(entry);
    } catch (error) {
      throw new Bad(expected, `its writes cannot be applied: ${(error as Error).message}`);
    }
    if (entry.authority.length === 0 && !equalBytes(entry.authorityBefore, entry.authorityAfter))
      throw new Bad(expected, 'it changes the authority root without a write to the authority set');
    if (!equalBytes(this.#fold.authorityRoot(), entry.authorityAfter))
      throw new Bad(expected, 'its authority root is not that of the authority set after its writes');
    const isCheckpoint = expected % checkpointInterval === 0;
    if (isCheckpoint !== (entry.stateRoot !== undefined))
      throw new Bad(
        expected,
        isCheckpoint ? 'a checkpoint states no root' : 'it states a root and is no checkpoint',
      );
    if (checkpoint !== isCheckpoint)
      throw new Bad(expected, 'its row is not marked as the checkpoint that it is or is not');
    if (entry.stateRoot === undefined) return;
    if (!equalBytes(this.#fold.stateRoot(), entry.stateRoot))
      throw new Bad(
        expected,
        'the root that the checkpoint states is not that of the state after its writes',
      );
    this.#stateNodes = this.#fold.stateNodes().map((node) => node.hash);
  }

  #note(entry: Entry): void {
    if (entry.decision.outcome === 2) this.#denied++;
    if (entry.counterpart !== undefined)
      this.#counterparts.push({
        position: entry.position,
        identity: hexEncode(entry.identity),
        organization: formatUuid(entry.counterpart),
      });
  }

  report(): Omit<ChainReport, 'bad'> {
    return {
      organizationId: formatUuid(this.#organization),
      entries: this.position,
      position: this.position,
      hash: hexEncode(this.#hash),
      denied: this.#denied,
      counterparts: this.#counterparts,
      nodes: [...this.#fold.authorityNodes().map((node) => node.hash), ...this.#stateNodes],
    };
  }
}

function decodeRow(bytes: Uint8Array, position: number): { entry: Entry; hash: Uint8Array } {
  if (bytes.length <= macBytes) throw new Bad(position, 'its row is too short');
  const encoded = bytes.subarray(0, bytes.length - macBytes);
  if (encoded[0] !== entryVersion)
    throw new Bad(position, `its version is ${encoded[0]}, and only version ${entryVersion} is read`);
  try {
    return { entry: Entry.decode(encoded), hash: entryHash(encoded) };
  } catch (error) {
    throw new Bad(position, `its row holds no entry: ${(error as Error).message}`);
  }
}

function isNamedBy(row: Uint8Array, hash: Uint8Array): boolean {
  try {
    return equalBytes(decodeRow(row, 0).entry.previous, hash);
  } catch {
    return false;
  }
}
