import { equalBytes } from '@keystead/crypto/bytes';
import { HashMap } from '@keystead/crypto/hash-map';
import { Recent } from '@keystead/crypto/recent';
import type { Clock } from '@keystead/enclave-runtime/program';
import { Entry, entryHash, type Head } from '@keystead/protocol/entry';
import { type Receipt, type ReceiptItem, receiptLifetimeMilliseconds } from '@keystead/protocol/receipt';
import { refusal, within } from './refusal.ts';

/** Longer than a receipt lives: what is older needs no memory to be refused. */
const rememberedMilliseconds = 30_000;
/** More organizations than can have an entry while a receipt lives. */
const maximumRemembered = 131_072;

/** Checks 4 to 6 of spec/signer.md §3: what is history, and how far it has been seen. */

/** An entry that a receipt shows to be history. What of it outlives the turn is copied: it is a view of the message. */
export interface CommittedEntry {
  readonly entry: Entry;
  readonly hash: Uint8Array;
}

/** The highest head seen of each organization in the last moments. */
export class SeenHeads {
  readonly #clock: Clock;
  // The one that was noted first is the oldest.
  readonly #seen = new Recent<{ head: Head; at: number }, Uint8Array>(maximumRemembered, new HashMap());

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Remembers a head unless a higher one was seen. */
  note(organization: Uint8Array, head: Head): void {
    const now = this.#clock();
    for (;;) {
      const { oldest } = this.#seen;
      if (oldest === undefined || oldest.value.at >= now - rememberedMilliseconds) break;
      this.#seen.delete(oldest.name);
    }
    const known = this.#seen.peek(organization);
    if (known !== undefined && known.head.position >= head.position) return;
    // A head outlives the message that it came in.
    const { position, floor } = head;
    const hash = new Uint8Array(head.hash);
    this.#seen.set(new Uint8Array(organization), {
      head: { position, hash, authority: new Uint8Array(head.authority), floor },
      at: now,
    });
  }

  /** Refuses a head behind one that was seen, or another one at the same position. */
  assertNotBehind(organization: Uint8Array, head: Head): void {
    const known = this.#seen.peek(organization)?.head;
    if (known === undefined) return;
    if (head.position < known.position)
      throw refusal('head', 'The receipt is behind what the signer has seen of the organization.');
    if (head.position === known.position && !equalBytes(head.hash, known.hash))
      throw refusal('head', 'The receipt names another head at a position that the signer has seen.');
  }
}

/** A receipt of the last 5 seconds. Throws `receipt-age`. */
export class FreshReceipt {
  readonly time: number;
  readonly #items: readonly ReceiptItem[];
  /** Tickets come in the order of the items. */
  #next = 0;

  /** `started`: when the signer started; what was certified before may have been taken back since. */
  constructor(receipt: Receipt, now: number, started: number) {
    if (receipt.time < started)
      throw refusal('receipt-age', 'The receipt is from before the start of the signer.');
    if (Math.abs(receipt.time - now) > receiptLifetimeMilliseconds)
      throw refusal('receipt-age', 'The receipt is more than 5 s from the time of the signer.');
    this.time = receipt.time;
    this.#items = receipt.items;
  }

  #item(hash: Uint8Array): ReceiptItem | undefined {
    const items = this.#items;
    for (let passed = 0; passed < items.length; passed += 1) {
      const item = items[this.#next]!;
      this.#next = (this.#next + 1) % items.length;
      if (item.hash[0] === hash[0] && equalBytes(item.hash, hash)) return item;
    }
    return undefined;
  }

  /** The entry, when this receipt shows it to be history that still may be signed. */
  committed(encoded: Uint8Array, heads: SeenHeads): CommittedEntry {
    const entry = within('receipt-item', () => Entry.decodeViews(encoded));
    const hash = entryHash(encoded);
    const item = this.#item(hash);
    if (
      item === undefined ||
      !equalBytes(item.organization, entry.organization) ||
      item.position !== entry.position
    )
      throw refusal('receipt-item', 'The receipt does not contain the entry.');
    if (
      !equalBytes(item.authorityBefore, entry.authorityBefore) ||
      !equalBytes(item.authorityAfter, entry.authorityAfter)
    )
      throw refusal('receipt-item', 'Receipt and entry name different authority roots.');
    const { head } = item;
    if (head.position < entry.position || (head.position === entry.position && !equalBytes(head.hash, hash)))
      throw refusal('receipt-item', 'The head of the receipt does not come after the entry.');
    heads.assertNotBehind(entry.organization, head);
    if (entry.position < head.floor)
      throw refusal('floor', 'A later change of the organization took back what the entry permits.');
    return { entry, hash };
  }
}
