import { parseAddress } from '@keystead/chains/solana/address';
import { encodeMessage, encodeTransaction } from '@keystead/chains/solana/message';
import { COMPUTE_BUDGET_PROGRAM, SYSTEM_PROGRAM } from '@keystead/chains/solana/programs';

const recentBlockhashes = 'SysvarRecentB1ockHashes11111111111111111111';
/** `SetComputeUnitLimit` with 10,000 units: the two instructions take 450. */
const computeUnitLimit = Uint8Array.of(2, 0x10, 0x27, 0, 0);
/** `AdvanceNonceAccount` of the system program. */
const advanceNonce = Uint8Array.of(4, 0, 0, 0);

/**
 * An unsigned legacy transaction that advances a nonce account, so that whatever was signed over its value can never land.
 * `authority` pays and signs. The instruction stands second: in the first place it would make this transaction one that
 * never expires either. Addresses and `blockhash` in base58. Throws ChainError.
 */
export function solanaNonceAdvance(nonce: {
  readonly nonceAccount: string;
  readonly authority: string;
  readonly blockhash: string;
}): Uint8Array {
  const { nonceAccount, authority, blockhash } = nonce;
  const message = encodeMessage({
    version: 'legacy',
    header: { requiredSignatures: 1, readonlySigned: 0, readonlyUnsigned: 3 },
    accountKeys: [authority, nonceAccount, recentBlockhashes, COMPUTE_BUDGET_PROGRAM, SYSTEM_PROGRAM].map(
      (each) => parseAddress(each),
    ),
    recentBlockhash: parseAddress(blockhash),
    instructions: [
      { programIndex: 3, accountIndexes: new Uint8Array(0), data: computeUnitLimit },
      { programIndex: 4, accountIndexes: Uint8Array.of(1, 2, 0), data: advanceNonce },
    ],
    lookups: [],
  });
  return encodeTransaction([new Uint8Array(64)], message);
}
