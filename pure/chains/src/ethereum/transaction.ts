import { concatBytes } from '@keystead/crypto/bytes';
import { ChainError } from '../error.ts';
import { bytesToInteger, decodeRlp, encodeRlp, integerToBytes, type RlpItem } from './rlp.ts';

/** EIP-2718 envelope types that are signed here. */
export type EthereumVersion = 'legacy' | 'eip2930' | 'eip1559' | 'eip4844' | 'eip7702';

/** EIP-2930 access list entry: 20 address bytes and 32-byte storage keys. */
export interface AccessListEntry {
  readonly address: Uint8Array;
  readonly storageKeys: readonly Uint8Array[];
}

/** EIP-7702 authorisation as it stands, signed, in a transaction. */
export interface Authorization {
  readonly chainId: bigint;
  readonly address: Uint8Array;
  readonly nonce: bigint;
  readonly yParity: bigint;
  readonly r: bigint;
  readonly s: bigint;
}

/** An unsigned transaction. With one gas price (legacy, EIP-2930) both fee fields hold it. */
export interface EthereumTransaction {
  readonly version: EthereumVersion;
  readonly chainId: bigint;
  readonly nonce: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly maxFeePerGas: bigint;
  readonly gasLimit: bigint;
  /** 20 bytes, or null for contract creation. */
  readonly to: Uint8Array | null;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly accessList: readonly AccessListEntry[];
  readonly authorizationList: readonly Authorization[];
  /** Only with EIP-4844. The blobs themselves are not part of what is signed. */
  readonly blobs?: { readonly maxFeePerBlobGas: bigint; readonly versionedHashes: readonly Uint8Array[] };
}

export const MAX_UINT256 = 2n ** 256n - 1n;
const MAX_CHAIN_ID = 2n ** 53n - 1n;
const MAX_NONCE = 2n ** 64n - 2n;
/** Nodes do not relay more; the bound also keeps hostile input small. */
const MAX_TRANSACTION_BYTES = 131_072;
const MIN_GAS = 21_000n;
const MAX_GAS = 2n ** 63n;
const GAS_PER_BLOB = 131_072n;
/** A transaction carries at most six blobs (EIP-7594). */
const MAX_BLOBS = 6;
/** Half the order of secp256k1: EIP-2 and EIP-7702 refuse a larger s. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const TYPE_BYTE: Readonly<Record<Exclude<EthereumVersion, 'legacy'>, number>> = {
  eip2930: 0x01,
  eip1559: 0x02,
  eip4844: 0x03,
  eip7702: 0x04,
};

/**
 * Decodes an unsigned transaction and refuses every encoding that the encoder below would not produce: RLP is read only
 * in its canonical form, integers only without leading zeros, fields only in their number and length, so that encoding
 * again gives the same bytes by construction. The tests hold it to that. Legacy has the nine fields of EIP-155 with the chain id and two empty slots; the typed ones have no signature slots.
 * @throws ChainError `transaction-malformed`, `transaction-version-unsupported`, `transaction-unsafe`
 */
export function decodeUnsignedTransaction(bytes: Uint8Array): EthereumTransaction {
  const transaction = decode(bytes);
  checkRanges(transaction);
  return transaction;
}

/** The bytes whose Keccak-256 is signed. */
export function encodeUnsignedTransaction(transaction: EthereumTransaction): Uint8Array {
  const fields = [...unsignedFields(transaction)];
  if (transaction.version === 'legacy') {
    fields.push(integerToBytes(transaction.chainId), new Uint8Array(0), new Uint8Array(0));
  }
  return envelope(transaction.version, fields);
}

/** The signed envelope, as it is broadcast. */
export function encodeSignedTransaction(
  transaction: EthereumTransaction,
  signature: { readonly r: bigint; readonly s: bigint; readonly yParity: 0 | 1 },
): Uint8Array {
  const parity = BigInt(signature.yParity);
  const v = transaction.version === 'legacy' ? transaction.chainId * 2n + 35n + parity : parity;
  return envelope(transaction.version, [
    ...unsignedFields(transaction),
    integerToBytes(v),
    integerToBytes(signature.r),
    integerToBytes(signature.s),
  ]);
}

/** EIP-7702 authorisation preimage: `0x05 || rlp([chain_id, address, nonce])`. */
export function encodeAuthorizationPreimage(authorization: UnsignedAuthorization): Uint8Array {
  return concatBytes(
    Uint8Array.of(0x05),
    encodeRlp([
      integerToBytes(authorization.chainId),
      authorization.address,
      integerToBytes(authorization.nonce),
    ]),
  );
}

/** An EIP-7702 authorisation before it is signed. */
export type UnsignedAuthorization = Pick<Authorization, 'chainId' | 'address' | 'nonce'>;

/**
 * Decodes `0x05 || rlp([chain_id, address, nonce])`, which an account signs to let the code at `address` control it.
 * @throws ChainError `transaction-malformed`, `transaction-unsafe` for chain 0, which means every chain
 */
export function decodeAuthorizationPreimage(bytes: Uint8Array): UnsignedAuthorization {
  const fields = list(decodeRlp(bytes.subarray(1)), 'authorization');
  if (fields.length === 6) throw alreadySigned();
  if (fields.length !== 3) throw malformed('an authorisation to be signed has three fields');
  const authorization = {
    chainId: integer(fields[0], 'chainId'),
    address: fixed(fields[1], 20, 'address'),
    nonce: integer(fields[2], 'nonce'),
  };
  if (authorization.chainId === 0n) {
    throw new ChainError(
      'transaction-unsafe',
      'an authorisation for chain 0 is valid on every chain',
      'chainId',
    );
  }
  if (authorization.chainId > MAX_CHAIN_ID) throw malformed('the chain id is out of range', 'chainId');
  if (authorization.nonce > MAX_NONCE) throw malformed('the nonce is out of range', 'nonce');
  return authorization;
}

/** The signed tuple as it stands in the list of a transaction. */
export function encodeSignedAuthorization(
  authorization: UnsignedAuthorization,
  signature: { readonly r: bigint; readonly s: bigint; readonly yParity: 0 | 1 },
): Uint8Array {
  return encodeRlp([
    integerToBytes(authorization.chainId),
    authorization.address,
    integerToBytes(authorization.nonce),
    integerToBytes(BigInt(signature.yParity)),
    integerToBytes(signature.r),
    integerToBytes(signature.s),
  ]);
}

/** Field rules that hold for every unsigned transaction, decoded or built. */
export function checkRanges(transaction: EthereumTransaction): void {
  const { chainId, nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas, value } = transaction;
  if (chainId < 1n) {
    throw new ChainError(
      'transaction-unsafe',
      'a transaction without a chain id is valid on every chain',
      'chainId',
    );
  }
  if (chainId > MAX_CHAIN_ID) throw malformed('the chain id is out of range', 'chainId');
  if (nonce > MAX_NONCE) throw malformed('the nonce is out of range', 'nonce');
  if (gasLimit < MIN_GAS || gasLimit > MAX_GAS) throw malformed('the gas limit is out of range', 'gasLimit');
  if (value > MAX_UINT256) throw malformed('the value is out of range', 'value');
  if (maxFeePerGas > MAX_UINT256) throw malformed('the gas price is out of range', 'maxFeePerGas');
  if (maxPriorityFeePerGas > maxFeePerGas) {
    throw malformed('the priority fee is above the maximum fee', 'maxPriorityFeePerGas');
  }
  if (maxFee(transaction) + value > MAX_UINT256) throw malformed('fee and value exceed 256 bits', 'gasLimit');
  if (transaction.version === 'eip4844') checkBlobs(transaction);
  if (transaction.version !== 'eip7702') return;
  if (transaction.to === null) throw malformed('an EIP-7702 transaction has a destination', 'to');
  if (transaction.authorizationList.length === 0)
    throw malformed('the authorisation list is empty', 'authorizationList');
  for (const [index, authorization] of transaction.authorizationList.entries()) {
    const field = `authorizationList[${index}]`;
    if (authorization.chainId === 0n) {
      throw new ChainError(
        'transaction-unsafe',
        'an authorisation for chain 0 is valid on every chain',
        `${field}.chainId`,
      );
    }
    if (authorization.chainId !== chainId) {
      throw new ChainError('transaction-unsafe', 'an authorisation names another chain', `${field}.chainId`);
    }
    if (authorization.nonce > MAX_NONCE) throw malformed('the nonce is out of range', `${field}.nonce`);
    if (authorization.yParity > 1n) throw malformed('the parity is not 0 or 1', `${field}.yParity`);
    if (authorization.r === 0n || authorization.r >= ORDER)
      throw malformed('r is out of range', `${field}.r`);
    if (authorization.s === 0n || authorization.s > HALF_ORDER)
      throw malformed('s is out of range', `${field}.s`);
  }
}

/** The most that inclusion costs: gas at the highest price, and blob gas at its own. */
export function maxFee({ gasLimit, maxFeePerGas, blobs }: EthereumTransaction): bigint {
  const blobGas = BigInt(blobs?.versionedHashes.length ?? 0) * GAS_PER_BLOB;
  return gasLimit * maxFeePerGas + blobGas * (blobs?.maxFeePerBlobGas ?? 0n);
}

function checkBlobs({ to, blobs }: EthereumTransaction): void {
  if (to === null) throw malformed('a blob transaction has a destination', 'to');
  const hashes = blobs?.versionedHashes ?? [];
  if (hashes.length === 0 || hashes.length > MAX_BLOBS) {
    throw malformed(`a blob transaction has 1 to ${MAX_BLOBS} blobs`, 'blobVersionedHashes');
  }
  if (blobs!.maxFeePerBlobGas > MAX_UINT256) throw malformed('the blob gas price is out of range');
  if (hashes.some((hash) => hash[0] !== 0x01)) {
    throw malformed('a blob hash is of an unknown version', 'blobVersionedHashes');
  }
}

function decode(bytes: Uint8Array): EthereumTransaction {
  const first = bytes[0];
  if (first === undefined) throw malformed('the transaction is empty');
  if (bytes.length > MAX_TRANSACTION_BYTES) throw malformed('the transaction exceeds 131,072 bytes');
  if (first >= 0xc0) return decodeLegacy(list(decodeRlp(bytes), 'transaction'));
  if (first >= 0x80) throw malformed('the transaction is neither an RLP list nor a typed envelope');
  if (first < 0x01 || first > 0x04) {
    throw new ChainError(
      'transaction-version-unsupported',
      `transaction type ${first} is not signed here`,
      'type',
    );
  }
  const fields = list(decodeRlp(bytes.subarray(1)), 'transaction');
  if (first === 0x01) return decodeEip2930(fields);
  return decodeDynamicFee(fields, first === 0x02 ? 'eip1559' : first === 0x03 ? 'eip4844' : 'eip7702');
}

function decodeLegacy(fields: readonly RlpItem[]): EthereumTransaction {
  if (fields.length === 6) {
    throw new ChainError(
      'transaction-unsafe',
      'a legacy transaction without a chain id is valid on every chain',
      'chainId',
    );
  }
  if (fields.length !== 9) throw malformed('a legacy transaction has nine fields');
  const chainId = integer(fields[6], 'chainId');
  if (string(fields[7], 'r').length > 0 || string(fields[8], 's').length > 0) throw alreadySigned();
  const gasPrice = integer(fields[1], 'gasPrice');
  return {
    version: 'legacy',
    chainId,
    nonce: integer(fields[0], 'nonce'),
    maxPriorityFeePerGas: gasPrice,
    maxFeePerGas: gasPrice,
    gasLimit: integer(fields[2], 'gasLimit'),
    to: destination(fields[3]),
    value: integer(fields[4], 'value'),
    data: string(fields[5], 'data'),
    accessList: [],
    authorizationList: [],
  };
}

function decodeEip2930(fields: readonly RlpItem[]): EthereumTransaction {
  requireLength(fields, 8);
  const gasPrice = integer(fields[2], 'gasPrice');
  return {
    version: 'eip2930',
    chainId: integer(fields[0], 'chainId'),
    nonce: integer(fields[1], 'nonce'),
    maxPriorityFeePerGas: gasPrice,
    maxFeePerGas: gasPrice,
    gasLimit: integer(fields[3], 'gasLimit'),
    to: destination(fields[4]),
    value: integer(fields[5], 'value'),
    data: string(fields[6], 'data'),
    accessList: accessList(fields[7]),
    authorizationList: [],
  };
}

function decodeDynamicFee(
  fields: readonly RlpItem[],
  version: 'eip1559' | 'eip4844' | 'eip7702',
): EthereumTransaction {
  requireLength(fields, version === 'eip1559' ? 9 : version === 'eip4844' ? 11 : 10);
  return {
    version,
    chainId: integer(fields[0], 'chainId'),
    nonce: integer(fields[1], 'nonce'),
    maxPriorityFeePerGas: integer(fields[2], 'maxPriorityFeePerGas'),
    maxFeePerGas: integer(fields[3], 'maxFeePerGas'),
    gasLimit: integer(fields[4], 'gasLimit'),
    to: destination(fields[5]),
    value: integer(fields[6], 'value'),
    data: string(fields[7], 'data'),
    accessList: accessList(fields[8]),
    authorizationList: version === 'eip7702' ? authorizationList(fields[9]) : [],
    ...(version === 'eip4844' ? { blobs: blobsOf(fields) } : {}),
  };
}

function blobsOf(fields: readonly RlpItem[]): EthereumTransaction['blobs'] {
  return {
    maxFeePerBlobGas: integer(fields[9], 'maxFeePerBlobGas'),
    versionedHashes: list(fields[10], 'blobVersionedHashes').map((hash) =>
      fixed(hash, 32, 'blobVersionedHashes'),
    ),
  };
}

function unsignedFields(transaction: EthereumTransaction): readonly RlpItem[] {
  const nonce = integerToBytes(transaction.nonce);
  const maxFee = integerToBytes(transaction.maxFeePerGas);
  const call = [
    integerToBytes(transaction.gasLimit),
    transaction.to ?? new Uint8Array(0),
    integerToBytes(transaction.value),
    transaction.data,
  ];
  if (transaction.version === 'legacy') return [nonce, maxFee, ...call];
  const chainId = integerToBytes(transaction.chainId);
  const access = transaction.accessList.map((entry) => [entry.address, entry.storageKeys]);
  if (transaction.version === 'eip2930') return [chainId, nonce, maxFee, ...call, access];
  const fields = [chainId, nonce, integerToBytes(transaction.maxPriorityFeePerGas), maxFee, ...call, access];
  if (transaction.version === 'eip1559') return fields;
  if (transaction.version === 'eip4844') {
    const { maxFeePerBlobGas = 0n, versionedHashes = [] } = transaction.blobs ?? {};
    return [...fields, integerToBytes(maxFeePerBlobGas), versionedHashes];
  }
  const authorizations = transaction.authorizationList.map((entry) => [
    integerToBytes(entry.chainId),
    entry.address,
    integerToBytes(entry.nonce),
    integerToBytes(entry.yParity),
    integerToBytes(entry.r),
    integerToBytes(entry.s),
  ]);
  return [...fields, authorizations];
}

function envelope(version: EthereumVersion, fields: readonly RlpItem[]): Uint8Array {
  const encoded = encodeRlp(fields);
  return version === 'legacy' ? encoded : concatBytes(Uint8Array.of(TYPE_BYTE[version]), encoded);
}

function accessList(item: RlpItem | undefined): readonly AccessListEntry[] {
  return list(item, 'accessList').map((entry, index) => {
    const field = `accessList[${index}]`;
    const pair = list(entry, field);
    if (pair.length !== 2) throw malformed('an access list entry is an address and its keys', field);
    return {
      address: fixed(pair[0], 20, `${field}.address`),
      storageKeys: list(pair[1], `${field}.storageKeys`).map((key) => fixed(key, 32, `${field}.storageKeys`)),
    };
  });
}

function authorizationList(item: RlpItem | undefined): readonly Authorization[] {
  return list(item, 'authorizationList').map((entry, index) => {
    const field = `authorizationList[${index}]`;
    const fields = list(entry, field);
    if (fields.length !== 6) throw malformed('an authorisation has six fields', field);
    return {
      chainId: integer(fields[0], `${field}.chainId`),
      address: fixed(fields[1], 20, `${field}.address`),
      nonce: integer(fields[2], `${field}.nonce`),
      yParity: integer(fields[3], `${field}.yParity`),
      r: integer(fields[4], `${field}.r`),
      s: integer(fields[5], `${field}.s`),
    };
  });
}

function requireLength(fields: readonly RlpItem[], length: number): void {
  if (fields.length === length + 3) throw alreadySigned();
  if (fields.length !== length)
    throw malformed(`the transaction has ${fields.length} fields instead of ${length}`);
}

function list(item: RlpItem | undefined, field: string): readonly RlpItem[] {
  if (item === undefined || item instanceof Uint8Array) throw malformed('a list is expected', field);
  return item;
}

function string(item: RlpItem | undefined, field: string): Uint8Array {
  if (!(item instanceof Uint8Array)) throw malformed('a byte string is expected', field);
  return item;
}

function fixed(item: RlpItem | undefined, length: number, field: string): Uint8Array {
  const bytes = string(item, field);
  if (bytes.length !== length) throw malformed(`${length} bytes are expected`, field);
  return bytes;
}

function integer(item: RlpItem | undefined, field: string): bigint {
  const bytes = string(item, field);
  if (bytes[0] === 0) throw malformed('an integer has a leading zero', field);
  if (bytes.length > 32) throw malformed('an integer exceeds 256 bits', field);
  return bytesToInteger(bytes);
}

function destination(item: RlpItem | undefined): Uint8Array | null {
  const bytes = string(item, 'to');
  if (bytes.length === 0) return null;
  if (bytes.length !== 20) throw malformed('a destination has 20 bytes', 'to');
  return bytes;
}

function alreadySigned(): ChainError {
  return new ChainError(
    'transaction-already-signed',
    'only an unsigned transaction is accepted',
    'signature',
  );
}

function malformed(detail: string, field?: string): ChainError {
  return new ChainError('transaction-malformed', detail, field);
}
