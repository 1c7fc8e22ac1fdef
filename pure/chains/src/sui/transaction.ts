import { utf8Decode, utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { ChainError } from '../error.ts';
import { addressText } from './address.ts';
import { BcsReader, BcsWriter } from './bcs.ts';

// Limits of the protocol configuration that bound what can ever be executed.
const MOST_TRANSACTION_BYTES = 128 * 1024;
const MOST_INPUTS = 2048;
const MOST_COMMANDS = 1024;
const MOST_ARGUMENTS = 512;
const MOST_PURE_BYTES = 16 * 1024;
const MOST_GAS_OBJECTS = 256;
const MOST_MODULES = 64;
const MOST_DEPENDENCIES = 32;
const MOST_TYPE_ARGUMENTS = 16;
const DEEPEST_TYPE = 16;
const LONGEST_IDENTIFIER = 128;
const ID_BYTES = 32;

/** A version of one object; all of it is fixed by the digest. */
export interface ObjectReference {
  readonly id: Uint8Array;
  readonly version: bigint;
  /** 32 bytes. */
  readonly digest: Uint8Array;
}

export type Input =
  | { readonly kind: 'pure'; readonly bytes: Uint8Array }
  | { readonly kind: 'owned' | 'receiving'; readonly reference: ObjectReference }
  | { readonly kind: 'shared'; readonly id: Uint8Array; readonly version: bigint; readonly mutable: boolean };

export type Argument =
  | { readonly kind: 'gas' }
  | { readonly kind: 'input'; readonly index: number }
  | { readonly kind: 'result'; readonly index: number }
  | { readonly kind: 'nested'; readonly index: number; readonly nested: number };

export type TypeTag =
  | { readonly kind: 'primitive'; readonly variant: number }
  | { readonly kind: 'vector'; readonly element: TypeTag }
  | {
      readonly kind: 'struct';
      readonly address: Uint8Array;
      readonly module: string;
      readonly name: string;
      readonly parameters: readonly TypeTag[];
    };

export type Command =
  | {
      readonly kind: 'move-call';
      readonly package: Uint8Array;
      readonly module: string;
      readonly function: string;
      readonly typeArguments: readonly TypeTag[];
      readonly arguments: readonly Argument[];
    }
  | { readonly kind: 'transfer-objects'; readonly objects: readonly Argument[]; readonly address: Argument }
  | { readonly kind: 'split-coins'; readonly coin: Argument; readonly amounts: readonly Argument[] }
  | { readonly kind: 'merge-coins'; readonly destination: Argument; readonly sources: readonly Argument[] }
  | {
      readonly kind: 'publish';
      readonly modules: readonly Uint8Array[];
      readonly dependencies: readonly Uint8Array[];
    }
  | {
      readonly kind: 'make-move-vector';
      readonly type: TypeTag | null;
      readonly elements: readonly Argument[];
    }
  | {
      readonly kind: 'upgrade';
      readonly modules: readonly Uint8Array[];
      readonly dependencies: readonly Uint8Array[];
      readonly package: Uint8Array;
      readonly ticket: Argument;
    };

/** TransactionData version 1 with a programmable transaction. */
export interface Transaction {
  readonly inputs: readonly Input[];
  readonly commands: readonly Command[];
  readonly sender: Uint8Array;
  readonly gas: {
    readonly payment: readonly ObjectReference[];
    readonly owner: Uint8Array;
    readonly price: bigint;
    readonly budget: bigint;
  };
  /** Last epoch in which the transaction is valid, or null. */
  readonly expirationEpoch: bigint | null;
}

const STRUCT_TAG = 7;
const VECTOR_TAG = 6;
const LAST_TYPE_TAG = 10;

function malformed(detail: string, field: string): ChainError {
  return new ChainError('transaction-malformed', detail, field);
}

function notUnderstood(detail: string, field: string): ChainError {
  return new ChainError('transaction-not-understood', detail, field);
}

function readReference(reader: BcsReader, field: string): ObjectReference {
  const id = reader.bytes(ID_BYTES, field);
  const version = reader.u64(field);
  const digest = reader.byteVector(ID_BYTES, field);
  if (digest.length !== ID_BYTES) throw malformed('an object digest has 32 bytes', field);
  return { id, version, digest };
}

function readInput(reader: BcsReader, field: string): Input {
  const variant = reader.uleb128(field);
  if (variant === 0) return { kind: 'pure', bytes: reader.byteVector(MOST_PURE_BYTES, field) };
  if (variant !== 1) throw notUnderstood(`input variant ${variant} is neither a value nor an object`, field);
  const object = reader.uleb128(field);
  if (object === 0) return { kind: 'owned', reference: readReference(reader, field) };
  if (object === 2) return { kind: 'receiving', reference: readReference(reader, field) };
  if (object !== 1) throw notUnderstood(`object variant ${object} is unknown`, field);
  return {
    kind: 'shared',
    id: reader.bytes(ID_BYTES, field),
    version: reader.u64(field),
    mutable: reader.bool(field),
  };
}

function readArgument(reader: BcsReader, field: string): Argument {
  const variant = reader.uleb128(field);
  switch (variant) {
    case 0:
      return { kind: 'gas' };
    case 1:
      return { kind: 'input', index: reader.u16(field) };
    case 2:
      return { kind: 'result', index: reader.u16(field) };
    case 3:
      return { kind: 'nested', index: reader.u16(field), nested: reader.u16(field) };
    default:
      throw notUnderstood(`argument variant ${variant} is unknown`, field);
  }
}

function readIdentifier(reader: BcsReader, field: string): string {
  let text = '';
  try {
    text = utf8Decode(reader.byteVector(LONGEST_IDENTIFIER, field));
  } catch (error) {
    if (error instanceof ChainError) throw error;
  }
  if (!/^(?:[A-Za-z][A-Za-z0-9_]*|_[A-Za-z0-9_]+)$/.test(text)) {
    throw malformed('a name is not a Move identifier', field);
  }
  return text;
}

function readType(reader: BcsReader, field: string, depth = 0): TypeTag {
  if (depth >= DEEPEST_TYPE) throw malformed(`a type is nested more than ${DEEPEST_TYPE} levels deep`, field);
  const variant = reader.uleb128(field);
  if (variant > LAST_TYPE_TAG) throw notUnderstood(`type variant ${variant} is unknown`, field);
  if (variant === VECTOR_TAG) return { kind: 'vector', element: readType(reader, field, depth + 1) };
  if (variant !== STRUCT_TAG) return { kind: 'primitive', variant };
  return {
    kind: 'struct',
    address: reader.bytes(ID_BYTES, field),
    module: readIdentifier(reader, field),
    name: readIdentifier(reader, field),
    parameters: reader.vector(MOST_TYPE_ARGUMENTS, field, (each) => readType(reader, each, depth + 1)),
  };
}

function readCommand(reader: BcsReader, field: string): Command {
  const argument = (each: string): Argument => readArgument(reader, each);
  const argumentList = (name: string): Argument[] =>
    reader.vector(MOST_ARGUMENTS, `${field}.${name}`, argument);
  const modules = (): Uint8Array[] =>
    reader.vector(MOST_MODULES, `${field}.modules`, (each) =>
      reader.byteVector(MOST_TRANSACTION_BYTES, each),
    );
  const dependencies = (): Uint8Array[] =>
    reader.vector(MOST_DEPENDENCIES, `${field}.dependencies`, (each) => reader.bytes(ID_BYTES, each));
  const variant = reader.uleb128(field);
  switch (variant) {
    case 0:
      return {
        kind: 'move-call',
        package: reader.bytes(ID_BYTES, `${field}.package`),
        module: readIdentifier(reader, `${field}.module`),
        function: readIdentifier(reader, `${field}.function`),
        typeArguments: reader.vector(MOST_TYPE_ARGUMENTS, `${field}.typeArguments`, (each) =>
          readType(reader, each),
        ),
        arguments: argumentList('arguments'),
      };
    case 1:
      return {
        kind: 'transfer-objects',
        objects: argumentList('objects'),
        address: argument(`${field}.address`),
      };
    case 2:
      return { kind: 'split-coins', coin: argument(`${field}.coin`), amounts: argumentList('amounts') };
    case 3:
      return {
        kind: 'merge-coins',
        destination: argument(`${field}.destination`),
        sources: argumentList('sources'),
      };
    case 4:
      return { kind: 'publish', modules: modules(), dependencies: dependencies() };
    case 5:
      return {
        kind: 'make-move-vector',
        type: reader.bool(`${field}.type`) ? readType(reader, `${field}.type`) : null,
        elements: argumentList('elements'),
      };
    case 6:
      return {
        kind: 'upgrade',
        modules: modules(),
        dependencies: dependencies(),
        package: reader.bytes(ID_BYTES, `${field}.package`),
        ticket: argument(`${field}.ticket`),
      };
    default:
      throw notUnderstood(`command variant ${variant} is unknown`, field);
  }
}

/** Arguments of a command in the order of their encoding. */
export function argumentsOf(command: Command): readonly Argument[] {
  switch (command.kind) {
    case 'move-call':
      return command.arguments;
    case 'transfer-objects':
      return [...command.objects, command.address];
    case 'split-coins':
      return [command.coin, ...command.amounts];
    case 'merge-coins':
      return [command.destination, ...command.sources];
    case 'make-move-vector':
      return command.elements;
    case 'upgrade':
      return [command.ticket];
    default:
      return [];
  }
}

function checkTransaction(transaction: Transaction): void {
  const objects = new Set<string>();
  const once = (id: Uint8Array, field: string): void => {
    const text = hexEncode(id);
    if (objects.has(text)) throw malformed('an object is named twice', field);
    objects.add(text);
  };
  for (const [i, input] of transaction.inputs.entries()) {
    if (input.kind !== 'pure') once(input.kind === 'shared' ? input.id : input.reference.id, `inputs[${i}]`);
  }
  for (const [i, reference] of transaction.gas.payment.entries()) once(reference.id, `gas.payment[${i}]`);
  if (transaction.gas.payment.length === 0) {
    throw notUnderstood('gas is paid without a gas object', 'gas.payment');
  }
  for (const [i, command] of transaction.commands.entries()) {
    for (const argument of argumentsOf(command)) {
      if (argument.kind === 'gas') continue;
      const count = argument.kind === 'input' ? transaction.inputs.length : i;
      if (argument.index >= count)
        throw malformed('an argument refers to nothing before it', `commands[${i}]`);
    }
  }
}

function readTransaction(reader: BcsReader): Transaction {
  const version = reader.uleb128('version');
  if (version !== 0) {
    throw new ChainError(
      'transaction-version-unsupported',
      `TransactionData variant ${version} is not signed here; version 1 is`,
      'version',
    );
  }
  const kind = reader.uleb128('kind');
  if (kind !== 0) throw notUnderstood(`transaction kind ${kind} is not a programmable transaction`, 'kind');
  const inputs = reader.vector(MOST_INPUTS, 'inputs', (field) => readInput(reader, field));
  const commands = reader.vector(MOST_COMMANDS, 'commands', (field) => readCommand(reader, field));
  const sender = reader.bytes(ID_BYTES, 'sender');
  const payment = reader.vector(MOST_GAS_OBJECTS, 'gas.payment', (field) => readReference(reader, field));
  const owner = reader.bytes(ID_BYTES, 'gas.owner');
  const price = reader.u64('gas.price');
  const budget = reader.u64('gas.budget');
  const expiration = reader.uleb128('expiration');
  if (expiration > 1) throw notUnderstood(`expiration variant ${expiration} is unknown`, 'expiration');
  const expirationEpoch = expiration === 1 ? reader.u64('expiration') : null;
  return { inputs, commands, sender, gas: { payment, owner, price, budget }, expirationEpoch };
}

function writeReference(writer: BcsWriter, reference: ObjectReference): void {
  writer.bytes(reference.id);
  writer.u64(reference.version);
  writer.byteVector(reference.digest);
}

function writeInput(writer: BcsWriter, input: Input): void {
  if (input.kind === 'pure') {
    writer.uleb128(0);
    writer.byteVector(input.bytes);
    return;
  }
  writer.uleb128(1);
  if (input.kind === 'shared') {
    writer.uleb128(1);
    writer.bytes(input.id);
    writer.u64(input.version);
    writer.bool(input.mutable);
    return;
  }
  writer.uleb128(input.kind === 'owned' ? 0 : 2);
  writeReference(writer, input.reference);
}

function writeArgument(writer: BcsWriter, argument: Argument): void {
  writer.uleb128(['gas', 'input', 'result', 'nested'].indexOf(argument.kind));
  if (argument.kind !== 'gas') writer.u16(argument.index);
  if (argument.kind === 'nested') writer.u16(argument.nested);
}

function writeType(writer: BcsWriter, type: TypeTag): void {
  if (type.kind === 'primitive') {
    writer.uleb128(type.variant);
  } else if (type.kind === 'vector') {
    writer.uleb128(VECTOR_TAG);
    writeType(writer, type.element);
  } else {
    writer.uleb128(STRUCT_TAG);
    writer.bytes(type.address);
    writer.byteVector(utf8Encode(type.module));
    writer.byteVector(utf8Encode(type.name));
    writer.vector(type.parameters, (each) => writeType(writer, each));
  }
}

const COMMAND_KINDS: readonly Command['kind'][] = [
  'move-call',
  'transfer-objects',
  'split-coins',
  'merge-coins',
  'publish',
  'make-move-vector',
  'upgrade',
];

function writeCommand(writer: BcsWriter, command: Command): void {
  const argument = (each: Argument): void => writeArgument(writer, each);
  const code = (modules: readonly Uint8Array[], dependencies: readonly Uint8Array[]): void => {
    writer.vector(modules, (each) => writer.byteVector(each));
    writer.vector(dependencies, (each) => writer.bytes(each));
  };
  writer.uleb128(COMMAND_KINDS.indexOf(command.kind));
  switch (command.kind) {
    case 'move-call':
      writer.bytes(command.package);
      writer.byteVector(utf8Encode(command.module));
      writer.byteVector(utf8Encode(command.function));
      writer.vector(command.typeArguments, (each) => writeType(writer, each));
      writer.vector(command.arguments, argument);
      break;
    case 'transfer-objects':
      writer.vector(command.objects, argument);
      argument(command.address);
      break;
    case 'split-coins':
      argument(command.coin);
      writer.vector(command.amounts, argument);
      break;
    case 'merge-coins':
      argument(command.destination);
      writer.vector(command.sources, argument);
      break;
    case 'publish':
      code(command.modules, command.dependencies);
      break;
    case 'make-move-vector':
      writer.bool(command.type !== null);
      if (command.type !== null) writeType(writer, command.type);
      writer.vector(command.elements, argument);
      break;
    case 'upgrade':
      code(command.modules, command.dependencies);
      writer.bytes(command.package);
      argument(command.ticket);
      break;
  }
}

/** BCS bytes of TransactionData in the only form that `decodeTransaction` accepts. */
export function encodeTransaction(transaction: Transaction): Uint8Array {
  const writer = new BcsWriter();
  writer.uleb128(0);
  writer.uleb128(0);
  writer.vector(transaction.inputs, (each) => writeInput(writer, each));
  writer.vector(transaction.commands, (each) => writeCommand(writer, each));
  writer.bytes(transaction.sender);
  writer.vector(transaction.gas.payment, (each) => writeReference(writer, each));
  writer.bytes(transaction.gas.owner);
  writer.u64(transaction.gas.price);
  writer.u64(transaction.gas.budget);
  writer.uleb128(transaction.expirationEpoch === null ? 0 : 1);
  if (transaction.expirationEpoch !== null) writer.u64(transaction.expirationEpoch);
  return writer.toBytes();
}

/**
 * Strict decoding of BCS TransactionData. Throws ChainError `transaction-malformed`,
 * `transaction-version-unsupported`, or `transaction-not-understood` for a variant without a defined meaning here.
 * Canonical by construction: lengths and variants have their shortest form, texts are ASCII, nothing follows, so that
 * `encodeTransaction` gives the same bytes. The tests hold it to that.
 */
export function decodeTransaction(bytes: Uint8Array): Transaction {
  if (bytes.length > MOST_TRANSACTION_BYTES) throw malformed('more than 128 KiB', 'bytes');
  const reader = new BcsReader(bytes);
  const transaction = readTransaction(reader);
  reader.end();
  checkTransaction(transaction);
  return transaction;
}

/** Type in the notation of Move, for people. */
export function typeText(type: TypeTag): string {
  if (type.kind === 'vector') return `vector<${typeText(type.element)}>`;
  if (type.kind === 'primitive') {
    return ['bool', 'u8', 'u64', 'u128', 'address', 'signer', '', '', 'u16', 'u32', 'u256'][type.variant]!;
  }
  const parameters = type.parameters.map(typeText).join(', ');
  return `${addressText(type.address)}::${type.module}::${type.name}${parameters && `<${parameters}>`}`;
}
