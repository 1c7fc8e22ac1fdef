import type { Caller } from '@keystead/protocol/authenticate';
import type { AuthorityChange } from '@keystead/protocol/authority-change/change';
import type { MethodName } from '@keystead/protocol/method-table';
import type { ParsedRequestOf } from '@keystead/protocol/request';
import type { Draft } from './draft.ts';
import type { Organization } from './organization.ts';
import type { Pending } from './pending.ts';

/** What a method of kind `change` has before it: the authority part is decided, its cells and its answer are not. */
export interface ChangeContext<M extends MethodName> {
  readonly request: ParsedRequestOf<M>;
  readonly pending: Pending;
  readonly draft: Draft;
  /** The receiving organization of a transfer. */
  readonly counterpart: Draft | null;
  /** Null when an organization is founded. */
  readonly caller: Caller | null;
  readonly change: AuthorityChange;
  /** Text of the requester's organization id. */
  readonly organizationId: string;
  readonly identity: Uint8Array;
  /** The raw request as it came (spec/frames.md). */
  readonly encoded: Uint8Array;
  /** Time of the entry, milliseconds. */
  readonly time: number;
}

/** What a method of kind `read` has before it. */
export interface ReadContext<M extends MethodName> {
  readonly request: ParsedRequestOf<M>;
  readonly pending: Pending;
  /** Never appended: what a read writes is forgotten. */
  readonly state: Draft;
  readonly caller: Caller;
  readonly organizationId: string;
  /** Milliseconds. */
  readonly time: number;
  organizationOf(id: Uint8Array): Organization;
}
