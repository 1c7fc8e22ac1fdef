import { parseAddress } from '@keystead/chains/ethereum/address';
import { encodeUnsignedTransaction } from '@keystead/chains/ethereum/transaction';
import { CommandError } from '../command-error.ts';
import type { ChainNode } from './json-rpc.ts';

/** What the caller fixed instead of the node; wei, decimal. */
export interface EthereumFees {
  readonly nonce?: bigint;
  readonly gasLimit?: bigint;
  readonly maxFeePerGas?: bigint;
  readonly maxPriorityFeePerGas?: bigint;
}

const defaultPriorityFee = 1_000_000_000n;

/**
 * An unsigned EIP-1559 transfer of `value` wei, with nonce, gas and fees of the node where the caller named none: twice
 * the base fee of the newest block, and the node's priority fee. Throws CommandError, ChainError.
 */
export async function ethereumTransfer(
  node: ChainNode,
  transfer: {
    readonly chainId: bigint;
    readonly from: string;
    readonly to: string;
    readonly value: bigint;
    readonly fees: EthereumFees;
  },
): Promise<Uint8Array> {
  const { chainId, from, to, value, fees } = transfer;
  const destination = parseAddress(to, 'to');
  const found = await quantity(node, 'eth_chainId', []);
  if (found !== chainId)
    throw new CommandError(
      `the node is of chain ${found}, not ${chainId}`,
      'name a node of the network that --network names',
    );
  const maxPriorityFeePerGas =
    fees.maxPriorityFeePerGas ??
    (await quantity(node, 'eth_maxPriorityFeePerGas', []).catch(() => defaultPriorityFee));
  return encodeUnsignedTransaction({
    version: 'eip1559',
    chainId,
    nonce: fees.nonce ?? (await quantity(node, 'eth_getTransactionCount', [from, 'pending'])),
    maxPriorityFeePerGas,
    maxFeePerGas: fees.maxFeePerGas ?? 2n * (await baseFee(node)) + maxPriorityFeePerGas,
    gasLimit:
      fees.gasLimit ??
      (await quantity(node, 'eth_estimateGas', [{ from, to, value: `0x${value.toString(16)}` }])),
    to: destination,
    value,
    data: new Uint8Array(0),
    accessList: [],
    authorizationList: [],
  });
}

async function baseFee(node: ChainNode): Promise<bigint> {
  const block = (await node.call('eth_getBlockByNumber', ['latest', false])) as {
    baseFeePerGas?: unknown;
  } | null;
  return integerOf(block?.baseFeePerGas, 'eth_getBlockByNumber');
}

async function quantity(node: ChainNode, method: string, params: readonly unknown[]): Promise<bigint> {
  return integerOf(await node.call(method, params), method);
}

function integerOf(value: unknown, method: string): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{1,64}$/.test(value))
    throw new CommandError(
      `the node answered ${method} with something that is no number`,
      'name another node',
    );
  return BigInt(value);
}
