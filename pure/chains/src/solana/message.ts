import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { bytesName } from '@keystead/crypto/recent';
import { ChainError } from '../error.ts';
import type { StepBudget } from '../step-budget.ts';

/** Largest legacy or v0 transaction, signatures included: IPv6 minimum MTU less headers. */
const PACKET_BYTES = 1232;
/** Account indices are one byte, tables included. */
const MOST_ACCOUNTS = 256;
/** 3 bytes of header, one key, a blockhash and two counts. */
const SMALLEST_MESSAGE_BYTES = 69;
const SIGNATURE_BYTES = 64;
const KEY_BYTES = 32;

export interface MessageHeader {
  readonly requiredSignatures: number;
  readonly readonlySigned: number;
  readonly readonlyUnsigned: number;
}

export interface CompiledInstruction {
  readonly programIndex: number;
  readonly accountIndexes: Uint8Array;
  readonly data: Uint8Array;
}

/** A v0 lookup: indices into an on-chain table whose contents the message does not carry. */
export interface TableLookup {
  readonly table: Uint8Array;
  readonly writableIndexes: Uint8Array;
  readonly readonlyIndexes: Uint8Array;
}

export interface Message {
  readonly version: 'legacy' | 'v0';
  readonly header: MessageHeader;
  /** 32 bytes each; signers first, the fee payer at index 0. */
  readonly accountKeys: readonly Uint8Array[];
  readonly recentBlockhash: Uint8Array;
  readonly instructions: readonly CompiledInstruction[];
  /** Empty for legacy. */
  readonly lookups: readonly TableLookup[];
}

/** What a client sends: a wire transaction with its signature slots, or the bare message that a signature covers. */
export interface Envelope {
  readonly form: 'transaction' | 'message';
  /** One slot of 64 bytes per required signature; zeros where nobody has signed. */
  readonly signatures: readonly Uint8Array[];
  readonly messageBytes: Uint8Array;
  readonly message: Message;
}

function malformed(detail: string, field?: string): ChainError {
  return new ChainError('transaction-malformed', detail, field);
}

/** Reads fields in order. `field` and `index` name a field of a list for an error; the text is made for that only. */
class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  u8(field: string, index?: number, member?: string): number {
    if (this.remaining < 1) throw malformed('the bytes end early', named(field, index, member));
    return this.#bytes[this.#offset++]!;
  }

  bytes(length: number, field: string, index?: number, member?: string): Uint8Array {
    if (this.remaining < length) throw malformed('the bytes end early', named(field, index, member));
    this.#offset += length;
    const { buffer, byteOffset } = this.#bytes;
    return new Uint8Array(buffer, byteOffset + this.#offset - length, length);
  }

  /** One to three bytes of seven bits, least significant first; only the shortest form of a value up to 65,535. */
  compactU16(field: string, index?: number, member?: string): number {
    let value = 0;
    for (let position = 0; position < 3; position++) {
      const byte = this.u8(field, index, member);
      value |= (byte & 0x7f) << (7 * position);
      if (byte & 0x80) continue;
      if (position > 0 && byte === 0)
        throw malformed('a length is not in its shortest form', named(field, index, member));
      if (value > 0xffff) throw malformed('a length is above 65,535', named(field, index, member));
      return value;
    }
    throw malformed('a length has more than three bytes', named(field, index, member));
  }

  end(): void {
    if (this.remaining !== 0) throw malformed(`${this.remaining} bytes follow the end`);
  }
}

function named(list: string, index?: number, member?: string): string {
  if (index === undefined) return list;
  return member === undefined ? `${list}[${index}]` : `${list}[${index}].${member}`;
}

function compactU16(value: number): Uint8Array {
  if (value < 0x80) return Uint8Array.of(value);
  if (value < 0x4000) return Uint8Array.of((value & 0x7f) | 0x80, value >> 7);
  return Uint8Array.of((value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14);
}

function readMessage(reader: Reader): Message {
  const first = reader.u8('header');
  let version: Message['version'] = 'legacy';
  let requiredSignatures = first;
  if (first & 0x80) {
    if (first !== 0x80) {
      throw new ChainError(
        'transaction-version-unsupported',
        `message version ${first & 0x7f} is not signed here; legacy and 0 are`,
        'version',
      );
    }
    version = 'v0';
    requiredSignatures = reader.u8('header');
  }
  const readonlySigned = reader.u8('header');
  const readonlyUnsigned = reader.u8('header');
  const keyCount = reader.compactU16('accountKeys');
  if (keyCount > MOST_ACCOUNTS) throw malformed('more than 256 accounts', 'accountKeys');
  if (requiredSignatures < 1 || readonlySigned >= requiredSignatures) {
    throw malformed('the fee payer is not a writable signer', 'header');
  }
  if (requiredSignatures + readonlyUnsigned > keyCount) {
    throw malformed('the header counts more accounts than there are', 'header');
  }
  const accountKeys: Uint8Array[] = [];
  for (let i = 0; i < keyCount; i++) accountKeys.push(reader.bytes(KEY_BYTES, 'accountKeys', i));
  const recentBlockhash = reader.bytes(KEY_BYTES, 'recentBlockhash');
  const instructionCount = reader.compactU16('instructions');
  const instructions: CompiledInstruction[] = [];
  for (let i = 0; i < instructionCount; i++) {
    const programIndex = reader.u8('instructions', i, 'program');
    const accountCount = reader.compactU16('instructions', i, 'accounts');
    const accountIndexes = reader.bytes(accountCount, 'instructions', i, 'accounts');
    const dataBytes = reader.compactU16('instructions', i, 'data');
    const data = reader.bytes(dataBytes, 'instructions', i, 'data');
    instructions.push({ programIndex, accountIndexes, data });
  }
  const lookups: TableLookup[] = [];
  if (version === 'v0') {
    const lookupCount = reader.compactU16('addressTableLookups');
    for (let i = 0; i < lookupCount; i++) {
      const field = `addressTableLookups[${i}]`;
      const table = reader.bytes(KEY_BYTES, field);
      const writableIndexes = reader.bytes(reader.compactU16(field), field);
      const readonlyIndexes = reader.bytes(reader.compactU16(field), field);
      lookups.push({ table, writableIndexes, readonlyIndexes });
    }
  }
  return {
    version,
    header: { requiredSignatures, readonlySigned, readonlyUnsigned },
    accountKeys,
    recentBlockhash,
    instructions,
    lookups,
  };
}

function checkMessage(message: Message): void {
  const { accountKeys, instructions } = message;
  const keys = new Set<string>();
  for (let i = 0; i < accountKeys.length; i++) {
    keys.add(bytesName(accountKeys[i]!));
    if (keys.size !== i + 1) throw malformed('an account is listed twice', `accountKeys[${i}]`);
  }
  let accounts = accountKeys.length;
  for (const [i, lookup] of message.lookups.entries()) {
    const field = `addressTableLookups[${i}]`;
    const table = bytesName(lookup.table);
    const indexes = [...lookup.writableIndexes, ...lookup.readonlyIndexes];
    if (indexes.length === 0) throw malformed('a lookup table is named but nothing is looked up', field);
    for (const index of indexes) {
      const entry = `${table} ${index}`;
      if (keys.has(entry)) throw malformed('an entry of a lookup table is used twice', field);
      keys.add(entry);
    }
    accounts += indexes.length;
  }
  if (accounts > MOST_ACCOUNTS) throw malformed('more than 256 accounts', 'addressTableLookups');
  for (let i = 0; i < instructions.length; i++) {
    const { programIndex, accountIndexes } = instructions[i]!;
    if (programIndex === 0) {
      throw malformed('the fee payer cannot be a program', `instructions[${i}].program`);
    }
    if (programIndex >= accountKeys.length) {
      throw malformed('a program must be listed in the message itself', `instructions[${i}].program`);
    }
    for (let j = 0; j < accountIndexes.length; j++) {
      if (accountIndexes[j]! >= accounts)
        throw malformed('no such account', `instructions[${i}].accounts[${j}]`);
    }
  }
}

/** Bytes of a message in the only form that `decodeMessage` accepts. */
export function encodeMessage(message: Message): Uint8Array {
  const { requiredSignatures, readonlySigned, readonlyUnsigned } = message.header;
  const parts: Uint8Array[] = [];
  if (message.version === 'v0') parts.push(Uint8Array.of(0x80));
  parts.push(Uint8Array.of(requiredSignatures, readonlySigned, readonlyUnsigned));
  parts.push(compactU16(message.accountKeys.length), ...message.accountKeys, message.recentBlockhash);
  parts.push(compactU16(message.instructions.length));
  for (const { programIndex, accountIndexes, data } of message.instructions) {
    parts.push(Uint8Array.of(programIndex), compactU16(accountIndexes.length), accountIndexes);
    parts.push(compactU16(data.length), data);
  }
  if (message.version === 'v0') {
    parts.push(compactU16(message.lookups.length));
    for (const { table, writableIndexes, readonlyIndexes } of message.lookups) {
      parts.push(table, compactU16(writableIndexes.length), writableIndexes);
      parts.push(compactU16(readonlyIndexes.length), readonlyIndexes);
    }
  }
  return concatBytes(...parts);
}

/**
 * Strict decoding of a legacy or v0 message. Throws ChainError `transaction-malformed` unless the bytes are the one
 * canonical encoding with a sane header, and `transaction-version-unsupported` for any other version.
 *
 * Canonical by construction: every field has one length, every count only its shortest form, and nothing follows, so
 * that `encodeMessage` gives the same bytes back. The tests hold it to that.
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new Reader(bytes);
  const message = readMessage(reader);
  reader.end();
  checkMessage(message);
  return message;
}

/** Wire transaction: a compact array of 64-byte signatures, then the message. */
export function encodeTransaction(signatures: readonly Uint8Array[], messageBytes: Uint8Array): Uint8Array {
  return concatBytes(compactU16(signatures.length), ...signatures, messageBytes);
}

function decodeTransaction(bytes: Uint8Array): Envelope {
  const reader = new Reader(bytes);
  const count = reader.compactU16('signatures');
  const signatures: Uint8Array[] = [];
  for (let i = 0; i < count; i++) signatures.push(reader.bytes(SIGNATURE_BYTES, 'signatures', i));
  const messageBytes = reader.bytes(reader.remaining, 'message');
  const message = decodeMessage(messageBytes);
  if (message.header.requiredSignatures !== count) {
    throw malformed('there are not as many signature slots as signers', 'signatures');
  }
  return { form: 'transaction', signatures, messageBytes, message };
}

function decodeBareMessage(bytes: Uint8Array): Envelope {
  const message = decodeMessage(bytes);
  const signatures = Array.from(
    { length: message.header.requiredSignatures },
    () => new Uint8Array(SIGNATURE_BYTES),
  );
  return { form: 'message', signatures, messageBytes: bytes, message };
}

/** Bytes of another shape than the one that is attempted are undefined: most are, and an error costs much. */
function attempt(
  decode: (bytes: Uint8Array) => Envelope,
  bytes: Uint8Array,
  shaped: boolean,
): Envelope | ChainError | undefined {
  if (!shaped) return undefined;
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof ChainError) return error;
    throw error;
  }
}

/** Decodes a wire transaction or a bare message; bytes that are both, or too long to be sent, are refused. */
export function decodeEnvelope(bytes: Uint8Array, steps?: StepBudget): Envelope {
  if (bytes.length > PACKET_BYTES) {
    throw malformed(`the transaction has ${bytes.length} bytes; 1,232 can be sent`);
  }
  steps?.spend(2 * bytes.length);
  const inner = bytes.subarray(1 + SIGNATURE_BYTES * (bytes[0] ?? 0));
  const shaped = plausibleMessage(inner) || inner[0] === 0x81;
  const transaction = attempt(decodeTransaction, bytes, shaped);
  const message = attempt(decodeBareMessage, bytes, plausibleMessage(bytes));
  const isTransaction = transaction !== undefined && !(transaction instanceof ChainError);
  const isMessage = message !== undefined && !(message instanceof ChainError);
  if (isTransaction && isMessage) {
    throw malformed('the bytes can be read both as a transaction and as a message');
  }
  if (!isTransaction && !isMessage) {
    if (transaction !== undefined) throw transaction;
    // Its reason is known only now. It must not be read here, where no length is checked.
    throw message ?? attempt(decodeBareMessage, bytes, true);
  }
  const envelope = isTransaction ? transaction : (message as Envelope);
  const length = 1 + SIGNATURE_BYTES * envelope.signatures.length + envelope.messageBytes.length;
  if (length > PACKET_BYTES) throw malformed(`the transaction would have ${length} bytes; 1,232 can be sent`);
  return envelope;
}

const OFFCHAIN_DOMAIN = Uint8Array.of(0xff, ...Array.from('solana offchain', (c) => c.charCodeAt(0)));

/**
 * Follows the shape of a legacy or v0 message but forgives what some validator might forgive: long lengths, extra
 * bytes, odd indices.
 */
function plausibleMessage(bytes: Uint8Array): boolean {
  if (bytes.length < SMALLEST_MESSAGE_BYTES) return false;
  let offset = bytes[0] === 0x80 ? 1 : 0;
  const compact = (): number => {
    let value = 0;
    for (let position = 0; position < 3; position++) {
      const byte = bytes[offset++] ?? 0;
      value |= (byte & 0x7f) << (7 * position);
      if (!(byte & 0x80)) break;
    }
    return value;
  };
  const signers = bytes[offset++]!;
  const readonlySigned = bytes[offset++]!;
  const readonlyUnsigned = bytes[offset++]!;
  const keys = compact();
  if (signers === 0 || readonlySigned >= signers || signers + readonlyUnsigned > keys) return false;
  offset += KEY_BYTES * keys + KEY_BYTES;
  const instructions = compact();
  for (let i = 0; i < instructions && offset <= bytes.length; i++) {
    if ((bytes[offset++] ?? 0xff) >= keys) return false;
    // In two steps: the left side of += is read before the call moves it.
    const accounts = compact();
    offset += accounts;
    const data = compact();
    offset += data;
  }
  return offset <= bytes.length;
}

/**
 * True when `message` could be read as a Solana message, a wire transaction, or an off-chain message envelope
 * (0xff "solana offchain"), with or without faults.
 */
export function looksLikeTransaction(message: Uint8Array): boolean {
  const domain = message.subarray(0, OFFCHAIN_DOMAIN.length);
  if (equalBytes(domain, OFFCHAIN_DOMAIN)) return true;
  if (message.length < SMALLEST_MESSAGE_BYTES) return false;
  const first = message[0]!;
  // The version byte of a message, known today or not. No UTF-8 text begins with 0x80-0xbf.
  if (first >= 0x80 && first <= 0xbf) return true;
  if (plausibleMessage(message)) return true;
  const mostSignatures = Math.floor(PACKET_BYTES / SIGNATURE_BYTES);
  return first <= mostSignatures && plausibleMessage(message.subarray(1 + SIGNATURE_BYTES * first));
}
