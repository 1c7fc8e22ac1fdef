import { parseAddress } from '@keystead/chains/ethereum/address';
import { encodeUnsignedTransaction } from '@keystead/chains/ethereum/transaction';

/**
 * An unsigned EIP-1559 transaction of nothing to the account itself, which takes a nonce: whatever else was signed for it can
 * never land once this one has. Nodes replace what they already have only for a tenth more of both fees. Wei.
 * Throws ChainError.
 */
export function ethereumNonceTaken(nonce: {
  readonly chainId: bigint;
  readonly account: string;
  readonly nonce: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly gasLimit: bigint;
}): Uint8Array {
  const { account, ...fields } = nonce;
  return encodeUnsignedTransaction({
    version: 'eip1559',
    ...fields,
    to: parseAddress(account, 'account'),
    value: 0n,
    data: new Uint8Array(0),
    accessList: [],
    authorizationList: [],
  });
}
