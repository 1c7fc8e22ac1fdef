import type { QuoteCell } from '@keystead/policy/quote-cell';
import { canonicalize } from '@keystead/crypto/canonical-json';
import { utf8Encode } from '@keystead/crypto/bytes';
import { type JsonValue, parseOwnJson } from '@keystead/crypto/strict-json';
import { domainHash } from '@keystead/protocol/domain';
import { checkpointInterval } from '@keystead/protocol/entry';
import type { Json } from '@keystead/protocol/schema';
import type { Outcome } from '@keystead/protocol/methods/stateOutcomes';
import type { GrantRules } from '@keystead/protocol/parameters/grant';
import type { TransactionPolicy } from '@keystead/protocol/parameters/transaction-policy';
import type { UserPolicy } from '@keystead/protocol/parameters/user';
import { type CounterRow, PlaceCell, SegmentCell } from '@keystead/protocol/state-cells';
import type { PlainRow } from './plain-row.ts';

/** spec/state.md §3: the cells of an organization's state map. Values are canonical JSON (RFC 8785), save those of §3.1. */

export interface OrganizationCell {
  readonly name: string;
  readonly tags: readonly string[];
  readonly createdAtMs: number;
  /** Wallets in the list `wallet-number/0 …`. */
  readonly wallets: number;
  /** Usernames in order of creation. */
  readonly users: readonly string[];
  /** Names of policies that bind every user; absent without one. */
  readonly policies?: readonly string[];
  /** Present once a source has stated a fact: without, none is looked for. */
  readonly facts?: true;
}

export interface UserCell {
  readonly policy: UserPolicy;
  readonly traits: Readonly<Record<string, string>>;
}

export interface AuthenticatorCell {
  readonly name: string;
}

export interface DerivedAccount {
  readonly curve: string;
  readonly derivationPath: string;
  readonly addressFormat: string;
  readonly address: string;
  readonly publicKey: string;
}

/** Key of a Bitcoin account, as the signer told it: public key (33 bytes) and chain code (32 bytes) in hexadecimal. */
export interface AccountKeyCell {
  /** Three hardened levels, `m/84'/0'/0'`. */
  readonly path: string;
  readonly publicKey: string;
  readonly chainCode: string;
  /** Highest index at which change was left, on the receiving and the change branch; -1 for none. */
  readonly highestUsed: readonly [receive: number, change: number];
}

export interface WalletCell {
  readonly name: string;
  readonly tags: readonly string[];
  readonly type: 'MNEMONIC' | 'KEYPAIR';
  /** What the signer said of the wallet: derived accounts, or the one account of a single key. */
  readonly accounts: readonly DerivedAccount[];
  /** Its place in the list of wallets. */
  readonly number: number;
  readonly createdAtMs: number;
  /** base64url of the encoded constraints that its key was made with; absent when it has none. */
  readonly constraints?: string;
  /** Of its Bitcoin accounts that have signed; absent without any. */
  readonly accountKeys?: readonly AccountKeyCell[];
  /** Present while the wallet's leaf says so too. */
  readonly frozen?: true;
}

/** What waits for approvals (spec/approval.md), oldest first; the subjects are base64url. */
export interface ApprovalsCell {
  readonly open: readonly {
    readonly subject: string;
    readonly requestedBy: string;
    readonly createdAtMs: number;
    /** As in its own cell. */
    readonly delaySeconds?: number;
  }[];
}

export interface ApprovalCell {
  readonly method: string;
  readonly params: JsonValue;
  readonly requestedBy: string;
  /** UUID of the authenticator that asked. */
  readonly requestedByAuthenticator: string;
  readonly approvalsNeeded: number;
  /** How long it waits, as the policies said when it was asked for; absent when not at all. */
  readonly delaySeconds?: number;
  readonly createdAtMs: number;
  /** The newest of each key. */
  readonly verdicts: readonly {
    readonly username: string;
    readonly authenticatorKey: string;
    readonly verdict: 'approve' | 'reject';
    readonly expiresAtMs: number;
    /** base64url of the encoded raw request. */
    readonly approval: string;
  }[];
  readonly rejectedBy?: string;
}

/** Grants of one wallet, in order; each stands in the authority set under (wallet, target, name). */
export interface GrantsCell {
  readonly grants: readonly {
    readonly target: string;
    readonly name: string;
    readonly createdAtMs: number;
    /** Of a grant of version v1; the scopes of version v0 stand in the authority set. */
    readonly rules?: GrantRules;
    readonly transactionPolicy?: TransactionPolicy;
  }[];
}

/** A policy that binds every user, for one wallet or for all. */
export interface PolicyCell {
  readonly walletId: string | null;
  readonly policy: Json;
  /** Present when it is tried and not enforced. */
  readonly mode?: 'shadow';
}

/** What sources say became of the transaction of an entry (spec/policy.md §6.6). */
export interface OutcomeCell {
  /** The newest of each operator. */
  readonly statements: readonly {
    readonly operator: string;
    readonly source: string;
    readonly outcome: Outcome;
    readonly by: string;
    readonly time: number;
  }[];
  /** The outcome on which they agreed: it is final. */
  readonly stands?: Outcome;
}

/** What sources state about a thing that transactions refer to (spec/effects.md §3.1). */
export interface FactCell {
  /** The newest of each operator. */
  readonly statements: readonly {
    readonly operator: string;
    readonly source: string;
    readonly value: string;
    readonly time: number;
  }[];
}

/** What the recovery that runs is for, as it was sent; absent when none runs (spec/guardians.md §3). */
export interface RecoveryCell {
  readonly recovery: number;
  readonly user: JsonValue;
}

export interface CellTypes {
  recovery: RecoveryCell;
  policy: PolicyCell;
  'usage-segment': readonly CounterRow[];
  'usage-credits': readonly PlainRow[];
  place: PlaceCell;
  outcome: OutcomeCell;
  fact: FactCell;
  price: QuoteCell;
  organization: OrganizationCell;
  approvals: ApprovalsCell;
  approval: ApprovalCell;
  user: UserCell;
  authenticator: AuthenticatorCell;
  wallet: WalletCell;
  'wallet-number': string;
  'wallet-tag': string;
  grants: GrantsCell;
}

/** `organization`, `approvals` and `recovery` stand alone; every other cell is `<kind>/<id>`. */
export function cellName<K extends keyof CellTypes>(kind: K, id: string): string {
  return kind === 'organization' || kind === 'approvals' || kind === 'recovery' ? kind : `${kind}/${id}`;
}

/** The cell that remembers which requests the entries up to a checkpoint decided, since the one before. */
export const requestsCellName = (checkpoint: number): string => `requests/${checkpoint / checkpointInterval}`;

/** Of a `requests` cell. */
export const requestsCellBytes = 8 + 32 * checkpointInterval;

/** Time of the oldest of its entries in milliseconds (u64), then their identities in order of position. */
export function encodeRequestsCell(oldestTime: number, identities: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(8 + 32 * identities.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(oldestTime));
  for (const [index, identity] of identities.entries()) bytes.set(identity, 8 + 32 * index);
  return bytes;
}

/** Inverse of `encodeRequestsCell`; undefined when it is not one of 64 identities. */
export function decodeRequestsCell(
  bytes: Uint8Array,
): { readonly oldestTime: number; readonly identities: readonly Uint8Array[] } | undefined {
  if (bytes.length !== requestsCellBytes) return undefined;
  return {
    oldestTime: Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0)),
    identities: Array.from({ length: checkpointInterval }, (_, index) =>
      bytes.slice(8 + 32 * index, 40 + 32 * index),
    ),
  };
}

/** Key of a cell in the state map. */
export const cellKey = (name: string): Uint8Array => domainHash('keystead/cell/v1', utf8Encode(name));

export const encodeJson = (value: unknown): Uint8Array => utf8Encode(canonicalize(value as JsonValue));

export function encodeCell<K extends keyof CellTypes>(kind: K, value: CellTypes[K]): Uint8Array {
  return kind === 'place' ? PlaceCell.encode(value as PlaceCell) : encodeJson(value);
}

/** The bytes come from the engine itself: out of an entry under its MAC, or of a node under its hash. */
export function decodeCell<K extends keyof CellTypes>(kind: K, bytes: Uint8Array): CellTypes[K] {
  switch (kind) {
    case 'place':
      return PlaceCell.decode(bytes) as CellTypes[K];
    case 'usage-segment':
      return SegmentCell.decode(bytes) as CellTypes[K];
    default:
      return parseOwnJson(bytes) as unknown as CellTypes[K];
  }
}
