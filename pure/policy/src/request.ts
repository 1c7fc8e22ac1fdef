/** The facts of one authenticated, parsed request as policies see them (spec/policy.md §1). */
import type { AddressFormat } from '@keystead/chains/chain';
import type { Effects } from '@keystead/chains/effects';
import type { MethodName } from '@keystead/protocol/method-table';
import type { Surface } from '@keystead/protocol/surface';

export interface Subject {
  readonly organizationId: string;
  readonly username: string;
  readonly root: boolean;
  readonly authenticatorId: string;
  readonly traits: Readonly<Record<string, string>>;
}

/** What the request touches. */
export interface Resource {
  /** The user that an authority change is about is the one who asks. */
  readonly ownUser: boolean;
  /** Bytes of unknown meaning would be signed. */
  readonly rawPayload: boolean;
  /** Web origin that the stamp names, or null. */
  readonly origin: string | null;
  /** CAIP-2 id of the network that the caller asks to send to, or null. */
  readonly network: string | null;
  /** The wallet, or null when the request is about none. */
  readonly walletId: string | null;
  readonly walletTags: readonly string[] | null;
  /** Organization that owns the wallet, or null. */
  readonly owner: string | null;
  /** Accounts that are used; null when the request is about the wallet as a whole, or about none. */
  readonly derivationPaths: readonly string[] | null;
  readonly address: string | null;
  readonly addressFormat: AddressFormat | null;
  /** Addresses of the same wallet. */
  readonly ownAddresses: ReadonlySet<string>;
}

export interface PolicyRequest {
  readonly subject: Subject;
  readonly action: MethodName;
  readonly surface: Surface;
  readonly resource: Resource;
  /** What the bytes to be signed would do; null when nothing with effects is signed. */
  readonly effects: Effects | null;
  /**
   * The same effects as single policies read them that describe calls or name owners, by their place in the policy set;
   * absent: all see `effects`.
   */
  readonly readings?: Readonly<Record<string, Effects>>;
  /** Places of the policies of another organization than the subject's; absent: none. */
  readonly strangerTo?: readonly number[];
}

/** What one policy of a set sees of a request. */
export function seenBy(request: PolicyRequest, policy: number): PolicyRequest {
  if (request.readings === undefined && request.strangerTo === undefined) return request;
  const { readings, strangerTo, ...others } = request;
  const seen =
    readings !== undefined && Object.hasOwn(readings, policy)
      ? { ...others, effects: readings[policy]! }
      : others;
  return strangerTo?.includes(policy) === true ? { ...seen, subject: stranger(seen.subject) } : seen;
}

/** Name, traits and rank of a user are the word of its own organization: in another one they name and allow nobody. */
function stranger({ organizationId, username, authenticatorId }: Subject): Subject {
  return {
    organizationId,
    username: `${organizationId}/${username}`,
    root: false,
    authenticatorId,
    traits: {},
  };
}
