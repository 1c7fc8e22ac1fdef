import { concatBytes } from '@keystead/crypto/bytes';
import { taggedHash } from '@keystead/crypto/secp256k1';
import { sha256 } from '@keystead/crypto/sha256';
import { join, uint32, uint64, variable } from './byte-writer.ts';
import { type BitcoinTransaction, encodeOutput, type TransactionOutput } from './transaction.ts';

/** The hash types that are signed: both commit to every input and every output. */
export const SIGHASH_DEFAULT = 0x00;
export const SIGHASH_ALL = 0x01;

/** Digests of one transaction; what its inputs share is hashed once. */
export interface Sighash {
  /** BIP-143 digest of a P2WPKH input with SIGHASH_ALL. */
  segwit(index: number): Uint8Array;
  /** BIP-341 digest of a key-path input without annex. */
  taproot(index: number, hashType: typeof SIGHASH_DEFAULT | typeof SIGHASH_ALL): Uint8Array;
}

/** `spent` are the outputs that the inputs spend, in order. */
export function sighash(transaction: BitcoinTransaction, spent: readonly TransactionOutput[]): Sighash {
  const outpoints = sha256(
    join(transaction.inputs.flatMap((input) => [input.previousId, uint32(input.previousIndex)])),
  );
  const sequences = sha256(join(transaction.inputs.map((input) => uint32(input.sequence))));
  const outputs = sha256(join(transaction.outputs.map(encodeOutput)));
  const amounts = sha256(join(spent.map((output) => uint64(output.amount))));
  const scripts = sha256(join(spent.map((output) => variable(output.script))));
  return {
    segwit(index) {
      const input = transaction.inputs[index]!;
      const output = spent[index]!;
      const scriptCode = concatBytes(
        Uint8Array.of(0x76, 0xa9, 20),
        output.script.subarray(2),
        Uint8Array.of(0x88, 0xac),
      );
      const preimage = concatBytes(
        uint32(transaction.version),
        sha256(outpoints),
        sha256(sequences),
        input.previousId,
        uint32(input.previousIndex),
        variable(scriptCode),
        uint64(output.amount),
        uint32(input.sequence),
        sha256(outputs),
        uint32(transaction.lockTime),
        uint32(SIGHASH_ALL),
      );
      return sha256(sha256(preimage));
    },
    taproot(index, hashType) {
      const message = concatBytes(
        // Epoch, hash type.
        Uint8Array.of(0x00, hashType),
        uint32(transaction.version),
        uint32(transaction.lockTime),
        outpoints,
        amounts,
        scripts,
        sequences,
        outputs,
        // Spend type: key path, no annex.
        Uint8Array.of(0x00),
        uint32(index),
      );
      return taggedHash('TapSighash', message);
    },
  };
}
