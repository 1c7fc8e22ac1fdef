/** The transaction that a PSBT of version 2 describes record by record (BIP-370). */
import { ChainError } from '../error.ts';
import { ByteReader, readUint32 } from './byte-reader.ts';
import { findRecord, type PsbtMap } from './psbt-map.ts';
import {
  type BitcoinTransaction,
  MAX_MONEY,
  type TransactionInput,
  type TransactionOutput,
} from './transaction.ts';

export const GLOBAL_V2 = {
  TX_VERSION: 0x02,
  FALLBACK_LOCKTIME: 0x03,
  INPUT_COUNT: 0x04,
  OUTPUT_COUNT: 0x05,
  TX_MODIFIABLE: 0x06,
} as const;
export const INPUT_V2 = {
  PREVIOUS_TXID: 0x0e,
  OUTPUT_INDEX: 0x0f,
  SEQUENCE: 0x10,
  REQUIRED_TIME_LOCKTIME: 0x11,
  REQUIRED_HEIGHT_LOCKTIME: 0x12,
} as const;
export const OUTPUT_V2 = { AMOUNT: 0x03, SCRIPT: 0x04 } as const;

const FINAL_SEQUENCE = 0xffff_ffff;
/** Lock times below are block heights. */
const LOCK_TIME_THRESHOLD = 500_000_000;

/** Numbers of maps that follow the global one. Throws ChainError `transaction-malformed`. */
export function countsOf(global: PsbtMap): { readonly inputs: number; readonly outputs: number } {
  return {
    inputs: countOf(global, GLOBAL_V2.INPUT_COUNT),
    outputs: countOf(global, GLOBAL_V2.OUTPUT_COUNT),
  };
}

function countOf(global: PsbtMap, type: number): number {
  const reader = new ByteReader(required(global, type, 'global'));
  const count = reader.compactSize();
  reader.end();
  return count;
}

/**
 * The unsigned transaction. Throws ChainError `transaction-malformed`, and `transaction-unsafe` while inputs or outputs may
 * still be added: what is signed is what stands.
 */
export function describedTransaction(
  global: PsbtMap,
  inputs: readonly PsbtMap[],
  outputs: readonly PsbtMap[],
): BitcoinTransaction {
  const modifiable = findRecord(global, GLOBAL_V2.TX_MODIFIABLE);
  if (modifiable !== undefined && modifiable[0] !== 0)
    throw new ChainError('transaction-unsafe', 'its maker says that it may still be changed', 'global');
  let total = 0n;
  return {
    version: readUint32(required(global, GLOBAL_V2.TX_VERSION, 'global')),
    inputs: inputs.map((map, index): TransactionInput => {
      const field = `inputs[${index}]`;
      return {
        previousId: required(map, INPUT_V2.PREVIOUS_TXID, field),
        previousIndex: readUint32(required(map, INPUT_V2.OUTPUT_INDEX, field)),
        scriptSig: new Uint8Array(0),
        sequence: optional(map, INPUT_V2.SEQUENCE) ?? FINAL_SEQUENCE,
        witness: [],
      };
    }),
    outputs: outputs.map((map, index): TransactionOutput => {
      const field = `outputs[${index}]`;
      const amount = new ByteReader(required(map, OUTPUT_V2.AMOUNT, field)).uint64();
      total += amount;
      if (amount > MAX_MONEY || total > MAX_MONEY) throw malformed('more than 21 million coins', field);
      return { amount, script: required(map, OUTPUT_V2.SCRIPT, field) };
    }),
    lockTime: lockTimeOf(global, inputs),
  };
}

/**
 * The lock time that every input which names one can live with: a height where all of them name one, else a time; the
 * greatest of them. Without any, the fallback.
 */
function lockTimeOf(global: PsbtMap, inputs: readonly PsbtMap[]): number {
  const named = inputs.flatMap((map, index) => {
    const height = optional(map, INPUT_V2.REQUIRED_HEIGHT_LOCKTIME);
    const time = optional(map, INPUT_V2.REQUIRED_TIME_LOCKTIME);
    const field = `inputs[${index}]`;
    if (height !== undefined && (height === 0 || height >= LOCK_TIME_THRESHOLD))
      throw malformed('a required height is none', field);
    if (time !== undefined && time < LOCK_TIME_THRESHOLD) throw malformed('a required time is none', field);
    return height === undefined && time === undefined ? [] : [{ height, time }];
  });
  if (named.length === 0) return optional(global, GLOBAL_V2.FALLBACK_LOCKTIME) ?? 0;
  const greatest = (of: (each: (typeof named)[number]) => number | undefined): number | undefined => {
    const all = named.map(of);
    return all.includes(undefined) ? undefined : Math.max(...(all as number[]));
  };
  const lockTime = greatest(({ height }) => height) ?? greatest(({ time }) => time);
  if (lockTime === undefined) throw malformed('some inputs need a height and others a time', 'inputs');
  return lockTime;
}

function required(map: PsbtMap, type: number, field: string): Uint8Array {
  const value = findRecord(map, type);
  if (value === undefined) throw malformed(`a record of type ${type} is missing`, field);
  return value;
}

function optional(map: PsbtMap, type: number): number | undefined {
  const value = findRecord(map, type);
  return value === undefined ? undefined : readUint32(value);
}

function malformed(detail: string, field: string): ChainError {
  return new ChainError('transaction-malformed', detail, field);
}
