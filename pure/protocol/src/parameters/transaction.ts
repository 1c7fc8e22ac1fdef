import type { AddressFormat } from '@keystead/chains/chain';
import type { ChainName } from '@keystead/chains/effects';
import { encodeUnsignedTransaction } from '@keystead/chains/ethereum/transaction';
import { toKmsError } from '../errors.ts';
import {
  enumeration,
  integer,
  invalid,
  literal,
  nullable,
  oneOf,
  type Schema,
  string,
  transform,
  union,
} from '../schema.ts';
import { members } from '../surface.ts';
import { base64OrBase64url, base64url, prefixedHex } from './bytes.ts';
import type { Derivation } from './derivation.ts';

const maxTransactionBytes = 131_072;

/** The bytes to be parsed and signed. `chain` is null when only the wallet's own address format can tell. */
export interface TransactionBytes {
  readonly chain: ChainName | null;
  readonly bytes: Uint8Array;
}

/** The chain that addresses of a format belong to. */
export const chainOfFormat: Readonly<Record<AddressFormat, ChainName>> = {
  Solana: 'solana',
  Ethereum: 'ethereum',
  BitcoinSegwit: 'bitcoin',
  BitcoinTaproot: 'bitcoin',
  Sui: 'sui',
};

export const chainName: Schema<ChainName> = enumeration(['solana', 'ethereum', 'bitcoin', 'sui'] as const);

/** Native form of the bytes: base64url. */
export const transactionBytes: Schema<Uint8Array> = base64url({ min: 1, max: maxTransactionBytes });

/** A non-negative integer as a safe JSON integer, a decimal string or 0x-hexadecimal. */
const quantity: Schema<bigint> = oneOf(
  transform(integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), BigInt),
  transform(
    string({
      min: 1,
      max: 80,
      pattern: /^(?:0|[1-9][0-9]*|0x(?:0|[1-9a-fA-F][0-9a-fA-F]*))$/,
      description: 'an amount',
    }),
    BigInt,
  ),
);

/** An amount in base units, at most 2^256 - 1. */
export const amount: Schema<bigint> = transform(
  string({ min: 1, max: 78, pattern: /^(?:0|[1-9][0-9]*)$/, description: 'an amount in base units' }),
  (text, path) => {
    const value = BigInt(text);
    if (value >= 1n << 256n) throw invalid(path, 'must be at most 2^256 - 1');
    return value;
  },
);

const eip1559Fields = members('compatibility', {
  required: {
    kind: literal('EIP_1559'),
    chainId: quantity,
    nonce: quantity,
    maxFeePerGas: quantity,
    maxPriorityFeePerGas: quantity,
    gasLimit: quantity,
  },
  optional: {
    to: nullable(prefixedHex({ min: 20, max: 20 })),
    value: quantity,
    data: prefixedHex({ max: maxTransactionBytes }),
  },
});

const eip1559: Schema<TransactionBytes> = transform(eip1559Fields, (value, path) => {
  try {
    const bytes = encodeUnsignedTransaction({
      version: 'eip1559',
      chainId: value.chainId,
      nonce: value.nonce,
      maxFeePerGas: value.maxFeePerGas,
      maxPriorityFeePerGas: value.maxPriorityFeePerGas,
      gasLimit: value.gasLimit,
      to: value.to ?? null,
      value: value.value ?? 0n,
      data: value.data ?? new Uint8Array(0),
      accessList: [],
      authorizationList: [],
    });
    return { chain: 'ethereum', bytes };
  } catch (error) {
    throw toKmsError(error, path);
  }
});

const rlpEncoded: Schema<TransactionBytes> = transform(
  members('compatibility', {
    required: { kind: literal('RLP_ENCODED'), bytes: prefixedHex({ min: 1, max: maxTransactionBytes }) },
  }),
  ({ bytes }) => ({ chain: 'ethereum', bytes }),
);

const psbt: Schema<TransactionBytes> = transform(
  members('compatibility', {
    required: { kind: literal('PSBT'), bytes: base64OrBase64url({ min: 1, max: maxTransactionBytes }) },
  }),
  ({ bytes }) => ({ chain: 'bitcoin', bytes }),
);

/** The compatibility forms: base64url text, RLP_ENCODED, EIP_1559, PSBT. Text leaves `chain` null. */
export const compatibilityTransaction: Schema<TransactionBytes> = oneOf(
  transform(transactionBytes, (bytes): TransactionBytes => ({ chain: null, bytes })),
  union('kind', { RLP_ENCODED: rlpEncoded, EIP_1559: eip1559, PSBT: psbt }),
);

/** Fills in the chain from the account, or refuses a transaction of another chain than the account's. */
export function forAccount(
  transaction: TransactionBytes,
  account: Derivation | null,
  field: string,
): TransactionBytes {
  if (account === null) return transaction;
  const chain = chainOfFormat[account.addressFormat];
  if (transaction.chain !== null && transaction.chain !== chain) {
    throw invalid(field, `is of ${transaction.chain}, the account of ${chain}`);
  }
  return { chain, bytes: transaction.bytes };
}

/** Refuses to send a transaction of one chain to a network of another. */
export function checkNetworkChain(
  chain: ChainName | null,
  networkChain: ChainName | undefined,
  field: string,
): void {
  if (chain !== null && networkChain !== undefined && chain !== networkChain) {
    throw invalid(field, `names a network of ${networkChain}, the transaction is of ${chain}`);
  }
}

/** Bytes of a transaction with a bound; used where a list of integers is another form. */
export const boundedTransaction = { min: 1, max: maxTransactionBytes } as const;
