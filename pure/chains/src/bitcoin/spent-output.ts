import { equalBytes } from '@keystead/crypto/bytes';
import { bytesName } from '@keystead/crypto/recent';
import { ChainError } from '../error.ts';
import { decodeOutput, INPUT, type Psbt } from './psbt.ts';
import { findRecord, type PsbtMap } from './psbt-map.ts';
import {
  decodeTransaction,
  MAX_MONEY,
  type TransactionInput,
  type TransactionOutput,
  transactionHash,
} from './transaction.ts';

/**
 * The outputs that the inputs of a PSBT spend, each with a proven amount and script.
 *
 * A previous transaction proves its outputs by its id. A WITNESS_UTXO alone is a claim: a BIP-143 digest commits to the
 * amount of its own input only, so two signing rounds with swapped amounts could spend a fee that nobody saw. A BIP-341
 * digest commits to amounts and scripts of all inputs; there a claim suffices, because a false one signs nothing.
 *
 * @param options.witnessUtxoSuffices whether every signature of ours will be a BIP-341 one
 * @throws ChainError `transaction-unsafe`, `transaction-malformed`
 */
export function spentOutputs(
  psbt: Psbt,
  options: { readonly witnessUtxoSuffices: boolean },
): readonly TransactionOutput[] {
  const seen = new Set<string>();
  return psbt.transaction.inputs.map((input, index) => {
    const field = `inputs[${index}]`;
    const outpoint = `${bytesName(input.previousId)}:${input.previousIndex}`;
    if (seen.has(outpoint)) throw new ChainError('transaction-malformed', 'an output is spent twice', field);
    seen.add(outpoint);
    return spentOutput(input, psbt.inputs[index]!, { ...options, field });
  });
}

function spentOutput(
  input: TransactionInput,
  map: PsbtMap,
  { witnessUtxoSuffices, field }: { readonly witnessUtxoSuffices: boolean; readonly field: string },
): TransactionOutput {
  const previous = findRecord(map, INPUT.NON_WITNESS_UTXO);
  const claim = findRecord(map, INPUT.WITNESS_UTXO);
  const claimed = claim === undefined ? undefined : decodeOutput(claim);
  if (claimed !== undefined && claimed.amount > MAX_MONEY) {
    throw new ChainError('transaction-malformed', 'more than 21 million coins', field);
  }
  if (previous === undefined) {
    if (claimed !== undefined && witnessUtxoSuffices) return claimed;
    throw new ChainError(
      'transaction-unsafe',
      'the amount of an input is not proven by its previous transaction',
      field,
    );
  }
  const transaction = decodeTransaction(previous);
  if (!equalBytes(transactionHash(transaction), input.previousId)) {
    throw new ChainError(
      'transaction-unsafe',
      'the previous transaction is not the one that is spent',
      field,
    );
  }
  const proven = transaction.outputs[input.previousIndex];
  if (proven === undefined)
    throw new ChainError('transaction-malformed', 'the previous transaction has no such output', field);
  if (
    claimed !== undefined &&
    (claimed.amount !== proven.amount || !equalBytes(claimed.script, proven.script))
  ) {
    throw new ChainError(
      'transaction-unsafe',
      'the previous transaction and the claimed output differ',
      field,
    );
  }
  return proven;
}
