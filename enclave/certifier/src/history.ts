import { equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { emptyRoot, Frontier, leafHash } from '@keystead/crypto/merkle-tree';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import type { LoadedHeads } from '@keystead/enclave-runtime/heads-port';
import { zeroHash } from '@keystead/protocol/entry';
import type { OrganizationState } from './advance-rules.ts';
import { type RecordBody, type RecordedGenerations, recordVersion } from '@keystead/protocol/heads-record';
import { bytesOf } from '@keystead/protocol/kept-rows';
import { openRecord, openSnapshot, sealSnapshot } from './heads-record.ts';
import { RecentEntries } from './recent-entries.ts';

/** An identity that changed an authority set is remembered longer than any stamp of it can be fresh. */
const identityMilliseconds = 11 * 60 * 1000;
/** Rows of so many minutes are given to the gateway at start, and no more than so many bytes. */
const tailMilliseconds = 10 * 60 * 1000;
const tailBytes = 32 * 1024 * 1024;

/** The log at start is not the one that this certifier wrote. `sequence` names the first bad record, 0 the snapshot. */
export class HeadsRefused extends Error {
  readonly sequence: number;
  readonly reason: string;

  constructor(sequence: number, reason: string) {
    super(`${sequence === 0 ? 'snapshot' : `record ${sequence}`} of the heads log: ${reason}`);
    this.name = 'HeadsRefused';
    this.sequence = sequence;
    this.reason = reason;
  }
}

/** Leaf data of a record in the order of the tree. */
export function leavesOf(body: Pick<RecordBody, 'boot' | 'advances'>): Uint8Array[] {
  const leaves = body.boot === undefined ? [] : [body.boot];
  for (const { entries } of body.advances) for (const { leaf } of entries) leaves.push(leaf);
  return leaves;
}

/** The fold of all durable records: heads, tree and time (spec/heads.md §7). */
export class History {
  readonly deploymentId: Uint8Array;
  readonly recent = new RecentEntries();
  readonly #organizations = new Map<string, OrganizationState>();
  readonly #identities = new Map<string, number>();
  #frontier = new Frontier();
  #root = emptyRoot();
  #sequence = 0;
  #chain: Uint8Array = zeroHash;
  #mark = 0;
  #epoch = 0;
  #since = 0;
  #generations: RecordedGenerations = { newest: 0, oldest: 0 };
  #roleGeneration = 0;

  constructor(deploymentId: Uint8Array) {
    this.deploymentId = deploymentId;
  }

  get organizations(): number {
    return this.#organizations.size;
  }
  get frontier(): Frontier {
    return this.#frontier;
  }
  get root(): Uint8Array {
    return this.#root;
  }
  get sequence(): number {
    return this.#sequence;
  }
  /** MAC of the newest record. */
  get chain(): Uint8Array {
    return this.#chain;
  }
  /** The newest time mark. */
  get mark(): number {
    return this.#mark;
  }

  /** How often the operators anchored the log anew. */
  get epoch(): number {
    return this.#epoch;
  }
  /** When they did so last, milliseconds since 1970; 0 if never. */
  get since(): number {
    return this.#since;
  }

  /** Of the wallet key, as the signer stated them last; zeros before the first time. */
  get generations(): RecordedGenerations {
    return this.#generations;
  }

  /** Of the roles' keys, at the newest start; 0 before the first. */
  get roleGeneration(): number {
    return this.#roleGeneration;
  }

  stateOf(organization: Uint8Array): OrganizationState | undefined {
    return this.#organizations.get(hexEncode(organization));
  }

  wasUsed(identity: Uint8Array): boolean {
    return this.#identities.has(hexEncode(identity));
  }

  /** Applies the next record. `frontier` is the tree after it. */
  apply(body: RecordBody, mac: Uint8Array, frontier: Frontier): void {
    if (body.epoch !== undefined) {
      this.#epoch = body.epoch;
      this.#since = body.time;
    }
    if (body.roleGeneration !== undefined) this.#roleGeneration = body.roleGeneration;
    if (body.generations !== undefined) this.#generations = body.generations;
    for (const { organization, to, time, identity } of body.advances) {
      this.#organizations.set(hexEncode(organization), { head: to, time, epoch: this.#epoch });
      if (identity !== undefined) this.#identities.set(hexEncode(identity), body.time);
    }
    for (const [name, time] of this.#identities) {
      if (time >= body.time - identityMilliseconds) break;
      this.#identities.delete(name);
    }
    this.recent.add(body);
    this.#frontier = frontier;
    this.#root = body.root;
    this.#sequence = body.sequence;
    this.#chain = mac;
    this.#mark = body.time;
  }

  /** The state after the newest record, for the keeper. Entries of the last minutes come back from kept records. */
  snapshot(key: SecretBytes): Uint8Array {
    return sealSnapshot(key, {
      version: recordVersion,
      deployment: this.deploymentId,
      sequence: this.#sequence,
      chain: this.#chain,
      mark: this.#mark,
      epoch: this.#epoch,
      since: this.#since,
      generations: this.#generations,
      roleGeneration: this.#roleGeneration,
      size: this.#frontier.size,
      peaks: this.#frontier.snapshot(),
      organizations: [...this.#organizations].map(([name, { head, time, epoch }]) => ({
        organization: hexDecode(name),
        head,
        time,
        epoch,
      })),
      identities: [...this.#identities].map(([name, time]) => ({ identity: hexDecode(name), time })),
    });
  }

  /** A new history that begins at a snapshot. Throws CryptoError. */
  static fromSnapshot(key: SecretBytes, encoded: Uint8Array, deploymentId: Uint8Array): History {
    const body = openSnapshot(key, encoded);
    if (body.version !== recordVersion || !equalBytes(body.deployment, deploymentId))
      throw new CryptoError('decryption-failed');
    const history = new History(deploymentId);
    for (const { organization, head, time, epoch } of body.organizations)
      history.#organizations.set(hexEncode(organization), { head, time, epoch });
    for (const { identity, time } of body.identities) history.#identities.set(hexEncode(identity), time);
    history.#frontier = Frontier.restore(body.size, body.peaks);
    history.#root = history.#frontier.root();
    history.#sequence = body.sequence;
    history.#chain = body.chain;
    history.#mark = body.mark;
    history.#epoch = body.epoch;
    history.#since = body.since;
    history.#generations = body.generations;
    history.#roleGeneration = body.roleGeneration;
    return history;
  }
}

export interface Restored {
  readonly history: History;
  /** Encoded `KeptRow`s of the minutes before the newest record that has rows, newest first. */
  readonly rows: readonly Uint8Array[];
}

/**
 * The history that the keeper's log holds. Every record must be one that this certifier wrote, follow the one before
 * it, and give the tree that it states. What nobody can see here is a log that ends too early. Throws HeadsRefused.
 */
export function restore(loaded: LoadedHeads, key: SecretBytes, deploymentId: Uint8Array): Restored {
  let history = new History(deploymentId);
  if (loaded.snapshot !== undefined) {
    try {
      history = History.fromSnapshot(key, loaded.snapshot, deploymentId);
    } catch {
      throw new HeadsRefused(0, 'not written by this certifier');
    }
    if (history.sequence !== loaded.snapshotSequence) throw new HeadsRefused(0, 'of another record');
  } else if (loaded.snapshotSequence !== 0) throw new HeadsRefused(0, 'missing');

  const kept: RecordBody[] = [];
  const snapshotSequence = history.sequence;
  const snapshotChain = history.chain;
  let previous: { readonly sequence: number; readonly mac: Uint8Array } | undefined =
    snapshotSequence === 0 ? { sequence: 0, mac: zeroHash } : undefined;
  for (const { sequence, record } of loaded.records) {
    let opened: ReturnType<typeof openRecord>;
    try {
      opened = openRecord(key, record);
    } catch {
      throw new HeadsRefused(sequence, 'not written by this certifier');
    }
    const { mac, body } = opened;
    if (body.version !== recordVersion || !equalBytes(body.deployment, deploymentId))
      throw new HeadsRefused(sequence, 'of another deployment or version');
    if (body.sequence !== sequence) throw new HeadsRefused(sequence, `holds record ${body.sequence}`);
    // Without a kept record at the snapshot, the first one after it follows the snapshot itself.
    if (previous === undefined && sequence === snapshotSequence + 1)
      previous = { sequence: snapshotSequence, mac: snapshotChain };
    if (previous === undefined ? sequence > snapshotSequence : sequence !== previous.sequence + 1)
      throw new HeadsRefused(sequence, 'the record before it is missing');
    if (previous !== undefined && !equalBytes(body.previous, previous.mac))
      throw new HeadsRefused(sequence, 'does not follow the record before it');
    if (sequence === snapshotSequence && !equalBytes(mac, snapshotChain))
      throw new HeadsRefused(sequence, 'is not the record of the snapshot');
    previous = { sequence, mac };
    if (sequence <= snapshotSequence) history.recent.add(body);
    else {
      const frontier = history.frontier.clone();
      for (const leaf of leavesOf(body)) frontier.append(leafHash(leaf));
      if (frontier.size !== body.size || !equalBytes(frontier.root(), body.root) || body.time < history.mark)
        throw new HeadsRefused(sequence, 'states another tree or time');
      history.apply(body, mac, frontier);
    }
    kept.push(body);
  }
  if (previous !== undefined && previous.sequence < snapshotSequence)
    throw new HeadsRefused(snapshotSequence, 'is missing');
  // A mark without rows is no reason to leave out the newest rows, however late it came: the store may lack just those.
  const newest = kept.findLast(({ rows }) => rows.length > 0)?.time ?? 0;
  return { history, rows: newestRows(kept, newest - tailMilliseconds) };
}

function newestRows(kept: readonly RecordBody[], since: number): Uint8Array[] {
  const newest: Uint8Array[] = [];
  let bytes = 0;
  for (const { time, rows } of kept.toReversed()) {
    bytes += bytesOf(rows);
    if (time < since || bytes > tailBytes) break;
    newest.push(...rows.toReversed());
  }
  return newest;
}
