/**
 * Descriptions of calls that are not built in: from a contract's ABI or a program's IDL. A description stands in a
 * policy, so the hash that pins the policy pins it too. A described call is decoded strictly into named fields, which
 * rules can compare; what the code behind it does remains unknown, so the call stays unresolved, under the kind
 * `described-call` and the description's name, until a rule names it.
 */
export type CallDescription = ContractCallDescription | InstructionDescription;

/** One function of a contract, from its ABI. */
export interface ContractCallDescription {
  readonly chain: 'ethereum';
  /** Name by which rules know the call, e.g. `router.swap`. */
  readonly name: string;
  /** CAIP-2 id of the network. */
  readonly network: string;
  /** Address of the contract; any spelling of it. */
  readonly contract: string;
  /** Signature with parameter names, `swap(address to,uint256 amount,(address token,uint24 fee)[] path)`. */
  readonly signature: string;
}

/** One instruction of a program, from its IDL. */
export interface InstructionDescription {
  readonly chain: 'solana';
  readonly name: string;
  readonly program: string;
  /** First bytes of the data, in hexadecimal: 8 for Anchor, 1 or 4 for others. */
  readonly discriminator: string;
  /** Borsh layout of the data after the discriminator. */
  readonly arguments: readonly { readonly name: string; readonly type: BorshType }[];
  /** Names of the accounts in order; an instruction with fewer or more is not this one, unless `moreAccounts`. */
  readonly accounts: readonly string[];
  readonly moreAccounts?: boolean;
}

/** Types of instruction arguments. Integers are little-endian, lengths are u32. */
export type BorshType =
  | 'bool'
  | 'u8'
  | 'u16'
  | 'u32'
  | 'u64'
  | 'u128'
  | 'i8'
  | 'i16'
  | 'i32'
  | 'i64'
  | 'i128'
  | 'publicKey'
  | 'string'
  | 'bytes'
  | { readonly option: BorshType }
  | { readonly vec: BorshType }
  | { readonly array: readonly [BorshType, number] };
