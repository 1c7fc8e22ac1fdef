import { hexEncode } from '@keystead/crypto/hex';
import { sha256 } from '@keystead/crypto/sha256';
import { ChainError } from '../error.ts';
import { ByteReader } from './byte-reader.ts';
import { compactSize, join, uint32, uint64, variable } from './byte-writer.ts';

export interface TransactionInput {
  /** 32 bytes in the order of the wire, the reverse of the text form. */
  readonly previousId: Uint8Array;
  readonly previousIndex: number;
  readonly scriptSig: Uint8Array;
  readonly sequence: number;
  readonly witness: readonly Uint8Array[];
}

export interface TransactionOutput {
  /** Satoshi. */
  readonly amount: bigint;
  readonly script: Uint8Array;
}

export interface BitcoinTransaction {
  readonly version: number;
  readonly inputs: readonly TransactionInput[];
  readonly outputs: readonly TransactionOutput[];
  readonly lockTime: number;
}

/** 21 million coins in satoshi. */
export const MAX_MONEY = 2_100_000_000_000_000n;

/**
 * Decodes a transaction that fills `bytes`, with or without witness (BIP-144). Canonical by construction, as `decodePsbt`:
 * the witness form stands only where there is a witness.
 * `unsigned` reads the form without witness only, which is what a PSBT holds.
 * @throws ChainError `transaction-malformed`
 */
export function decodeTransaction(bytes: Uint8Array, form: 'any' | 'unsigned' = 'any'): BitcoinTransaction {
  const reader = new ByteReader(bytes);
  const version = reader.uint32();
  let segwit = false;
  if (form === 'any' && reader.remaining > 1 && bytes[reader.offset] === 0) {
    if (bytes[reader.offset + 1] !== 1) throw malformed('the segwit flag is not 1');
    reader.take(2);
    segwit = true;
  }
  const inputCount = reader.count(41);
  const inputs: TransactionInput[] = [];
  for (let index = 0; index < inputCount; index += 1) {
    inputs.push({
      previousId: reader.take(32),
      previousIndex: reader.uint32(),
      scriptSig: reader.variable(),
      sequence: reader.uint32(),
      witness: [],
    });
  }
  const outputCount = reader.count(9);
  const outputs: TransactionOutput[] = [];
  let total = 0n;
  for (let index = 0; index < outputCount; index += 1) {
    const amount = reader.uint64();
    total += amount;
    if (amount > MAX_MONEY || total > MAX_MONEY)
      throw malformed('more than 21 million coins', `outputs[${index}]`);
    outputs.push({ amount, script: reader.variable() });
  }
  if (segwit) {
    for (const [index, input] of inputs.entries()) {
      const items: Uint8Array[] = [];
      const count = reader.count(1);
      for (let item = 0; item < count; item += 1) items.push(reader.variable());
      inputs[index] = { ...input, witness: items };
    }
    if (inputs.every((input) => input.witness.length === 0))
      throw malformed('the witness form without a witness');
  }
  const lockTime = reader.uint32();
  reader.end();
  return { version, inputs, outputs, lockTime };
}

/** Network form: with witness when any input has one. */
export function encodeTransaction(transaction: BitcoinTransaction): Uint8Array {
  const segwit = transaction.inputs.some((input) => input.witness.length > 0);
  const parts: Uint8Array[] = [uint32(transaction.version)];
  if (segwit) parts.push(Uint8Array.of(0, 1));
  parts.push(compactSize(transaction.inputs.length));
  for (const input of transaction.inputs) {
    parts.push(
      input.previousId,
      uint32(input.previousIndex),
      variable(input.scriptSig),
      uint32(input.sequence),
    );
  }
  parts.push(compactSize(transaction.outputs.length));
  for (const output of transaction.outputs) parts.push(encodeOutput(output));
  if (segwit) for (const input of transaction.inputs) parts.push(encodeWitness(input.witness));
  parts.push(uint32(transaction.lockTime));
  return join(parts);
}

export function encodeOutput(output: TransactionOutput): Uint8Array {
  return join([uint64(output.amount), variable(output.script)]);
}

/** Witness stack: a count and the items. */
export function encodeWitness(items: readonly Uint8Array[]): Uint8Array {
  return join([compactSize(items.length), ...items.map(variable)]);
}

/** Transaction id in the order of the wire: double SHA-256 without witness. */
export function transactionHash(transaction: BitcoinTransaction): Uint8Array {
  const inputs = transaction.inputs.map((input) => ({ ...input, witness: [] }));
  return doubleSha256(encodeTransaction({ ...transaction, inputs }));
}

/** Transaction id as text: the wire order reversed. */
export function transactionIdText(hash: Uint8Array): string {
  return hexEncode(hash.slice().reverse());
}

export function doubleSha256(bytes: Uint8Array): Uint8Array {
  return sha256(sha256(bytes));
}

function malformed(detail: string, field?: string): ChainError {
  return new ChainError('transaction-malformed', detail, field);
}
