import { Recent } from '@keystead/crypto/recent';

/** How long the requests that belong to an admitted operation are taken whatever the rate, in milliseconds. */
const reservation = 2000;
/** A registration has one request after its first, a recovery two, and one that asks for a challenge. */
const reserved = 3;
const mostUsers = 65_536;
/** A bucket holds what comes in this many seconds. */
const burstSeconds = 2;

interface Bucket {
  tokens: number;
  at: number;
  /** Requests that the newest admitted operation may still send, and until when. */
  left: number;
  until: number;
}

export interface Rate {
  readonly tenant: number;
  readonly user: number;
}

/**
 * Token buckets per tenant and per user, counted in operations: the later requests of an admitted one are never cut off
 * (spec/realm.md §7). They bound load; the guess counter, which is durable, bounds guesses.
 */
export class RateLimits {
  readonly #tenants = new Map<string, Bucket>();
  readonly #users = new Recent<Bucket>(mostUsers);

  /** Whether a request is taken. `user` is the name of its record. */
  admit(tenant: string, user: string, isFollowing: boolean, rate: Rate, now: number): boolean {
    const own = this.#users.get(user) ?? full(rate.user, now);
    this.#users.set(user, own);
    if (isFollowing && own.left > 0 && now <= own.until) {
      own.left -= 1;
      return true;
    }
    const all = this.#tenants.get(tenant) ?? full(rate.tenant, now);
    this.#tenants.set(tenant, all);
    refill(own, rate.user, now);
    refill(all, rate.tenant, now);
    if (own.tokens < 1 || all.tokens < 1) return false;
    own.tokens -= 1;
    all.tokens -= 1;
    own.left = reserved;
    own.until = now + reservation;
    return true;
  }
}

function full(perSecond: number, now: number): Bucket {
  return { tokens: perSecond * burstSeconds, at: now, left: 0, until: 0 };
}

function refill(bucket: Bucket, perSecond: number, now: number): void {
  const elapsed = Math.max(0, now - bucket.at) / 1000;
  bucket.tokens = Math.min(perSecond * burstSeconds, bucket.tokens + elapsed * perSecond);
  bucket.at = now;
}
