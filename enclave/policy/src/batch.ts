import { hexEncode } from '@keystead/crypto/hex';
import type { StoreRows } from '@keystead/protocol/frames';
import { entryLeaf } from '@keystead/protocol/log-leaf';
import type { Advance, AdvanceOrder } from '@keystead/protocol/receipt';
import type { Ticket } from '@keystead/protocol/ticket';
import type { Decided, DecidedEntry } from './decided.ts';
import type { Organization } from './organization.ts';

/** An answer of the policy engine that leaves when the receipt of its batch is there. */
export interface HeldAnswer {
  readonly refs: readonly number[];
  readonly identity: Uint8Array;
  readonly organization: Organization;
  readonly status: number;
  readonly body: Uint8Array;
  /** What the statement names: the entry's own figures. */
  readonly position: number;
  readonly hash: Uint8Array;
  readonly time: number;
  /** A narrowing change: its answer waits until the signer has noted the floor, or the receipt's lifetime is over. */
  readonly narrows: boolean;
}

export interface HeldTicket {
  readonly ticket: Ticket;
  readonly refs: readonly number[];
  readonly organization: Organization;
}

const mostEntries = 2048;
const mostBytes = 4 * 1024 * 1024;

const sizeOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);

/** What one turn decided, on its way to the store, the certifier and the signer. */
export class Batch {
  readonly number: number;
  readonly rows: StoreRows = { entries: [], nodes: [], secrets: [], owners: [] };
  readonly tickets: HeldTicket[] = [];
  readonly answers: HeldAnswer[] = [];
  /** Bytes of rows and tickets so far. */
  #bytes = 0;
  /** Organizations whose tail this batch carries. */
  readonly organizations = new Map<string, Organization>();
  readonly #groups: Advance[][] = [];
  /** Index of the newest group of an organization, while entries may still be added to its one advance. */
  readonly #open = new Map<string, number>();

  constructor(number: number) {
    this.number = number;
  }

  get isEmpty(): boolean {
    return this.#groups.length === 0;
  }

  /** True when another decision may not fit: every message that carries the batch has to fit into a frame. */
  get isFull(): boolean {
    return this.rows.entries.length >= mostEntries || this.#bytes >= mostBytes;
  }

  addTicket(ticket: HeldTicket): void {
    const { entry, ownerEntry, witness, display } = ticket.ticket;
    this.tickets.push(ticket);
    this.#bytes += entry.length + (ownerEntry?.length ?? 0) + display.length + sizeOf(witness);
  }

  /** Appends the entries to their tails and to the batch. */
  add(decided: Decided): void {
    const group: Advance[] = [];
    for (const entry of decided.entries) {
      const { organization } = entry;
      const name = hexEncode(organization.id);
      this.rows.entries.push({
        organization: organization.id,
        position: entry.known.entry.position,
        bytes: entry.known.sealed,
        checkpoint: entry.checkpoint,
      });
      for (const node of entry.nodes) this.rows.nodes.push(node);
      this.#bytes += entry.known.sealed.length + (entry.evidence?.length ?? 0) + 256;
      const from = organization.tail;
      organization.append(entry.known, entry.floor);
      organization.tailBatch = this.number;
      this.organizations.set(name, organization);
      const open = this.#open.get(name);
      if (decided.entries.length === 1 && open !== undefined && entry.evidence === undefined) {
        const [advance] = this.#groups[open];
        advance.entries.push(advanceEntry(entry));
        this.#groups[open] = [{ ...advance, to: organization.tail }];
        continue;
      }
      this.#open.delete(name);
      group.push({
        organization: organization.id,
        from,
        to: organization.tail,
        entries: [advanceEntry(entry)],
        evidence: entry.evidence,
      });
      if (decided.entries.length === 1 && entry.evidence === undefined)
        this.#open.set(name, this.#groups.length);
    }
    if (group.length > 0) this.#groups.push(group);
    if (decided.secret !== null) this.#bytes += decided.secret.sealed.length;
    if (decided.secret !== null)
      this.rows.secrets.push({ hash: decided.secret.hash, bytes: decided.secret.sealed });
    if (decided.owner !== null) this.rows.owners.push(decided.owner);
  }

  order(boot: Uint8Array): AdvanceOrder {
    return { boot, batch: this.number, groups: this.#groups };
  }
}

function advanceEntry({ organization, known }: DecidedEntry): Advance['entries'][number] {
  const { position, time } = known.entry;
  return { position, hash: known.hash, ...entryLeaf(organization.keys.log, position, known.hash), time };
}
