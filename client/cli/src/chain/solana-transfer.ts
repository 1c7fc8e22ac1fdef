import { parseAddress } from '@keystead/chains/solana/address';
import { encodeMessage, encodeTransaction } from '@keystead/chains/solana/message';
import { SYSTEM_PROGRAM } from '@keystead/chains/solana/programs';
import { concatBytes } from '@keystead/crypto/bytes';
import { CommandError } from '../command-error.ts';
import type { ChainNode } from './json-rpc.ts';

/** `Transfer` of the system program. */
const transferInstruction = 2;

/**
 * An unsigned legacy transaction that moves `lamports` by the system program, with the newest blockhash of the node.
 * Throws CommandError, ChainError.
 */
export async function solanaTransfer(
  node: ChainNode,
  transfer: { readonly from: string; readonly to: string; readonly lamports: bigint },
): Promise<Uint8Array> {
  const { from, to, lamports } = transfer;
  if (lamports < 1n || lamports >= 2n ** 64n)
    throw new CommandError('the value is no number of lamports', 'name a value from 1 to 2^64 - 1');
  if (from === to)
    throw new CommandError('the recipient is the account itself', 'name another address with --to');
  const answer = (await node.call('getLatestBlockhash', [{ commitment: 'confirmed' }])) as {
    value?: { blockhash?: unknown };
  } | null;
  const blockhash = answer?.value?.blockhash;
  if (typeof blockhash !== 'string')
    throw new CommandError('the node answered getLatestBlockhash without a blockhash', 'name another node');
  const data = new Uint8Array(12);
  const view = new DataView(data.buffer);
  view.setUint32(0, transferInstruction, true);
  view.setBigUint64(4, lamports, true);
  const message = encodeMessage({
    version: 'legacy',
    header: { requiredSignatures: 1, readonlySigned: 0, readonlyUnsigned: 1 },
    accountKeys: [parseAddress(from), parseAddress(to), parseAddress(SYSTEM_PROGRAM)],
    recentBlockhash: parseAddress(blockhash),
    instructions: [{ programIndex: 2, accountIndexes: Uint8Array.of(0, 1), data }],
    lookups: [],
  });
  return encodeTransaction([new Uint8Array(64)], concatBytes(message));
}
