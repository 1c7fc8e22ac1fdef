import {
  array,
  integer,
  type Json,
  json,
  object,
  oneOf,
  record,
  type Schema,
  string,
  transform,
} from '../schema.ts';

/** EIP-712 domain; `chainId` in decimal. */
export interface TypedDataDomain {
  readonly name?: string;
  readonly version?: string;
  readonly chainId?: string;
  readonly verifyingContract?: string;
  readonly salt?: string;
}

/** EIP-712 typed data as JSON; encoding and hashing belong to the chain. */
export interface TypedData {
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: string;
  readonly domain: TypedDataDomain;
  readonly message: Readonly<Record<string, Json>>;
}

const identifier = string({
  min: 1,
  max: 128,
  pattern: /^[A-Za-z_$][A-Za-z0-9_$]*$/,
  description: 'an identifier',
});
const typeName = string({
  min: 1,
  max: 160,
  pattern: /^[A-Za-z_$][A-Za-z0-9_$]*(?:\[[0-9]*\])*$/,
  description: 'a type name',
});

const chainId: Schema<string> = oneOf(
  transform(integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), String),
  transform(
    string({
      min: 1,
      max: 78,
      pattern: /^(?:0|[1-9][0-9]*|0x(?:0|[1-9a-fA-F][0-9a-fA-F]*))$/,
      description: 'a chain id in decimal or 0x-hexadecimal',
    }),
    (value) => BigInt(value).toString(),
  ),
);

const domain: Schema<TypedDataDomain> = object({
  optional: {
    name: string({ max: 256 }),
    version: string({ max: 64 }),
    chainId,
    verifyingContract: string({ max: 42, pattern: /^0x[0-9a-fA-F]{40}$/, description: 'an address' }),
    salt: string({ max: 66, pattern: /^0x[0-9a-fA-F]{64}$/, description: '32 bytes in 0x-hexadecimal' }),
  },
});

/** Typed data; unknown members are refused, so that nothing is signed that was not looked at. */
export const typedData: Schema<TypedData> = object({
  required: {
    types: record(array(object({ required: { name: identifier, type: typeName } }), { max: 128 }), {
      maxKeys: 64,
      key: identifier,
    }),
    primaryType: identifier,
    domain,
    message: record(json(), { maxKeys: 256, key: identifier }),
  },
});
