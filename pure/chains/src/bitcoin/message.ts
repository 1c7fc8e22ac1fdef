import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import { sha256 } from '@keystead/crypto/sha256';
import { ChainError } from '../error.ts';
import { PSBT_MAGIC } from './psbt.ts';
import { decodeTransaction } from './transaction.ts';

/** BIP-143 preimage of a P2WPKH input: offset of the script code, and the whole length. */
const SCRIPT_CODE_OFFSET = 4 + 32 + 32 + 36;
const SEGWIT_PREIMAGE_LENGTH = SCRIPT_CODE_OFFSET + 26 + 8 + 4 + 32 + 4 + 4;
const SCRIPT_CODE_START = Uint8Array.of(25, 0x76, 0xa9, 20);
const TAPROOT_TAG = sha256(utf8Encode('TapSighash'));

/** True when `message` could be read as a PSBT, a transaction, or the preimage of a signature hash. */
export function looksLikeTransaction(message: Uint8Array): boolean {
  return (
    startsWith(message, PSBT_MAGIC, 0) ||
    startsWith(message, TAPROOT_TAG, 0) ||
    (message.length === SEGWIT_PREIMAGE_LENGTH &&
      startsWith(message, SCRIPT_CODE_START, SCRIPT_CODE_OFFSET)) ||
    isTransaction(message)
  );
}

function isTransaction(message: Uint8Array): boolean {
  // A transaction with its hash type behind it is the legacy preimage.
  return decodes(message) || (message.length > 4 && decodes(message.subarray(0, -4)));
}

function decodes(bytes: Uint8Array): boolean {
  try {
    return decodeTransaction(bytes).inputs.length > 0;
  } catch (error) {
    if (error instanceof ChainError) return false;
    throw error;
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array, offset: number): boolean {
  return (
    bytes.length >= offset + prefix.length &&
    equalBytes(bytes.subarray(offset, offset + prefix.length), prefix)
  );
}
