import { canonicalize } from '@keystead/crypto/canonical-json';
import { utf8Encode } from '@keystead/crypto/bytes';
import { type JsonValue, parseStrictJson } from '@keystead/crypto/strict-json';
import { domainHash } from '@keystead/protocol/domain';
import type { UserPolicy } from '@keystead/protocol/parameters/user';

/** spec/state.md §3: the cells of an organization's state map. Values are canonical JSON (RFC 8785). */

export interface OrganizationCell {
  readonly name: string;
  readonly tags: readonly string[];
  readonly createdAtMs: number;
  /** Wallets in the list `wallet-number/0 …`. */
  readonly wallets: number;
  /** Usernames in order of creation. */
  readonly users: readonly string[];
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

export interface WalletCell {
  readonly name: string;
  readonly tags: readonly string[];
  readonly type: 'MNEMONIC' | 'KEYPAIR';
  /** What the signer said of the wallet: derived accounts, or the one account of a single key. */
  readonly accounts: readonly DerivedAccount[];
  /** Its place in the list of wallets. */
  readonly number: number;
  readonly createdAtMs: number;
  /** Present while the wallet's leaf says so too. */
  readonly frozen?: true;
}

/** Grants of one wallet, in order; each stands in the authority set under (wallet, target, name). */
export interface GrantsCell {
  readonly grants: readonly {
    readonly target: string;
    readonly name: string;
    readonly createdAtMs: number;
  }[];
}

export interface CellTypes {
  organization: OrganizationCell;
  user: UserCell;
  authenticator: AuthenticatorCell;
  wallet: WalletCell;
  'wallet-number': string;
  'wallet-tag': string;
  grants: GrantsCell;
}

/** `organization` stands alone; every other cell is `<kind>/<id>`. */
export function cellName<K extends keyof CellTypes>(kind: K, id: string): string {
  return kind === 'organization' ? kind : `${kind}/${id}`;
}

/** The cell that remembers the position at which a request was decided. */
export const requestCellName = (identityHex: string): string => `request/${identityHex}`;

/** Key of a cell in the state map. */
export const cellKey = (name: string): Uint8Array => domainHash('keystead/cell/v1', utf8Encode(name));

export const encodeCell = (value: unknown): Uint8Array => utf8Encode(canonicalize(value as JsonValue));

export function decodeCell<K extends keyof CellTypes>(_kind: K, bytes: Uint8Array): CellTypes[K] {
  return parseStrictJson(bytes, { maxBytes: 262144, maxDepth: 16 }) as CellTypes[K];
}
