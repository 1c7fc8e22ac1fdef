import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import { ecdsaRecover } from '@keystead/crypto/secp256k1';
import type { ParseContext, ParsedTransaction, RawSignature, SigningAccount } from '../chain.ts';
import type { Effects } from '../effects.ts';
import { checkEffectsSize } from '../effects-size.ts';
import { ChainError } from '../error.ts';
import { StepBudget } from '../step-budget.ts';
import { accountBytes, checksumAddress, parseAddress } from './address.ts';
import { nativeAsset, network } from './asset.ts';
import { CallReader } from './call-reader.ts';
import { dataFeeMargin } from './chain-parameters.ts';
import { bytesToInteger } from './rlp.ts';
import {
  type Authorization,
  checkRanges,
  decodeAuthorizationPreimage,
  decodeUnsignedTransaction,
  type EthereumTransaction,
  encodeAuthorizationPreimage,
  encodeSignedAuthorization,
  encodeSignedTransaction,
  encodeUnsignedTransaction,
  maxFee,
} from './transaction.ts';

/** Wire form `EIP_1559`. Integers are safe numbers, decimal text or `0x` quantities; `to` null creates a contract. */
export interface Eip1559Fields {
  readonly kind: 'EIP_1559';
  readonly chainId: number | string;
  readonly nonce: number | string;
  readonly maxFeePerGas: number | string;
  readonly maxPriorityFeePerGas: number | string;
  readonly gasLimit: number | string;
  readonly to: string | null;
  readonly value: number | string;
  /** `0x` and an even number of digits. */
  readonly data?: string;
}

const FIELDS = new Set([
  'kind',
  'chainId',
  'nonce',
  'maxFeePerGas',
  'maxPriorityFeePerGas',
  'gasLimit',
  'to',
  'value',
  'data',
]);
const ZERO_ADDRESS = new Uint8Array(20);
const AUTHORIZATION_MAGIC = 0x05;
export const MOST_STEPS = 60_000;
/** Recovering a key from a signature takes as long as a thousand small steps. */
const RECOVERY_STEPS = 3_000;

/**
 * Strict parse of an unsigned serialised transaction: legacy with chain id (EIP-155), EIP-2930, EIP-1559, EIP-4844,
 * EIP-7702; or of the preimage of an EIP-7702 authorisation.
 * @throws ChainError `transaction-malformed`, `transaction-version-unsupported`, `transaction-unsafe`,
 *   `transaction-already-signed`, `transaction-not-ours`, `transaction-too-complex`
 */
export function parseTransaction(
  bytes: Uint8Array,
  account: SigningAccount,
  context: ParseContext = {},
): ParsedTransaction {
  const own = ownAddress(account);
  const steps = context.steps ?? new StepBudget(MOST_STEPS);
  // Reading RLP takes no more steps than there are bytes, and less than that for long strings.
  steps.spend(1 + (bytes.length >> 2));
  if (bytes[0] === AUTHORIZATION_MAGIC) return parseAuthorization(bytes, own);
  const transaction = decodeUnsignedTransaction(bytes);
  return {
    chain: 'ethereum',
    effects: checkEffectsSize(transactionEffects(transaction, own, bytes.length, steps, context)),
    signingInputs: [{ algorithm: 'ecdsa', bytes: keccak256(bytes) }],
    assemble: (signatures) => assemble(transaction, signatures),
  };
}

/** The signed tuple is what comes of it; it takes effect when anybody puts it into a transaction. */
function parseAuthorization(bytes: Uint8Array, own: string): ParsedTransaction {
  const authorization = decodeAuthorizationPreimage(bytes);
  const networkId = network(authorization.chainId);
  const delegate = checksumAddress(authorization.address);
  const revokes = equalBytes(authorization.address, ZERO_ADDRESS);
  return {
    chain: 'ethereum',
    effects: {
      chain: 'ethereum',
      network: networkId,
      version: 'eip7702-authorization',
      signers: [own],
      feePayer: null,
      maxFee: { asset: nativeAsset(networkId), amount: 0n },
      outflows: [],
      grants: [],
      takeovers: revokes ? [] : [{ kind: 'eip7702-delegation', account: own, by: delegate }],
      validity: {
        uniqueness: 'nonce',
        key: String(authorization.nonce),
        notBefore: null,
        notAfter: null,
      },
      unresolved: [],
      calls: [
        {
          target: own,
          name: revokes ? 'eip7702.revoke' : 'eip7702.delegate',
          arguments: { delegate, nonce: String(authorization.nonce) },
        },
      ],
    },
    signingInputs: [{ algorithm: 'ecdsa', bytes: keccak256(bytes) }],
    assemble: (signatures) => {
      const { signature, parts } = signatureParts(signatures);
      return {
        transaction: encodeSignedAuthorization(authorization, parts),
        signature: signatureBytes(signature),
        id: () => null,
      };
    },
  };
}

/**
 * Unsigned EIP-1559 bytes of the JSON wire form. Unknown keys and non-canonical numbers are refused.
 * @throws ChainError `transaction-malformed`, `transaction-unsafe`, `address-malformed`
 */
export function buildTransaction1559(fields: Eip1559Fields): Uint8Array {
  if (typeof fields !== 'object' || fields === null || fields.kind !== 'EIP_1559') {
    throw malformed('the kind is not EIP_1559', 'kind');
  }
  for (const key of Object.keys(fields)) if (!FIELDS.has(key)) throw malformed('an unknown field', key);
  const { to, data = '0x' } = fields;
  if (typeof data !== 'string' || !/^0x([0-9a-fA-F]{2})*$/.test(data))
    throw malformed('0x and whole bytes are expected', 'data');
  const transaction: EthereumTransaction = {
    version: 'eip1559',
    chainId: quantity(fields.chainId, 'chainId'),
    nonce: quantity(fields.nonce, 'nonce'),
    maxPriorityFeePerGas: quantity(fields.maxPriorityFeePerGas, 'maxPriorityFeePerGas'),
    maxFeePerGas: quantity(fields.maxFeePerGas, 'maxFeePerGas'),
    gasLimit: quantity(fields.gasLimit, 'gasLimit'),
    to: to === null ? null : parseAddress(to, 'to'),
    value: quantity(fields.value, 'value'),
    data: hexDecode(data.slice(2)),
    accessList: [],
    authorizationList: [],
  };
  checkRanges(transaction);
  return encodeUnsignedTransaction(transaction);
}

/** The address of the account's key; refuses a record whose address text says something else. */
export function ownAddress(account: SigningAccount): string {
  if (account.addressFormat !== 'Ethereum') {
    throw new ChainError(
      'address-format-unsupported',
      `Ethereum has no address format ${account.addressFormat}`,
      'addressFormat',
    );
  }
  const own = accountBytes(account.publicKey);
  if (!equalBytes(parseAddress(account.address, 'account.address'), own)) {
    throw new ChainError('transaction-not-ours', 'the address is not that of the key', 'account.address');
  }
  return checksumAddress(own);
}

function transactionEffects(
  transaction: EthereumTransaction,
  own: string,
  length: number,
  steps: StepBudget,
  context: ParseContext,
): Effects {
  const networkId = network(transaction.chainId);
  const native = nativeAsset(networkId);
  const reader = new CallReader({ network: networkId, gasLimit: transaction.gasLimit, steps, context });
  if (transaction.to === null) {
    if (transaction.value > 0n) {
      reader.outflows.push({
        asset: native,
        amount: transaction.value,
        from: own,
        to: null,
        kind: 'call-value',
      });
    }
    reader.unresolved.push({
      kind: 'contract-creation',
      field: 'to',
      detail: `${transaction.data.length} bytes of initialisation code`,
    });
  } else {
    const { value, data } = transaction;
    reader.read({ caller: own, target: checksumAddress(transaction.to), value, data, field: 'data' });
  }
  for (const [index, authorization] of transaction.authorizationList.entries()) {
    steps.spend(RECOVERY_STEPS, 'authorizationList');
    const field = `authorizationList[${index}]`;
    const authority = recoverAuthority(authorization, field);
    const delegate = checksumAddress(authorization.address);
    const revokes = equalBytes(authorization.address, ZERO_ADDRESS);
    // The sender's nonce has gone up by one before its authorisation is looked at; with any other nonce it is left over
    // for whoever wants it later.
    if (authority === own && authorization.nonce !== transaction.nonce + 1n) {
      throw new ChainError(
        'transaction-unsafe',
        'an authorisation of the sender has the nonce after the transaction’s',
        `${field}.nonce`,
      );
    }
    if (!revokes) reader.takeovers.push({ kind: 'eip7702-delegation', account: authority, by: delegate });
    reader.calls.push({
      target: authority,
      name: revokes ? 'eip7702.revoke' : 'eip7702.delegate',
      arguments: { delegate, nonce: String(authorization.nonce) },
    });
  }
  return {
    chain: 'ethereum',
    network: networkId,
    version: transaction.version,
    signers: [own],
    feePayer: own,
    maxFee: { asset: native, amount: maxFee(transaction) + dataFeeMargin(transaction.chainId, length) },
    outflows: reader.outflows,
    grants: reader.grants,
    takeovers: reader.takeovers,
    validity: { uniqueness: 'nonce', key: String(transaction.nonce), notBefore: null, notAfter: null },
    unresolved: reader.unresolved,
    calls: reader.calls,
  };
}

/** Account that signed an EIP-7702 authorisation, as EIP-55 text. */
function recoverAuthority(authorization: Authorization, field: string): string {
  const digest = keccak256(encodeAuthorizationPreimage(authorization));
  const signature = concatBytes(word(authorization.r), word(authorization.s));
  try {
    return checksumAddress(
      accountBytes(ecdsaRecover({ bytes: signature, recovery: Number(authorization.yParity) }, digest)),
    );
  } catch {
    throw malformed('the signature of an authorisation recovers no key', field);
  }
}

function assemble(
  transaction: EthereumTransaction,
  signatures: readonly RawSignature[],
): { transaction: Uint8Array; signature: Uint8Array; id: () => string } {
  const { signature, parts } = signatureParts(signatures);
  const signed = encodeSignedTransaction(transaction, parts);
  return {
    transaction: signed,
    signature: signatureBytes(signature),
    id: () => `0x${hexEncode(keccak256(signed))}`,
  };
}

function signatureParts(signatures: readonly RawSignature[]): {
  signature: RawSignature;
  parts: { r: bigint; s: bigint; yParity: 0 | 1 };
} {
  const [signature] = signatures;
  if (signatures.length !== 1 || signature?.bytes.length !== 64 || signature.recovery === undefined) {
    throw new TypeError('an Ethereum transaction takes one 64-byte signature with its recovery bit');
  }
  const parts = {
    r: bytesToInteger(signature.bytes.subarray(0, 32)),
    s: bytesToInteger(signature.bytes.subarray(32)),
    yParity: signature.recovery,
  };
  return { signature, parts };
}

/** 65 bytes `r || s || v` with v 27 or 28. */
export function signatureBytes(signature: RawSignature): Uint8Array {
  return concatBytes(signature.bytes, Uint8Array.of(27 + (signature.recovery ?? 0)));
}

function quantity(value: unknown, field: string): bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  if (
    typeof value === 'string' &&
    value.length <= 78 &&
    /^(0|[1-9][0-9]*|0x(0|[1-9a-fA-F][0-9a-fA-F]*))$/.test(value)
  ) {
    return BigInt(value);
  }
  throw malformed('a safe number, decimal text or a 0x quantity is expected', field);
}

function word(value: bigint): Uint8Array {
  return hexDecode(value.toString(16).padStart(64, '0'));
}

function malformed(detail: string, field?: string): ChainError {
  return new ChainError('transaction-malformed', detail, field);
}
