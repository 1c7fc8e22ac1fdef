import { equalBytes } from '@keystead/crypto/bytes';
import { CryptoError } from '@keystead/crypto/crypto-error';
import type { SecretBytes } from '@keystead/crypto/secret-bytes';
import { sha256 } from '@keystead/crypto/sha256';
import type { StoredRow } from '@keystead/protocol/row-frames';
import { HeadTable, headBytes } from './head-table.ts';
import type { HeadsPort, LoadedHeads } from './heads-port.ts';
import { headsVersion, type RecordBody, type RowHeadsKind, RowHeadsRecords } from './row-heads-record.ts';

/** A snapshot is due after this many records, or this many bytes of them, or after more when the table is large. */
const defaultSnapshotRecords = 4096;
const snapshotRecordBytes = 16 * 1024 * 1024;
/**
 * What was replaced leaves the log with the second of two snapshots that lie so far apart, in milliseconds: with the first one the
 * keeper begins a new file, and with the next it drops the older one, once its ten minutes are over (spec/heads.md §5).
 */
const replacedWait = 11 * 60_000;
const snapshotsOfReplaced = 2;

export type ChangedRow = RecordBody<never>['rows'][number];

/** What the database lost in a crash, oldest first. */
export interface MissingTail<Event> {
  readonly rows: readonly StoredRow[];
  readonly events: readonly Event[];
}

/**
 * The heads of the rows of one realm or keeper of backups (spec/realm.md §5): the table, the log behind it and what of it the
 * database has.
 */
export class RowHeads<Event> {
  readonly #records: RowHeadsRecords<Event>;
  readonly #name: string;
  readonly #id: Uint8Array;
  readonly #port: HeadsPort;
  readonly #snapshotRecords: number;
  #table = new HeadTable();
  #sequence = 0;
  #chain: Uint8Array = new Uint8Array(32);
  /** The newest sequence of which the log says that the database has it. */
  #loggedStored = 0;
  #stored = 0;
  #snapshotSequence = 0;
  #snapshotBytes = 0;
  /** Of the records since the newest snapshot. */
  #recordBytes = 0;
  #snapshotting = false;
  /** Snapshots until nothing is left in the log of rows that were replaced. */
  #owed = 0;
  /** When the newest of them was taken, by the clock of `snapshotWhenDue`. */
  #owedAt: number | undefined;
  /** Rows of the records that were loaded, until the database is known to have them. */
  #tail: RecordBody<Event>[] = [];
  #lastHadRows = false;

  constructor(
    kind: RowHeadsKind<Event>,
    owner: { readonly seed: SecretBytes; readonly id: Uint8Array },
    port: HeadsPort,
    /** For tests, of what happens around a snapshot. */
    { snapshotRecords = defaultSnapshotRecords }: { readonly snapshotRecords?: number | undefined } = {},
  ) {
    this.#records = new RowHeadsRecords(owner.seed, kind);
    this.#name = kind.name;
    this.#id = owner.id;
    this.#port = port;
    this.#snapshotRecords = snapshotRecords;
  }

  get table(): HeadTable {
    return this.#table;
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Reads the log. False when it is not what was written here. */
  async load(): Promise<boolean> {
    const loaded = await this.#port.load();
    try {
      this.#take(loaded);
      return true;
    } catch (error) {
      if (error instanceof CryptoError) return false;
      throw error;
    }
  }

  /**
   * Compares the log with the newest sequence of the database: a refusal, or what the database lost.
   */
  compare(database: number): { readonly refused: string } | { readonly missing: MissingTail<Event> } {
    const tail = this.#tail;
    this.#tail = [];
    if (database > this.#sequence) return { refused: `${this.#name}-heads-old` };
    if (database < this.#loggedStored) return { refused: `${this.#name}-database-old` };
    this.#stored = database;
    const missing = tail.filter(({ sequence }) => sequence > database);
    return {
      missing: {
        rows: missing.flatMap(({ rows }) => rows.map(({ name, row }) => ({ name, bytes: row }))),
        events: missing.flatMap(({ events }) => events),
      },
    };
  }

  /** Whether a row is the newest of its name. */
  isNewest(name: Uint8Array, row: Uint8Array): boolean {
    const head = this.#table.get(name);
    return head !== undefined && equalBytes(head.subarray(0, headBytes - 1), hashOf(row));
  }

  /** Resolves when the changes are durable in the log; the table has them then. One at a time. */
  async append(rows: readonly ChangedRow[], events: readonly Event[]): Promise<void> {
    const body: RecordBody<Event> = {
      version: headsVersion,
      id: this.#id,
      sequence: this.#sequence + 1,
      previous: this.#chain,
      stored: this.#stored,
      rows: [...rows],
      events: [...events],
    };
    const { mac, bytes } = this.#records.sealRecord(body);
    await this.#port.append(body.sequence, bytes);
    this.#recordBytes += bytes.length;
    this.#apply(body, mac);
  }

  /** The database has everything up to `sequence`. */
  confirm(sequence: number): void {
    this.#stored = sequence;
  }

  /** Whether the database has rows of which the log does not yet say so. An empty record says it. */
  get isBehind(): boolean {
    return this.#lastHadRows && this.#stored === this.#sequence;
  }

  /**
   * Takes a snapshot when one is due: only of what the database has, whose rows nobody will ask for again. `passed`: milliseconds of a
   * clock that nobody sets.
   */
  snapshotWhenDue(passed: number): void {
    const records = this.#sequence - this.#snapshotSequence;
    this.#owedAt ??= passed;
    if (this.#snapshotting || this.#stored !== this.#sequence) return;
    const isOwed = this.#owed > 0 && passed - this.#owedAt >= replacedWait;
    const isDue =
      isOwed ||
      records >= Math.max(this.#snapshotRecords, this.#table.size / 64) ||
      this.#recordBytes >= Math.max(snapshotRecordBytes, 2 * this.#snapshotBytes);
    if (!isDue) return;
    this.#snapshotting = true;
    this.#recordBytes = 0;
    if (isOwed) {
      this.#owed -= 1;
      this.#owedAt = passed;
    }
    const sequence = this.#sequence;
    const snapshot = this.#records.sealSnapshot({
      version: headsVersion,
      id: this.#id,
      sequence,
      chain: this.#chain,
      stored: this.#stored,
      heads: this.#table.encode(),
    });
    this.#snapshotBytes = snapshot.length;
    void this.#port.snapshot(sequence, snapshot).then(() => {
      this.#snapshotSequence = sequence;
      this.#snapshotting = false;
    });
  }

  #take(loaded: LoadedHeads): void {
    if (loaded.snapshot !== undefined) {
      const body = this.#records.openSnapshot(loaded.snapshot);
      if (body.sequence !== loaded.snapshotSequence) throw new CryptoError('decryption-failed');
      this.#assertOwn(body);
      this.#table = HeadTable.decode(body.heads);
      this.#sequence = body.sequence;
      this.#snapshotSequence = body.sequence;
      this.#snapshotBytes = loaded.snapshot.length;
      this.#chain = body.chain;
      this.#loggedStored = body.stored;
    }
    for (const { sequence, record } of loaded.records) {
      if (sequence <= this.#snapshotSequence) continue;
      const { mac, body } = this.#records.openRecord(record);
      this.#assertOwn(body);
      const follows = body.sequence === sequence && sequence === this.#sequence + 1;
      if (!follows || !equalBytes(body.previous, this.#chain)) throw new CryptoError('decryption-failed');
      this.#tail.push(body);
      this.#recordBytes += record.length;
      this.#apply(body, mac);
    }
    // Of what was replaced before nobody knows any more.
    if (this.#sequence > 0) this.#owed = snapshotsOfReplaced;
  }

  #assertOwn(body: { readonly version: number; readonly id: Uint8Array }): void {
    if (body.version !== headsVersion || !equalBytes(body.id, this.#id))
      throw new CryptoError('decryption-failed');
  }

  #apply(body: RecordBody<Event>, mac: Uint8Array): void {
    for (const { name, flag, row } of body.rows) {
      if (this.#table.get(name) !== undefined) this.#owed = snapshotsOfReplaced;
      if (row === undefined) this.#table.delete(name);
      else {
        const head = new Uint8Array(headBytes);
        head.set(hashOf(row));
        head[headBytes - 1] = flag;
        this.#table.set(name, head);
      }
    }
    this.#sequence = body.sequence;
    this.#chain = mac;
    this.#loggedStored = Math.max(this.#loggedStored, body.stored);
    this.#lastHadRows = body.rows.length > 0;
  }
}

function hashOf(row: Uint8Array): Uint8Array {
  return sha256(row).subarray(0, headBytes - 1);
}
