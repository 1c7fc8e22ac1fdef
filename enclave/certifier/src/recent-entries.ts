import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import type { RecordBody } from '@keystead/protocol/heads-record';

/** For how long a repeated request gets a fresh receipt; longer than any stamp is valid. */
export const recentMilliseconds = 6 * 60 * 1000;
const maximumRecent = 200_000;

export interface RecentEntry {
  readonly organization: Uint8Array;
  readonly position: number;
  readonly hash: Uint8Array;
  readonly authorityBefore: Uint8Array;
  readonly authorityAfter: Uint8Array;
}

/** Entries of the accepted advances of a record, in order. */
export function entriesOf(body: Pick<RecordBody, 'advances'>): RecentEntry[] {
  return body.advances.flatMap(({ organization, authorityBefore, to, entries }) =>
    entries.map(({ hash }, index) => {
      const isLast = index === entries.length - 1;
      return {
        organization,
        position: to.position - (entries.length - 1 - index),
        hash,
        authorityBefore,
        authorityAfter: isLast ? to.authority : authorityBefore,
      };
    }),
  );
}

/** The entries of the last minutes by hash, oldest first, bounded in time and number. */
export class RecentEntries {
  readonly #entries = new Map<string, RecentEntry & { readonly time: number }>();

  add(body: Pick<RecordBody, 'advances' | 'time'>): void {
    for (const entry of entriesOf(body))
      this.#entries.set(hexEncode(entry.hash), { ...entry, time: body.time });
    for (const [name, { time }] of this.#entries) {
      if (time >= body.time - recentMilliseconds && this.#entries.size <= maximumRecent) break;
      this.#entries.delete(name);
    }
  }

  /** The entry when exactly this one is history of the last minutes. */
  find(asked: Pick<RecentEntry, 'organization' | 'position' | 'hash'>, now: number): RecentEntry | undefined {
    const entry = this.#entries.get(hexEncode(asked.hash));
    if (entry === undefined || entry.time < now - recentMilliseconds) return undefined;
    const isSame = entry.position === asked.position && equalBytes(entry.organization, asked.organization);
    return isSame ? entry : undefined;
  }
}
