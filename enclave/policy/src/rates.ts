import { Recent } from '@keystead/crypto/recent';
import type { EnclaveSettings } from '@keystead/enclave-runtime/program';
import type { Caller } from '@keystead/protocol/authenticate';
import { KmsError } from '@keystead/protocol/errors';
import { formatUuid } from '@keystead/protocol/ids';
import type { Pending } from './pending.ts';

/** Buckets in memory; one that was forgotten is full again. */
const maximumBuckets = 300_000;
const minute = 60_000;

interface Bucket {
  tokens: number;
  /** When it held so many, milliseconds since 1970. */
  at: number;
}

/** How many requests one authenticator, one user and one organization make (spec/policy.md §6.7). */
export class Rates {
  readonly #settings: EnclaveSettings;
  readonly #buckets = new Recent<Bucket>(maximumBuckets);

  constructor(settings: EnclaveSettings) {
    this.#settings = settings;
  }

  /** Counts a request, once however often its decision begins anew. Throws KmsError `too-many-requests`. */
  take(pending: Pending, caller: Caller, now: number): void {
    const { authenticatorRate, userRate, organizationRate } = this.#settings;
    if (authenticatorRate + userRate + organizationRate === 0 || pending.isCounted) return;
    const { organizationId } = pending;
    const asked: [name: string, rate: number][] = [
      [`key ${organizationId} ${formatUuid(caller.authenticator.id)}`, authenticatorRate],
      [`user ${organizationId} ${caller.user.username}`, userRate],
      [`organization ${organizationId}`, organizationRate],
    ];
    const bounded = asked.filter(([, rate]) => rate > 0);
    const buckets = bounded.map(([name, rate]) => this.#filled(name, rate, now));
    const empty = buckets.findIndex(({ tokens }) => tokens < 1);
    if (empty >= 0) {
      const [[what], rate] = [bounded[empty]![0].split(' '), bounded[empty]![1]];
      throw new KmsError('too-many-requests', {
        detail: `more than ${rate} requests in a minute by one ${what}`,
      });
    }
    pending.isCounted = true;
    for (const bucket of buckets) bucket.tokens -= 1;
  }

  #filled(name: string, rate: number, now: number): Bucket {
    const known = this.#buckets.get(name);
    if (known === undefined) {
      const bucket = { tokens: rate, at: now };
      this.#buckets.set(name, bucket);
      return bucket;
    }
    // A clock that goes back fills nothing.
    if (now > known.at) {
      known.tokens = Math.min(rate, known.tokens + ((now - known.at) * rate) / minute);
      known.at = now;
    }
    return known;
  }
}
