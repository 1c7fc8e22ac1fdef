import type { Approval } from '../approval.ts';
import type { AuthorityReader, Caller } from '../authenticate.ts';
import type { AuthorityLeaf } from '../authority.ts';
import { KmsError } from '../errors.ts';
import type { ParsedRequest } from '../request.ts';
import type { Stamp } from '../stamp.ts';

/** What a rule of change (spec/state.md §5) is given, and what it gives. */

export interface AuthorityWriteOf {
  readonly key: Uint8Array;
  /** Undefined deletes. */
  readonly leaf: AuthorityLeaf | undefined;
}

export interface AuthorityChangeInput {
  readonly request: ParsedRequest;
  readonly stamp: Stamp;
  readonly identity: Uint8Array;
  readonly deploymentId: Uint8Array;
  /** The requester's organization, 16 bytes. */
  readonly organization: Uint8Array;
  /** Null exactly when an organization is founded. */
  readonly caller: Caller | null;
  /** Time of the entry, milliseconds. */
  readonly time: number;
  /** The wallet row that the signer made for this request. */
  readonly made: { readonly secret: Uint8Array; readonly kind: number } | null;
  /** The expirable user that makes room for a new one. */
  readonly evictedUser: string | null;
  /** Keys of the grants of the wallet that is transferred, which go with it. */
  readonly walletGrants: readonly Uint8Array[];
  /** The approvals that the request carries, each verified under the set before the change. */
  readonly approvals: readonly Approval[];
  readonly read: AuthorityReader;
}

export interface AuthorityChange {
  /** Writes to the requester's own set. */
  readonly writes: readonly AuthorityWriteOf[];
  /** Writes to another organization's set, for a transfer. */
  readonly counterpart: {
    readonly organization: Uint8Array;
    readonly writes: readonly AuthorityWriteOf[];
  } | null;
  /** True when something that was permitted no longer is: the floor moves to this entry. */
  readonly narrowing: boolean;
}

export const none: AuthorityChange = { writes: [], counterpart: null, narrowing: false };

export function invalid(field: string, detail: string): KmsError {
  return new KmsError('parameter-invalid', { field, detail: `${field} ${detail}` });
}
