import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import type { ParseContext } from '../chain.ts';
import type { Effects } from '../effects.ts';
import { ChainError } from '../error.ts';
import { StepBudget } from '../step-budget.ts';
import { integerWord, padLeft, padRight } from './abi.ts';
import { parseAddress } from './address.ts';
import { typedDataEffects } from './typed-data-effects.ts';

/** One member of a struct type. */
export interface TypedDataField {
  readonly name: string;
  readonly type: string;
}

/** EIP-712 typed data as wallets receive it. `EIP712Domain` may be absent from `types`; it then follows from `domain`. */
export interface TypedData {
  readonly types: Readonly<Record<string, readonly TypedDataField[]>>;
  readonly primaryType: string;
  readonly domain: Readonly<Record<string, unknown>>;
  readonly message: Readonly<Record<string, unknown>>;
}

export interface HashedTypedData {
  /** 32 bytes: Keccak-256 of `0x1901 || domainSeparator || hashStruct(message)`. */
  readonly digest: Uint8Array;
  readonly domainSeparator: Uint8Array;
  readonly effects: Effects;
}

/** Field order and types of EIP-712; a domain uses a subset in this order. */
const DOMAIN_FIELDS: readonly TypedDataField[] = [
  { name: 'name', type: 'string' },
  { name: 'version', type: 'string' },
  { name: 'chainId', type: 'uint256' },
  { name: 'verifyingContract', type: 'address' },
  { name: 'salt', type: 'bytes32' },
];
const DOMAIN_TYPE = 'EIP712Domain';
const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
/** Hyperliquid separates words of its type names with a colon; it ends nothing in `encodeType`. */
const TYPE_NAME = /^[A-Za-z_$][A-Za-z0-9_$:]*$/;
const INTEGER = /^(u?)int([1-9][0-9]{0,2})$/;
const FIXED_BYTES = /^bytes([1-9]|[12][0-9]|3[0-2])$/;
const ARRAY = /^(.*)\[([1-9][0-9]{0,8})?\]$/;
const RESERVED = /^(u?int[0-9]*|bytes[0-9]*|address|bool|string|u?fixed[0-9x]*|function)$/;
const MAX_TYPES = 64;
const MAX_TYPE_LENGTH = 256;

type StructTypes = ReadonlyMap<string, readonly TypedDataField[]>;

/** Struct types with their type hashes, each computed once. */
interface Encoder {
  readonly structs: StructTypes;
  readonly steps: StepBudget;
  readonly typeHashes: Map<string, Uint8Array>;
}

const MOST_STEPS = 60_000;
/** A struct is hashed, and so is a text for every 16 bytes. */
const STEPS_PER_HASH = 12;

/**
 * EIP-712 digest and effects of typed data. Everything that is in the input is part of the digest, or the input is
 * refused: types that the primary type does not reach, message keys without a field, domain keys without a field.
 * @param signer address of the account that is asked to sign, when known
 * @throws ChainError `typed-data-malformed`, `transaction-too-complex`
 */
export function hashTypedData(
  typedData: TypedData,
  signer?: string,
  context: ParseContext = {},
): HashedTypedData {
  const steps = context.steps ?? new StepBudget(MOST_STEPS);
  const { primaryType, domain, message } = checkShape(typedData);
  const types = readTypes(typedData.types);
  const structs = new Map(types);
  structs.delete(DOMAIN_TYPE);
  if (!structs.has(primaryType)) throw malformed('the primary type is not defined', 'primaryType');
  const reachable = dependencies(primaryType, structs);
  for (const name of structs.keys()) {
    if (!reachable.has(name))
      throw malformed('a type is not reachable from the primary type', `types.${name}`);
  }
  const domainFields = readDomainFields(types.get(DOMAIN_TYPE), domain);
  const domainSeparator = hashStruct(
    DOMAIN_TYPE,
    domain,
    encoder(new Map([[DOMAIN_TYPE, domainFields]]), steps),
    'domain',
  );
  const structHash = hashStruct(primaryType, message, encoder(structs, steps), 'message');
  const digest = keccak256(concatBytes(Uint8Array.of(0x19, 0x01), domainSeparator, structHash));
  const effects = typedDataEffects({
    primaryType,
    typeText: encodeType(primaryType, structs),
    domain,
    message,
    signer,
    steps,
    context,
  });
  return { digest, domainSeparator, effects };
}

/** `encodeType` of EIP-712: the primary type first, then the types it reaches, by name. */
export function encodeType(primaryType: string, structs: StructTypes): string {
  const others = [...dependencies(primaryType, structs)].filter((name) => name !== primaryType).sort();
  return [primaryType, ...others]
    .map(
      (name) =>
        `${name}(${structs
          .get(name)!
          .map((field) => `${field.type} ${field.name}`)
          .join(',')})`,
    )
    .join('');
}

/** An integer of typed data: safe number, decimal text or 0x text. */
export function readInteger(value: unknown, field: string): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'string' && value.length <= 80) {
    if (/^(0|-?[1-9][0-9]*|0x[0-9a-fA-F]{1,64})$/.test(value)) return BigInt(value);
  }
  throw malformed('an integer is a safe number, decimal text or 0x text', field);
}

function checkShape(typedData: TypedData): TypedData {
  if (!isRecord(typedData)) throw malformed('an object is expected');
  for (const key of Object.keys(typedData)) {
    if (!['types', 'primaryType', 'domain', 'message'].includes(key)) throw malformed('an unknown key', key);
  }
  for (const key of ['types', 'domain', 'message'] as const) {
    if (!isRecord(typedData[key])) throw malformed('an object is expected', key);
  }
  if (typeof typedData.primaryType !== 'string') throw malformed('text is expected', 'primaryType');
  return typedData;
}

function readTypes(input: TypedData['types']): StructTypes {
  const entries = Object.entries(input);
  if (entries.length > MAX_TYPES) throw malformed('too many types', 'types');
  const types = new Map<string, readonly TypedDataField[]>();
  for (const [name, fields] of entries) {
    const path = `types.${name}`;
    if (!TYPE_NAME.test(name) || RESERVED.test(name) || name.length > MAX_TYPE_LENGTH) {
      throw malformed('not a name of a struct type', path);
    }
    if (!Array.isArray(fields) || fields.length > MAX_TYPES)
      throw malformed('a list of fields is expected', path);
    const seen = new Set<string>();
    for (const field of fields as readonly unknown[]) {
      if (!isRecord(field) || Object.keys(field).length !== 2)
        throw malformed('a field is a name and a type', path);
      const { name: fieldName, type } = field;
      if (typeof fieldName !== 'string' || !IDENTIFIER.test(fieldName))
        throw malformed('not a field name', path);
      if (typeof type !== 'string' || type.length > MAX_TYPE_LENGTH)
        throw malformed('not a type', `${path}.${fieldName}`);
      if (seen.has(fieldName)) throw malformed('a field name occurs twice', `${path}.${fieldName}`);
      seen.add(fieldName);
    }
    types.set(name, fields);
  }
  for (const [name, fields] of types) {
    for (const field of fields) {
      const base = baseType(field.type);
      if (!isAtomic(base) && (!types.has(base) || base === DOMAIN_TYPE)) {
        throw malformed('a type is not defined', `types.${name}.${field.name}`);
      }
    }
  }
  return types;
}

function readDomainFields(
  declared: readonly TypedDataField[] | undefined,
  domain: Readonly<Record<string, unknown>>,
): readonly TypedDataField[] {
  const fields = declared ?? DOMAIN_FIELDS.filter((field) => Object.hasOwn(domain, field.name));
  let next = 0;
  for (const field of fields) {
    const index = DOMAIN_FIELDS.findIndex((known) => known.name === field.name && known.type === field.type);
    if (index < next)
      throw malformed('the domain type is not that of EIP-712', `types.${DOMAIN_TYPE}.${field.name}`);
    next = index + 1;
  }
  if (fields.length === 0) throw malformed('an empty domain separates nothing', 'domain');
  return fields;
}

/** All struct types that `name` uses, itself included. A type that contains itself has no finite meaning here. */
function dependencies(name: string, structs: StructTypes): ReadonlySet<string> {
  const found = new Set<string>();
  const open = new Set<string>();
  const visit = (type: string): void => {
    if (open.has(type)) throw malformed('a type contains itself', `types.${type}`);
    if (found.has(type)) return;
    found.add(type);
    open.add(type);
    for (const field of structs.get(type) ?? []) {
      const base = baseType(field.type);
      if (structs.has(base)) visit(base);
    }
    open.delete(type);
  };
  visit(name);
  return found;
}

function encoder(structs: StructTypes, steps: StepBudget): Encoder {
  return { structs, steps, typeHashes: new Map() };
}

function typeHash(type: string, { structs, typeHashes }: Encoder): Uint8Array {
  let hash = typeHashes.get(type);
  if (hash === undefined) typeHashes.set(type, (hash = keccak256(utf8Encode(encodeType(type, structs)))));
  return hash;
}

function hashStruct(type: string, value: unknown, context: Encoder, path: string): Uint8Array {
  if (!isRecord(value)) throw malformed('an object is expected', path);
  const fields = context.structs.get(type)!;
  context.steps.spend(STEPS_PER_HASH + fields.length, path);
  for (const key of Object.keys(value)) {
    if (!fields.some((field) => field.name === key))
      throw malformed('a key without a field in its type', `${path}.${key}`);
  }
  const words = fields.map((field) => {
    const fieldPath = `${path}.${field.name}`;
    if (!Object.hasOwn(value, field.name)) throw malformed('a field is missing', fieldPath);
    return encodeField(field.type, value[field.name], context, fieldPath);
  });
  return keccak256(concatBytes(typeHash(type, context), ...words));
}

function encodeField(type: string, value: unknown, context: Encoder, path: string): Uint8Array {
  const size = typeof value === 'string' ? value.length : Array.isArray(value) ? value.length * 16 : 0;
  context.steps.spend(1 + (size >> 4), path);
  const array = ARRAY.exec(type);
  if (array !== null) {
    context.steps.spend(STEPS_PER_HASH, path);
    if (!Array.isArray(value)) throw malformed('a list is expected', path);
    if (array[2] !== undefined && value.length !== Number(array[2]))
      throw malformed('a list has the wrong length', path);
    const items = (value as readonly unknown[]).map((item, index) =>
      encodeField(array[1]!, item, context, `${path}[${index}]`),
    );
    return keccak256(joinWords(items));
  }
  if (context.structs.has(type)) return hashStruct(type, value, context, path);
  return encodeAtomic(type, value, path);
}

function encodeAtomic(type: string, value: unknown, path: string): Uint8Array {
  if (type === 'string') {
    if (typeof value !== 'string' || !value.isWellFormed())
      throw malformed('well-formed text is expected', path);
    return keccak256(utf8Encode(value));
  }
  if (type === 'bytes') return keccak256(readBytes(value, path));
  if (type === 'bool') {
    if (typeof value !== 'boolean') throw malformed('true or false is expected', path);
    return integerWord(value ? 1n : 0n);
  }
  if (type === 'address') return padLeft(readAddress(value, path));
  const fixed = FIXED_BYTES.exec(type);
  if (fixed !== null) {
    const bytes = readBytes(value, path);
    if (bytes.length !== Number(fixed[1])) throw malformed(`${fixed[1]} bytes are expected`, path);
    return padRight(bytes);
  }
  const [, unsigned, bitText] = INTEGER.exec(type)!;
  const bits = BigInt(bitText!);
  const integer = readInteger(value, path);
  const [low, high] =
    unsigned === 'u' ? [0n, 2n ** bits - 1n] : [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
  if (integer < low || integer > high) throw malformed(`an integer is out of range of ${type}`, path);
  return integerWord(BigInt.asUintN(256, integer));
}

function isAtomic(type: string): boolean {
  if (type === 'string' || type === 'bytes' || type === 'bool' || type === 'address') return true;
  if (FIXED_BYTES.test(type)) return true;
  const bits = Number(INTEGER.exec(type)?.[2] ?? 0);
  return bits >= 8 && bits <= 256 && bits % 8 === 0;
}

function baseType(type: string): string {
  let base = type;
  for (let array = ARRAY.exec(base); array !== null; array = ARRAY.exec(base)) base = array[1]!;
  return base;
}

function readAddress(value: unknown, path: string): Uint8Array {
  try {
    return parseAddress(value as string, path);
  } catch (cause) {
    throw malformed((cause as Error).message, path);
  }
}

function readBytes(value: unknown, path: string): Uint8Array {
  if (typeof value !== 'string' || !/^0x([0-9a-fA-F]{2})*$/.test(value))
    throw malformed('0x and whole bytes are expected', path);
  return hexDecode(value.slice(2));
}

/** Joins one word per item without a call of as many arguments. */
function joinWords(words: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(words.length * 32);
  for (const [index, word] of words.entries()) out.set(word, index * 32);
  return out;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(detail: string, field?: string): ChainError {
  return new ChainError('typed-data-malformed', detail, field);
}
