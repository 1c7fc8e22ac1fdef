import { encodeUnsignedTransaction, type EthereumVersion } from '@keystead/chains/ethereum/transaction';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { type AccountOptions, oneAccount } from './account.ts';
import type { Client } from './client.ts';
import { KmsError } from './errors.ts';
import type { TypedData } from './native-calls.ts';

export type Hex = `0x${string}`;

/** Fits the custom account source of viem: `toAccount(await toViemAccount(…))` is a local account. */
export interface ViemAccount {
  readonly address: Hex;
  signMessage(parameters: { readonly message: string | { readonly raw: Hex | Uint8Array } }): Promise<Hex>;
  /** The signed, serialized transaction. A `serializer` of the chain is asked for the bytes to be signed. */
  signTransaction(transaction: object, options?: { readonly serializer?: unknown }): Promise<Hex>;
  signTypedData(parameters: object): Promise<Hex>;
}

/**
 * An account of viem whose key stays with the KMS. Signatures are verified before they are returned.
 * Throws KmsError as `client.call`.
 */
export async function toViemAccount(client: Client, options: AccountOptions): Promise<ViemAccount> {
  const account = await oneAccount(client, options, 'Ethereum');
  const address = account.address as Hex;
  const own = <T extends { readonly address: string }>(signed: T): T => {
    if (signed.address !== address)
      throw new KmsError('answer-unverified', { detail: 'The signature is of another account.' });
    return signed;
  };
  return {
    address,
    async signMessage({ message }) {
      const bytes =
        typeof message === 'string'
          ? utf8Encode(message)
          : typeof message.raw === 'string'
            ? fromHex(message.raw, 'message.raw')
            : message.raw;
      const params = { ...options, message: base64urlEncode(bytes) };
      return toHex(own(await client.call('ethereumSignMessage', params)).signature);
    },
    async signTransaction(transaction, { serializer } = {}) {
      const unsigned =
        typeof serializer === 'function'
          ? fromHex(await serializer(transaction), 'serializer')
          : encodeTransaction(transaction as ViemTransaction);
      const params = { ...options, chain: 'ethereum', transaction: base64urlEncode(unsigned) } as const;
      return toHex(own(await client.call('signTransaction', params)).transaction);
    },
    async signTypedData(parameters) {
      const { types, primaryType, domain = {}, message } = parameters as Partial<TypedData>;
      const typedData = asJson({ types, primaryType, domain, message }) as unknown as TypedData;
      return toHex(own(await client.call('ethereumSignTypedData', { ...options, typedData })).signature);
    },
  };
}

type Quantity = bigint | number;

/** The members of viem's transactions that go into the bytes. */
interface ViemTransaction {
  readonly type?: string;
  readonly chainId?: number;
  readonly nonce?: number;
  readonly gas?: Quantity;
  readonly gasPrice?: Quantity;
  readonly maxFeePerGas?: Quantity;
  readonly maxPriorityFeePerGas?: Quantity;
  readonly to?: Hex | null;
  readonly value?: Quantity;
  readonly data?: Hex;
  readonly accessList?: readonly { readonly address: Hex; readonly storageKeys: readonly Hex[] }[];
  readonly authorizationList?: readonly {
    readonly chainId: number;
    readonly address?: Hex;
    readonly contractAddress?: Hex;
    readonly nonce: number;
    readonly yParity?: number;
    readonly v?: bigint;
    readonly r: Hex;
    readonly s: Hex;
  }[];
  readonly blobs?: unknown;
  readonly blobVersionedHashes?: unknown;
}

function encodeTransaction(given: ViemTransaction): Uint8Array {
  const version = versionOf(given);
  const { chainId, gasPrice, maxFeePerGas, maxPriorityFeePerGas } = given;
  if (chainId === undefined)
    throw new KmsError('transaction-unsafe', {
      field: 'chainId',
      detail: 'A transaction without a chain id is valid on every chain.',
    });
  const oneFee = version === 'legacy' || version === 'eip2930';
  const fee = oneFee ? gasPrice : maxFeePerGas;
  try {
    return encodeUnsignedTransaction({
      version,
      chainId: BigInt(chainId),
      nonce: BigInt(given.nonce ?? 0),
      maxFeePerGas: BigInt(fee ?? 0),
      maxPriorityFeePerGas: BigInt((oneFee ? fee : maxPriorityFeePerGas) ?? 0),
      gasLimit: BigInt(given.gas ?? 0),
      to: given.to == null ? null : fromHex(given.to, 'to'),
      value: BigInt(given.value ?? 0),
      data: given.data === undefined ? new Uint8Array(0) : fromHex(given.data, 'data'),
      accessList: (given.accessList ?? []).map(({ address, storageKeys }) => ({
        address: fromHex(address, 'accessList'),
        storageKeys: storageKeys.map((key) => fromHex(key, 'accessList')),
      })),
      authorizationList: (given.authorizationList ?? []).map((item) => ({
        chainId: BigInt(item.chainId),
        address: fromHex(item.address ?? item.contractAddress ?? '0x', 'authorizationList'),
        nonce: BigInt(item.nonce),
        yParity: BigInt(item.yParity ?? (item.v === undefined || item.v === 27n ? 0 : 1)),
        r: BigInt(item.r),
        s: BigInt(item.s),
      })),
    });
  } catch (cause) {
    if (cause instanceof KmsError) throw cause;
    throw new KmsError('transaction-malformed', { detail: 'The transaction cannot be encoded.', cause });
  }
}

const versions = ['legacy', 'eip2930', 'eip1559', 'eip7702'] as const;

function versionOf(given: ViemTransaction): EthereumVersion {
  const named = given.type;
  const known = versions.find((version) => version === named);
  if (known !== undefined) return known;
  if (named !== undefined || given.blobs !== undefined || given.blobVersionedHashes !== undefined)
    throw new KmsError('transaction-version-unsupported', { field: 'type' });
  if (given.authorizationList !== undefined) return 'eip7702';
  if (given.maxFeePerGas !== undefined || given.maxPriorityFeePerGas !== undefined) return 'eip1559';
  return given.accessList === undefined ? 'legacy' : 'eip2930';
}

/** Typed data in JSON: integers as decimal strings, absent members left out. */
function asJson(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return `0x${hexEncode(value)}`;
  if (Array.isArray(value)) return value.map(asJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [name, asJson(member)]),
  );
}

function fromHex(text: unknown, field: string): Uint8Array {
  if (typeof text === 'string' && /^0x(?:[0-9a-fA-F]{2})*$/.test(text))
    return hexDecode(text.slice(2).toLowerCase());
  throw new KmsError('parameter-invalid', {
    field,
    detail: `${field} is not hexadecimal with the prefix 0x`,
  });
}

const toHex = (base64url: string): Hex => `0x${hexEncode(base64urlDecode(base64url))}`;
