import { decodeEnvelope } from './message.ts';

/** System program, and its instruction AdvanceNonceAccount (index 4, u32 little endian). */
const systemProgram = new Uint8Array(32);
const advanceNonce = [4, 0, 0, 0];

/**
 * The transaction as it is approved before its blockhash is known: recent blockhash and signature slots are zero. With
 * a durable nonce nothing is open, and the bytes stay as they are. Throws ChainError for what does not decode.
 */
export function withoutLateBound(bytes: Uint8Array): Uint8Array {
  const { form, message, signatures } = decodeEnvelope(bytes);
  const [first] = message.instructions;
  const isDurable =
    first !== undefined &&
    message.accountKeys[first.programIndex]?.every((byte, index) => byte === systemProgram[index]) === true &&
    first.data.length === 4 &&
    first.data.every((byte, index) => byte === advanceNonce[index]);
  if (isDurable) return bytes;
  const open = bytes.slice();
  // Both are views of `bytes`; a bare message has no slots.
  for (const part of [message.recentBlockhash, ...(form === 'transaction' ? signatures : [])]) {
    const offset = part.byteOffset - bytes.byteOffset;
    open.fill(0, offset, offset + part.length);
  }
  return open;
}
