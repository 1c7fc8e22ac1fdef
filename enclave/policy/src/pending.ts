import type { AccountKeyCell, DerivedAccount } from './cells.ts';
import type { KmsError } from '@keystead/protocol/errors';
import type { RawRequest } from '@keystead/protocol/frames';
import type { ParsedRequest } from '@keystead/protocol/request';
import type { Stamp } from '@keystead/protocol/stamp';
import type { Make } from '@keystead/protocol/ticket';

/** A request that is parsed and not decided yet. */
export interface Pending {
  /** The gateway's names of those who wait for the answer; more join when the same bytes arrive again. */
  readonly refs: number[];
  readonly raw: RawRequest;
  readonly encoded: Uint8Array;
  readonly request: ParsedRequest;
  readonly stamp: Stamp;
  readonly identity: Uint8Array;
  readonly identityHex: string;
  readonly organization: Uint8Array;
  readonly organizationId: string;
  readonly arrived: number;
  /** True when its stamp verified under the stamp's own key: it does so again however often the decision starts anew. */
  selfVerified: true | undefined;
  /** What the signer made or derived for it. */
  made: MadeResult | undefined;
  /** Why the signer would not make or derive it. */
  refusal: KmsError | undefined;
  /** The store's word on who owns the wallet: undefined not asked, null nobody. A hint, checked by authority. */
  owner: Uint8Array | null | undefined;
  /** Entry rows that it asked for, by the name of the query. */
  rows: Map<string, Uint8Array> | undefined;
  /** Row queries whose answers it still waits for. */
  awaited: number;
  /** Whether it has taken its place in the rates. */
  isCounted: boolean;
  /** Times the decision started again for want of a row. */
  restarts: number;
}

export interface MadeResult {
  readonly secret: Uint8Array;
  readonly sealed: Uint8Array;
  readonly type: 'MNEMONIC' | 'KEYPAIR';
  readonly accounts: readonly DerivedAccount[];
  /** Keys of the Bitcoin accounts that the told accounts lie in. */
  readonly accountKeys: readonly Omit<AccountKeyCell, 'highestUsed'>[];
}

/** A decision stops with this when it builds on an organization that is not in memory; no Error, as NeedRows. */
export class NeedOrganization {
  readonly id: Uint8Array;
  constructor(id: Uint8Array) {
    this.id = id;
  }
}

/** A decision stops with this until the signer has made a secret or told an account. */
export class NeedMade {
  readonly make: Omit<Make, 'boot'>;
  constructor(make: Omit<Make, 'boot'>) {
    this.make = make;
  }
}

/** A decision stops with this until the store has said who owns a wallet. */
export class NeedOwner {
  readonly walletId: Uint8Array;
  constructor(walletId: Uint8Array) {
    this.walletId = walletId;
  }
}
