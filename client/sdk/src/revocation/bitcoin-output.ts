import { addressToScript, type BitcoinNetwork } from '@keystead/chains/bitcoin/address';
import { encodePsbt, GLOBAL, INPUT } from '@keystead/chains/bitcoin/psbt';
import {
  type BitcoinTransaction,
  decodeTransaction,
  encodeOutput,
  encodeTransaction,
  transactionHash,
} from '@keystead/chains/bitcoin/transaction';
import { equalBytes } from '@keystead/crypto/bytes';

/** Any transaction of another, higher fee may replace this one (BIP-125). */
const replaceable = 0xfffffffd;
/** Below it, nodes take an output for dust. */
const dust = 330n;

/**
 * A PSBT that spends one output of an account to the account itself, so that whatever else was signed over that output can never
 * land once this one has. `previous`: the whole transaction that has the output, which proves its amount. Nodes replace what
 * they already have for a higher fee, in satoshi. Throws ChainError, and RangeError where the output is not the account's or
 * too small for the fee.
 */
export function bitcoinOutputSpent(output: {
  readonly previous: Uint8Array;
  readonly index: number;
  readonly address: string;
  readonly network: BitcoinNetwork;
  readonly fee: bigint;
}): Uint8Array {
  const { previous, index, address, network, fee } = output;
  const before = decodeTransaction(previous);
  const spent = before.outputs[index];
  const script = addressToScript(address, network);
  if (spent === undefined || !equalBytes(spent.script, script))
    throw new RangeError('the output is not of this account');
  if (fee < 1n || spent.amount - fee < dust)
    throw new RangeError(`the output has ${spent.amount} satoshi, too few for a fee of ${fee}`);
  const unsigned: BitcoinTransaction = {
    version: 2,
    inputs: [
      {
        previousId: transactionHash(before),
        previousIndex: index,
        scriptSig: new Uint8Array(0),
        sequence: replaceable,
        witness: [],
      },
    ],
    outputs: [{ amount: spent.amount - fee, script }],
    lockTime: 0,
  };
  const record = (type: number, value: Uint8Array) => ({ type, keyData: new Uint8Array(0), value });
  return encodePsbt({
    global: [record(GLOBAL.UNSIGNED_TX, encodeTransaction(unsigned))],
    inputs: [[record(INPUT.NON_WITNESS_UTXO, previous), record(INPUT.WITNESS_UTXO, encodeOutput(spent))]],
    outputs: [[]],
  });
}
