/** Facts of Solana's final history, by a node of the source's own. */
import { base58Encode } from '@keystead/crypto/base58';
import type { LookupTableEntry, TokenAccountFact } from '@keystead/protocol/methods/stateFacts';
import type { ChainNode } from '../chain/json-rpc.ts';
import { CommandError } from '../command-error.ts';

const LOOKUP_TABLE_PROGRAM = 'AddressLookupTab1e1111111111111111111111111';
const TOKEN_PROGRAMS = [
  'TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA',
  'TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb',
];
/** Type, slots, authority and padding, before the addresses (solana-address-lookup-table-interface). */
const TABLE_HEADER = 56;
const INITIALISED_TABLE = 1;
/** Mint, owner, amount, delegate and the rest; extensions of Token-2022 come after it, behind the type of the account. */
const TOKEN_ACCOUNT = 165;
const TYPE_OF_TOKEN_ACCOUNT = 2;

/** Every entry of a lookup table. Throws CommandError. */
export async function lookupTableFacts(node: ChainNode, table: string): Promise<LookupTableEntry[]> {
  const data = await accountData(node, table, [LOOKUP_TABLE_PROGRAM]);
  const addresses = data.length - TABLE_HEADER;
  const isTable =
    data.length >= 4 && new DataView(data.buffer, data.byteOffset).getUint32(0, true) === INITIALISED_TABLE;
  if (!isTable || addresses < 0 || addresses % 32 !== 0 || addresses > 256 * 32)
    throw new CommandError(`${table} is no lookup table`, 'name the address of one');
  return Array.from({ length: addresses / 32 }, (_, index) => ({
    kind: 'lookup-table-entry',
    table,
    index,
    address: base58Encode(data.subarray(TABLE_HEADER + 32 * index, TABLE_HEADER + 32 * index + 32)),
  }));
}

/** Mint and owner of a token account. Throws CommandError. */
export async function tokenAccountFact(node: ChainNode, account: string): Promise<TokenAccountFact> {
  const data = await accountData(node, account, TOKEN_PROGRAMS);
  const isAccount =
    data.length === TOKEN_ACCOUNT ||
    (data.length > TOKEN_ACCOUNT && data[TOKEN_ACCOUNT] === TYPE_OF_TOKEN_ACCOUNT);
  if (!isAccount) throw new CommandError(`${account} is no token account`, 'name the address of one');
  return {
    kind: 'token-account',
    account,
    mint: base58Encode(data.subarray(0, 32)),
    owner: base58Encode(data.subarray(32, 64)),
  };
}

async function accountData(
  node: ChainNode,
  address: string,
  programs: readonly string[],
): Promise<Uint8Array> {
  const answer = (await node.call('getAccountInfo', [
    address,
    { commitment: 'finalized', encoding: 'base64' },
  ])) as { readonly value?: { readonly owner?: unknown; readonly data?: unknown } | null } | null;
  const found = answer?.value;
  if (found === null || found === undefined)
    throw new CommandError(`${address} is not there`, 'name an account of final history');
  if (typeof found.owner !== 'string' || !programs.includes(found.owner))
    throw new CommandError(`${address} is of another program`, 'name an account of the right kind');
  const [encoded, encoding] = Array.isArray(found.data) ? (found.data as unknown[]) : [];
  if (typeof encoded !== 'string' || encoding !== 'base64')
    throw new CommandError(`the node gave no content of ${address}`, 'name another node');
  return Uint8Array.from(Buffer.from(encoded, 'base64'));
}
