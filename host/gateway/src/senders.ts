import { base64urlDecode } from '@keystead/crypto/base64url';
import type { RawRequest } from '@keystead/protocol/frames';

/** The line of all who have not had an answer of status 200 lately. */
export const strangers = '';

const mostKnown = 65_536;
const longestKey = 256;

/**
 * Who sends, for the gateway's queue: the authenticator key that a stamp names. Nobody has verified it by then, so a
 * key has a line of its own only after an enclave has answered a request of it with 200; the others share one. Whoever
 * invents keys fills that one; who stamps with another's key in vain is heard in that key's line, and delays it. Lines
 * of one organization, which the first of those answers names, share what a tenant gets.
 */
export class Senders {
  /** Keys with their tenants; those that were answered least lately stand first. */
  readonly #known = new Map<string, string>();
  readonly #limit: number;

  constructor(limit = mostKnown) {
    this.#limit = limit;
  }

  lineOf(key: string | undefined): string {
    return key !== undefined && this.#known.has(key) ? key : strangers;
  }

  tenantOf(key: string | undefined): string {
    return (key === undefined ? undefined : this.#known.get(key)) ?? strangers;
  }

  /** An enclave answered a request that named this key with 200. `organization` is asked for once per key. */
  note(key: string | undefined, organization: () => string | undefined): void {
    if (key === undefined) return;
    const tenant = this.#known.get(key) ?? organization() ?? key;
    this.#known.delete(key);
    this.#known.set(key, tenant);
    if (this.#known.size <= this.#limit) return;
    const oldest = this.#known.keys().next().value;
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}

/** The key that a stamp names, in its own encoding; undefined when it names none. */
export function keyOf({
  signatureInput,
  phantomStamp,
}: Partial<Pick<RawRequest, 'signatureInput' | 'phantomStamp'>>): string | undefined {
  const key =
    signatureInput !== undefined
      ? /;keyid="([^"]+)"/.exec(signatureInput)?.[1]
      : phantomStamp !== undefined
        ? phantomKey(phantomStamp)
        : undefined;
  return key === undefined || key.length > longestKey ? undefined : key;
}

function phantomKey(stamp: string): string | undefined {
  try {
    const { publicKey } = JSON.parse(Buffer.from(base64urlDecode(stamp)).toString('utf8'));
    return typeof publicKey === 'string' ? publicKey : undefined;
  } catch {
    return undefined;
  }
}
