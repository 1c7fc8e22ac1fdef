/** A heads log in memory whose writes fail as a keeper's do: the process that asked ends without an answer. */
import type { HeadsPort, LoadedHeads } from '@keystead/enclave-runtime/heads-port';
import { Authenticated, RecordBody, SnapshotBody } from '@keystead/protocol/heads-record';
import { formatUuid } from '@keystead/protocol/ids';

/**
 * `refused`: the keeper has nothing of it, and says so or is gone. `torn`: a beginning of it reached the medium, which
 * the keeper cuts off when it starts again. `unanswered`: it is durable, and the keeper ended before it said so.
 */
export type WriteFault = 'refused' | 'torn' | 'unanswered';

/** What no keeper may do: it says that a record is durable, and has lost it when it starts again. */
export type BrokenPromise = 'forgotten';

/** What happens to the write of this number, counted from 1; undefined: it succeeds. */
export type FaultPlan = (write: number) => WriteFault | BrokenPromise | undefined;

export class FaultyHeads implements HeadsPort {
  plan: FaultPlan = () => undefined;
  /** Called when a write fails; the certifier ends then. */
  failed: () => void = () => {};
  writes = 0;
  faults = 0;
  /** What lies on the medium; the newest record may be the beginning of one. */
  readonly #records: { sequence: number; record: Uint8Array; whole: boolean }[] = [];
  #snapshot: { sequence: number; bytes: Uint8Array } | undefined;
  #forgottenFrom: number | undefined;
  #ended = false;

  /** A new process asks for the log: the keeper has been started again and has cut off what is torn. */
  async load(): Promise<LoadedHeads> {
    this.#ended = false;
    if (this.#records.at(-1)?.whole === false) this.#records.pop();
    if (this.#forgottenFrom !== undefined)
      this.#records.splice(this.#records.findIndex(({ sequence }) => sequence === this.#forgottenFrom));
    this.#forgottenFrom = undefined;
    const snapshotSequence = this.#snapshot?.sequence ?? 0;
    return {
      snapshot: this.#snapshot?.bytes,
      snapshotSequence,
      records: this.#records.map(({ sequence, record }) => ({ sequence, record })),
    };
  }

  append(sequence: number, record: Uint8Array): Promise<void> {
    return this.#write((fault) => {
      if (fault === 'refused') return;
      if (sequence !== (this.#records.at(-1)?.sequence ?? 0) + 1) throw new Error(`a gap before ${sequence}`);
      if (fault === 'forgotten') this.#forgottenFrom ??= sequence;
      const whole = fault !== 'torn';
      this.#records.push({ sequence, record: record.slice(0, whole ? undefined : record.length / 2), whole });
    });
  }

  snapshot(sequence: number, bytes: Uint8Array): Promise<void> {
    return this.#write((fault) => {
      // A snapshot gets its name when it is complete: a torn one is none.
      if (fault === undefined || fault === 'unanswered') this.#snapshot = { sequence, bytes: bytes.slice() };
    });
  }

  #write(keep: (fault: ReturnType<FaultPlan>) => void): Promise<void> {
    if (this.#ended) return new Promise(() => {});
    this.writes += 1;
    const fault = this.plan(this.writes);
    keep(fault);
    if (fault === undefined || fault === 'forgotten') return Promise.resolve();
    this.faults += 1;
    this.#ended = true;
    this.failed();
    return new Promise(() => {});
  }

  get snapshots(): number {
    return this.#snapshot === undefined ? 0 : 1;
  }

  /** The certified end of every chain: position and lower-case hexadecimal hash, by organization id. */
  heads(): ReadonlyMap<string, { readonly position: number; readonly hash: string }> {
    const heads = new Map<string, { position: number; hash: string }>();
    const set = (organization: Uint8Array, { position, hash }: { position: number; hash: Uint8Array }) =>
      heads.set(formatUuid(organization), { position, hash: Buffer.from(hash).toString('hex') });
    if (this.#snapshot !== undefined) {
      const snapshot = SnapshotBody.decode(Authenticated.decode(this.#snapshot.bytes).body);
      for (const { organization, head } of snapshot.organizations) set(organization, head);
    }
    for (const { sequence, record, whole } of this.#records) {
      if (!whole || sequence <= (this.#snapshot?.sequence ?? 0)) continue;
      for (const { organization, to } of RecordBody.decode(Authenticated.decode(record).body).advances)
        set(organization, to);
    }
    return heads;
  }
}
