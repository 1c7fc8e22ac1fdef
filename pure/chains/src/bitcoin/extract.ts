import { ChainError } from '../error.ts';
import { decodePsbt, decodeWitness, INPUT, type Psbt } from './psbt.ts';
import { findRecord } from './psbt-map.ts';
import { encodeTransaction, transactionHash, transactionIdText } from './transaction.ts';

/** A transaction ready to be broadcast and its id as text. */
export interface ExtractedTransaction {
  readonly transaction: Uint8Array;
  readonly id: string;
}

/**
 * Network transaction of a PSBT whose inputs are all finalised (BIP-174, transaction extractor).
 * @throws ChainError `transaction-malformed`, `transaction-version-unsupported`, `transaction-incomplete`
 */
export function extractTransaction(psbtBytes: Uint8Array): ExtractedTransaction {
  const psbt = decodePsbt(psbtBytes);
  const index = psbt.inputs.findIndex((_, input) => !isFinal(psbt, input));
  if (index >= 0 || psbt.inputs.length === 0) {
    throw new ChainError(
      'transaction-incomplete',
      'an input is not finalised',
      `inputs[${Math.max(index, 0)}]`,
    );
  }
  const inputs = psbt.transaction.inputs.map((input, position) => {
    const map = psbt.inputs[position]!;
    const witness = findRecord(map, INPUT.FINAL_SCRIPTWITNESS);
    return {
      ...input,
      scriptSig: findRecord(map, INPUT.FINAL_SCRIPTSIG) ?? new Uint8Array(0),
      witness: witness === undefined ? [] : decodeWitness(witness),
    };
  });
  const transaction = { ...psbt.transaction, inputs };
  return { transaction: encodeTransaction(transaction), id: transactionIdText(transactionHash(transaction)) };
}

/** Whether an input carries its final script or witness. */
export function isFinal(psbt: Pick<Psbt, 'inputs'>, index: number): boolean {
  const map = psbt.inputs[index]!;
  return (
    findRecord(map, INPUT.FINAL_SCRIPTSIG) !== undefined ||
    findRecord(map, INPUT.FINAL_SCRIPTWITNESS) !== undefined
  );
}
