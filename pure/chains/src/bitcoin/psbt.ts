import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { ChainError } from '../error.ts';
import { ByteReader, readUint32 } from './byte-reader.ts';
import { compactSize, join, variable } from './byte-writer.ts';
import { findRecord, type PsbtMap, type PsbtRecord } from './psbt-map.ts';
import { countsOf, describedTransaction, GLOBAL_V2, INPUT_V2, OUTPUT_V2 } from './psbt-v2.ts';
import { type BitcoinTransaction, decodeTransaction, type TransactionOutput } from './transaction.ts';

/** PSBT of version 0 or 2. Records keep their order, so that encoding gives the same bytes. */
export interface Psbt {
  readonly version: 0 | 2;
  /** Version 0 holds it in one record, version 2 describes it record by record. */
  readonly transaction: BitcoinTransaction;
  readonly global: PsbtMap;
  readonly inputs: readonly PsbtMap[];
  readonly outputs: readonly PsbtMap[];
}

/** `psbt` and 0xff. */
export const PSBT_MAGIC = Uint8Array.of(0x70, 0x73, 0x62, 0x74, 0xff);

/** Key types of BIP-174 and BIP-371. */
export const GLOBAL = { UNSIGNED_TX: 0x00, XPUB: 0x01, VERSION: 0xfb, PROPRIETARY: 0xfc } as const;
export const INPUT = {
  NON_WITNESS_UTXO: 0x00,
  WITNESS_UTXO: 0x01,
  PARTIAL_SIG: 0x02,
  SIGHASH_TYPE: 0x03,
  REDEEM_SCRIPT: 0x04,
  WITNESS_SCRIPT: 0x05,
  BIP32_DERIVATION: 0x06,
  FINAL_SCRIPTSIG: 0x07,
  FINAL_SCRIPTWITNESS: 0x08,
  POR_COMMITMENT: 0x09,
  TAP_KEY_SIG: 0x13,
  TAP_SCRIPT_SIG: 0x14,
  TAP_LEAF_SCRIPT: 0x15,
  TAP_BIP32_DERIVATION: 0x16,
  TAP_INTERNAL_KEY: 0x17,
  TAP_MERKLE_ROOT: 0x18,
} as const;
export const OUTPUT = {
  REDEEM_SCRIPT: 0x00,
  WITNESS_SCRIPT: 0x01,
  BIP32_DERIVATION: 0x02,
  TAP_INTERNAL_KEY: 0x05,
  TAP_TREE: 0x06,
  TAP_BIP32_DERIVATION: 0x07,
} as const;

/** Form of a known record: lengths that the rest of the key may have, and a check of the value. */
interface RecordRule {
  readonly keyLengths: readonly number[] | ((length: number) => boolean);
  readonly value: (value: Uint8Array) => boolean;
}

const none = [0];
const anyValue = (): boolean => true;
const exactly =
  (...lengths: readonly number[]) =>
  (value: Uint8Array): boolean =>
    lengths.includes(value.length);
/** Fingerprint and path: four bytes each. */
const derivation = (value: Uint8Array): boolean => value.length >= 4 && value.length % 4 === 0;
const publicKeys = [33, 65];
const forbidden: RecordRule = { keyLengths: [], value: anyValue };

const GLOBAL_RULES: Readonly<Record<number, RecordRule>> = {
  [GLOBAL.UNSIGNED_TX]: { keyLengths: none, value: anyValue },
  [GLOBAL.XPUB]: { keyLengths: [78], value: derivation },
  [GLOBAL.VERSION]: { keyLengths: none, value: exactly(4) },
  ...forbid(GLOBAL_V2),
};
const GLOBAL_RULES_V2: Readonly<Record<number, RecordRule>> = {
  ...GLOBAL_RULES,
  [GLOBAL.UNSIGNED_TX]: forbidden,
  [GLOBAL_V2.TX_VERSION]: { keyLengths: none, value: exactly(4) },
  [GLOBAL_V2.FALLBACK_LOCKTIME]: { keyLengths: none, value: exactly(4) },
  [GLOBAL_V2.INPUT_COUNT]: { keyLengths: none, value: anyValue },
  [GLOBAL_V2.OUTPUT_COUNT]: { keyLengths: none, value: anyValue },
  [GLOBAL_V2.TX_MODIFIABLE]: { keyLengths: none, value: exactly(1) },
};

const INPUT_RULES: Readonly<Record<number, RecordRule>> = {
  [INPUT.NON_WITNESS_UTXO]: { keyLengths: none, value: readable((value) => decodeTransaction(value)) },
  [INPUT.WITNESS_UTXO]: { keyLengths: none, value: readable((value) => decodeOutput(value)) },
  [INPUT.PARTIAL_SIG]: { keyLengths: publicKeys, value: (value) => value.length >= 9 && value.length <= 73 },
  [INPUT.SIGHASH_TYPE]: { keyLengths: none, value: exactly(4) },
  [INPUT.REDEEM_SCRIPT]: { keyLengths: none, value: anyValue },
  [INPUT.WITNESS_SCRIPT]: { keyLengths: none, value: anyValue },
  [INPUT.BIP32_DERIVATION]: { keyLengths: publicKeys, value: derivation },
  [INPUT.FINAL_SCRIPTSIG]: { keyLengths: none, value: anyValue },
  [INPUT.FINAL_SCRIPTWITNESS]: { keyLengths: none, value: readable((value) => decodeWitness(value)) },
  [INPUT.POR_COMMITMENT]: { keyLengths: none, value: anyValue },
  // Preimages: RIPEMD160, SHA256, HASH160, HASH256.
  10: { keyLengths: [20], value: anyValue },
  11: { keyLengths: [32], value: anyValue },
  12: { keyLengths: [20], value: anyValue },
  13: { keyLengths: [32], value: anyValue },
  ...forbid(INPUT_V2),
  [INPUT.TAP_KEY_SIG]: { keyLengths: none, value: exactly(64, 65) },
  [INPUT.TAP_SCRIPT_SIG]: { keyLengths: [64], value: exactly(64, 65) },
  [INPUT.TAP_LEAF_SCRIPT]: { keyLengths: isControlBlock, value: (value) => value.length >= 1 },
  [INPUT.TAP_BIP32_DERIVATION]: { keyLengths: [32], value: readable(readTapDerivation) },
  [INPUT.TAP_INTERNAL_KEY]: { keyLengths: none, value: exactly(32) },
  [INPUT.TAP_MERKLE_ROOT]: { keyLengths: none, value: exactly(32) },
};
const INPUT_RULES_V2: Readonly<Record<number, RecordRule>> = {
  ...INPUT_RULES,
  [INPUT_V2.PREVIOUS_TXID]: { keyLengths: none, value: exactly(32) },
  [INPUT_V2.OUTPUT_INDEX]: { keyLengths: none, value: exactly(4) },
  [INPUT_V2.SEQUENCE]: { keyLengths: none, value: exactly(4) },
  [INPUT_V2.REQUIRED_TIME_LOCKTIME]: { keyLengths: none, value: exactly(4) },
  [INPUT_V2.REQUIRED_HEIGHT_LOCKTIME]: { keyLengths: none, value: exactly(4) },
};

const OUTPUT_RULES: Readonly<Record<number, RecordRule>> = {
  [OUTPUT.REDEEM_SCRIPT]: { keyLengths: none, value: anyValue },
  [OUTPUT.WITNESS_SCRIPT]: { keyLengths: none, value: anyValue },
  [OUTPUT.BIP32_DERIVATION]: { keyLengths: publicKeys, value: derivation },
  ...forbid(OUTPUT_V2),
  [OUTPUT.TAP_INTERNAL_KEY]: { keyLengths: none, value: exactly(32) },
  [OUTPUT.TAP_TREE]: { keyLengths: none, value: readable(readTapTree) },
  [OUTPUT.TAP_BIP32_DERIVATION]: { keyLengths: [32], value: readable(readTapDerivation) },
};
const OUTPUT_RULES_V2: Readonly<Record<number, RecordRule>> = {
  ...OUTPUT_RULES,
  [OUTPUT_V2.AMOUNT]: { keyLengths: none, value: exactly(8) },
  [OUTPUT_V2.SCRIPT]: { keyLengths: none, value: anyValue },
};

/**
 * Strict decoding of a PSBT of version 0 (BIP-174, taproot fields of BIP-371) or 2 (BIP-370). Unknown and proprietary records
 * are kept; what they may stand beside is the caller's rule. Canonical by construction: every length has its shortest form,
 * records keep their order, nothing follows, so that `encodePsbt` gives the same bytes. The tests hold it to that.
 * @throws ChainError `transaction-malformed`, `transaction-version-unsupported`, `transaction-unsafe`
 */
export function decodePsbt(bytes: Uint8Array): Psbt {
  const reader = new ByteReader(bytes);
  if (reader.remaining < PSBT_MAGIC.length || !equalBytes(reader.take(PSBT_MAGIC.length), PSBT_MAGIC)) {
    throw malformed('the bytes do not begin as a PSBT');
  }
  const global = readMap(reader);
  const record = findRecord(global, GLOBAL.VERSION);
  const version = record === undefined ? 0 : record.length === 4 ? readUint32(record) : undefined;
  switch (version) {
    case 0:
      return decodeVersion0(reader, global);
    case 2:
      return decodeVersion2(reader, global);
    default:
      throw new ChainError(
        'transaction-version-unsupported',
        'only the PSBT versions 0 and 2 are signed here',
        'version',
      );
  }
}

function decodeVersion0(reader: ByteReader, global: PsbtMap): Psbt {
  checkMap(global, GLOBAL_RULES, 'global');
  const unsigned = findRecord(global, GLOBAL.UNSIGNED_TX);
  if (unsigned === undefined) throw malformed('the unsigned transaction is missing', 'global');
  const transaction = decodeTransaction(unsigned, 'unsigned');
  if (transaction.inputs.some((input) => input.scriptSig.length > 0)) {
    throw malformed('the unsigned transaction has a signature script', 'global');
  }
  const inputs = transaction.inputs.map(() => readMap(reader));
  const outputs = transaction.outputs.map(() => readMap(reader));
  reader.end();
  checkMaps(inputs, INPUT_RULES, 'inputs');
  checkMaps(outputs, OUTPUT_RULES, 'outputs');
  return { version: 0, transaction, global, inputs, outputs };
}

function decodeVersion2(reader: ByteReader, global: PsbtMap): Psbt {
  checkMap(global, GLOBAL_RULES_V2, 'global');
  const counts = countsOf(global);
  // Every map takes a byte at least: counts beyond what is left to read are refused before anything is made for them.
  if (counts.inputs + counts.outputs > reader.remaining) throw malformed('the bytes end early', 'global');
  const inputs = Array.from({ length: counts.inputs }, () => readMap(reader));
  const outputs = Array.from({ length: counts.outputs }, () => readMap(reader));
  reader.end();
  checkMaps(inputs, INPUT_RULES_V2, 'inputs');
  checkMaps(outputs, OUTPUT_RULES_V2, 'outputs');
  const transaction = describedTransaction(global, inputs, outputs);
  return { version: 2, transaction, global, inputs, outputs };
}

/** PSBT bytes; records are written in the order they have. */
export function encodePsbt(psbt: Pick<Psbt, 'global' | 'inputs' | 'outputs'>): Uint8Array {
  return join([PSBT_MAGIC, ...[psbt.global, ...psbt.inputs, ...psbt.outputs].map(encodeMap)]);
}

/** A previous output as it stands in WITNESS_UTXO. */
export function decodeOutput(value: Uint8Array): TransactionOutput {
  const reader = new ByteReader(value);
  const output = { amount: reader.uint64(), script: reader.variable() };
  reader.end();
  return output;
}

/** A witness stack as it stands in FINAL_SCRIPTWITNESS. */
export function decodeWitness(value: Uint8Array): readonly Uint8Array[] {
  const reader = new ByteReader(value);
  const items = Array.from({ length: reader.count(1) }, () => reader.variable());
  reader.end();
  return items;
}

/** Leaf hashes of a TAP_BIP32_DERIVATION value; the rest is fingerprint and path. */
export function readTapDerivation(value: Uint8Array): readonly Uint8Array[] {
  const reader = new ByteReader(value);
  const leaves = Array.from({ length: reader.count(32) }, () => reader.take(32));
  if (reader.remaining < 4 || reader.remaining % 4 !== 0)
    throw malformed('a derivation is a fingerprint and a path');
  return leaves;
}

function readMap(reader: ByteReader): PsbtMap {
  const records: PsbtRecord[] = [];
  const seen = new Set<string>();
  for (;;) {
    const keyLength = reader.compactSize();
    if (keyLength === 0) return records;
    const key = reader.take(keyLength);
    const name = hexEncode(key);
    if (seen.has(name)) throw malformed('a key occurs twice');
    seen.add(name);
    const keyReader = new ByteReader(key);
    const type = keyReader.compactSize();
    const keyData = keyReader.take(keyReader.remaining);
    records.push({ type, keyData, value: reader.variable() });
  }
}

function encodeMap(map: PsbtMap): Uint8Array {
  const records = map.flatMap(({ type, keyData, value }) => [
    variable(join([compactSize(type), keyData])),
    variable(value),
  ]);
  return join([...records, Uint8Array.of(0)]);
}

function checkMaps(
  maps: readonly PsbtMap[],
  rules: Readonly<Record<number, RecordRule>>,
  name: string,
): void {
  for (const [index, map] of maps.entries()) checkMap(map, rules, `${name}[${index}]`);
}

function checkMap(map: PsbtMap, rules: Readonly<Record<number, RecordRule>>, field: string): void {
  for (const { type, keyData, value } of map) {
    const rule = rules[type];
    if (rule === undefined) continue;
    const { keyLengths } = rule;
    const keyFits =
      typeof keyLengths === 'function' ? keyLengths(keyData.length) : keyLengths.includes(keyData.length);
    if (!keyFits) throw malformed(`a key of type ${type} has the wrong length`, field);
    if (!rule.value(value)) throw malformed(`a value of type ${type} is malformed`, field);
  }
}

/** Records of another version. */
function forbid(types: Readonly<Record<string, number>>): Readonly<Record<number, RecordRule>> {
  return Object.fromEntries(Object.values(types).map((type) => [type, forbidden]));
}

/** Runs a decoder for its errors. */
function readable(decode: (value: Uint8Array) => unknown): (value: Uint8Array) => boolean {
  return (value) => {
    decode(value);
    return true;
  };
}

function isControlBlock(length: number): boolean {
  return length >= 33 && length <= 33 + 32 * 128 && (length - 33) % 32 === 0;
}

/** Depth, leaf version and script of each leaf, in depth-first order, of one complete tree (BIP-371). */
function readTapTree(value: Uint8Array): void {
  const reader = new ByteReader(value);
  const open: number[] = [];
  while (reader.remaining > 0) {
    const depth = reader.uint8();
    if (depth > 128 || reader.uint8() % 2 !== 0) throw malformed('a leaf of a taproot tree is malformed');
    reader.variable();
    open.push(depth);
    while (open.length > 1 && open.at(-1) === open.at(-2)) {
      open.pop();
      open.push(open.pop()! - 1);
    }
  }
  if (open.length !== 1 || open[0] !== 0) throw malformed('a taproot tree is incomplete');
}

function malformed(detail: string, field?: string): ChainError {
  return new ChainError('transaction-malformed', detail, field);
}
