/** spec/signer.md §4: from a parsed request and an account to exactly the bytes that are signed. Policy engine and signer call it. */
import type { ParseContext, RawSignature, SigningAccount, SigningInput } from '@keystead/chains/chain';
import type { ChainName, Effects } from '@keystead/chains/effects';
import { ChainError } from '@keystead/chains/error';
import { personalMessageDigest as ethereumMessageDigest } from '@keystead/chains/ethereum/message';
import { hashTypedData } from '@keystead/chains/ethereum/typed-data';
import { chainFor, looksLikeTransactionOfCurve } from '@keystead/chains/registry';
import { signInDomain } from '@keystead/chains/sign-in';
import { personalMessageDigest as suiMessageDigest } from '@keystead/chains/sui/message';
import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { keccak256 } from '@keystead/crypto/keccak256';
import { sha256 } from '@keystead/crypto/sha256';
import { type ErrorCode, isErrorCode, KmsError, toKmsError } from './errors.ts';
import { curveOfFormat } from './parameters/derivation.ts';
import type { SigningAlgorithm } from './parameters/signing.ts';
import type { TypedData } from './parameters/typed-data.ts';
import type { ParsedRequest, ParsedRequestOf } from './request.ts';

export const signingMethods = [
  'signUtf8Message',
  'signRawPayload',
  'ethereumSignMessage',
  'ethereumSignTypedData',
  'signTransaction',
] as const;
export type SigningMethod = (typeof signingMethods)[number];
export type SigningRequestOf = ParsedRequestOf<SigningMethod>;

/** True for the methods that `signingRequest` takes. */
export function isSigning(request: ParsedRequest): request is SigningRequestOf {
  return (signingMethods as readonly string[]).includes(request.method);
}

export type TransactionKind = 'SOLANA' | 'ETHEREUM' | 'BITCOIN' | 'SUI';

/** What the signatures were put into; figures of a transaction are null for a message. */
export interface Signed {
  /** Ed25519, ECDSA over SHA-256 and BIP-340: 64 bytes. EVM: 65, r‖s‖v with v 27 or 28. Native Sui: 97, flag‖signature‖key. */
  readonly signature: Uint8Array;
  readonly kind: TransactionKind | null;
  /** The chain's wire form. */
  readonly transaction: Uint8Array | null;
}

export interface SigningRequest {
  /** What is signed, in order; `signedBytesDigest` of it stands in the entry. */
  readonly inputs: readonly SigningInput[];
  /** Null for messages and raw payloads, whose bytes have no effect of their own. */
  readonly effects: Effects | null;
  /** Takes one signature per input, in order. */
  finish(signatures: readonly RawSignature[]): Signed;
}

type SigningParamsOf = ParsedRequestOf<'signTransaction'>['params'];

const transactionKinds: Readonly<Record<ChainName, TransactionKind>> = {
  solana: 'SOLANA',
  ethereum: 'ETHEREUM',
  bitcoin: 'BITCOIN',
  sui: 'SUI',
};

/**
 * The signing inputs of a request for one account. Pure: the same request and account give the same bytes. `context` is
 * what the caller answers for about the effects; it changes no byte that is signed.
 * Throws KmsError: `message-is-transaction`, `curve-mismatch`, `address-format-unsupported`, `parameter-invalid`, and for
 * transactions those of the chain (`transaction-…`).
 */
export function signingRequest(
  request: SigningRequestOf,
  account: SigningAccount,
  context?: ParseContext,
): SigningRequest {
  switch (request.method) {
    case 'signUtf8Message': {
      const { message, algorithm } = request.params;
      const intent = request.surface === 'native' && account.addressFormat === 'Sui';
      return intent
        ? suiMessage(message, algorithm, account)
        : bytes(message, algorithm, account, 'params.message');
    }
    case 'signRawPayload':
      return bytes(request.params.payload, request.params.algorithm, account, 'params.payload');
    case 'ethereumSignMessage':
      return ethereumMessage(request.params.message, account);
    case 'ethereumSignTypedData':
      return typedData(request.params.typedData, account, context);
    case 'signTransaction':
      return transaction(request.params, account, context);
  }
}

/**
 * Refuses a message that signs in to another site than the one whose page asks (EIP-4361): the page would hold a login to
 * the other site. `origin` is what the stamp names, or null when no page asks.
 * Throws KmsError `sign-in-elsewhere`.
 */
export function checkSignIn(request: SigningRequestOf, origin: string | null): void {
  if (origin === null) return;
  if (request.method !== 'signUtf8Message' && request.method !== 'ethereumSignMessage') return;
  const domain = signInDomain(request.params.message);
  if (domain === null || domain === origin.slice(origin.indexOf('://') + 3)) return;
  throw new KmsError('sign-in-elsewhere', {
    field: 'params.message',
    detail: `The message signs in to ${domain}, the page is of ${origin}`,
  });
}

/** Bytes as they are, under the pre-hash that the algorithm names. */
function bytes(
  message: Uint8Array,
  algorithm: SigningAlgorithm,
  account: SigningAccount,
  field: string,
): SigningRequest {
  assertAlgorithm(algorithm, account);
  assertNoTransaction(message, account, field);
  switch (algorithm) {
    case 'Ed25519':
      return single({ algorithm: 'ed25519', bytes: message }, plain);
    case 'Secp256k1':
      return single({ algorithm: 'ecdsa', bytes: sha256(message) }, plain);
    case 'Secp256k1Keccak256':
      return single({ algorithm: 'ecdsa', bytes: keccak256(message) }, recoverable);
    case 'Secp256k1Schnorr':
      // BIP-340's own tags and every tagged preimage begin with one hash twice.
      if (message.length >= 64 && equalBytes(message.subarray(0, 32), message.subarray(32, 64)))
        throw isTransaction(field);
      return single({ algorithm: 'schnorr', bytes: sha256(message) }, plain);
    case 'Secp256r1':
      throw new KmsError('parameter-invalid', {
        field: 'params.algorithm',
        detail: 'Wallet keys are Ed25519 or Secp256k1; there is none for Secp256r1',
      });
  }
}

function suiMessage(
  message: Uint8Array,
  algorithm: SigningAlgorithm,
  account: SigningAccount,
): SigningRequest {
  assertAlgorithm(algorithm, account);
  assertNoTransaction(message, account, 'params.message');
  return single({ algorithm: 'ed25519', bytes: suiMessageDigest(message) }, ({ bytes }) =>
    concatBytes(Uint8Array.of(0), bytes, account.publicKey),
  );
}

function ethereumMessage(message: Uint8Array, account: SigningAccount): SigningRequest {
  assertEthereum(account);
  assertNoTransaction(message, account, 'params.message');
  return single({ algorithm: 'ecdsa', bytes: ethereumMessageDigest(message) }, recoverable);
}

function typedData(data: TypedData, account: SigningAccount, context?: ParseContext): SigningRequest {
  assertEthereum(account);
  try {
    const { digest, effects } = hashTypedData(
      { ...data, domain: { ...data.domain } },
      account.address,
      context,
    );
    return { ...single({ algorithm: 'ecdsa', bytes: digest }, recoverable), effects };
  } catch (error) {
    throw chainRefusal(error, 'params.typedData', 'parameter-invalid');
  }
}

function transaction(
  { transaction: given, maximumFee }: Pick<SigningParamsOf, 'transaction' | 'maximumFee'>,
  account: SigningAccount,
  context?: ParseContext,
): SigningRequest {
  const chain = chainFor(account.addressFormat);
  if (given.chain !== null && given.chain !== chain.name)
    throw new KmsError('curve-mismatch', {
      field: 'params.transaction',
      detail: `The transaction is of ${given.chain}, the account of ${chain.name}`,
    });
  try {
    const parsed = chain.parseTransaction(given.bytes, account, context);
    const fee = parsed.effects.maxFee?.amount ?? 0n;
    if (maximumFee !== null && fee > maximumFee)
      throw new KmsError('parameter-invalid', {
        field: 'params.maximumFee',
        detail: `params.maximumFee is ${maximumFee}, and the fee can be ${fee}`,
      });
    return {
      inputs: parsed.signingInputs,
      effects: parsed.effects,
      finish(signatures) {
        assertCount(signatures, parsed.signingInputs.length);
        const { transaction, signature } = parsed.assemble(signatures);
        return { signature, kind: transactionKinds[chain.name], transaction };
      },
    };
  } catch (error) {
    throw chainRefusal(error, 'params.transaction', 'transaction-malformed');
  }
}

function single(input: SigningInput, form: (signature: RawSignature) => Uint8Array): SigningRequest {
  return {
    inputs: [input],
    effects: null,
    finish(signatures) {
      assertCount(signatures, 1);
      return { signature: form(signatures[0]!), kind: null, transaction: null };
    },
  };
}

const plain = (signature: RawSignature): Uint8Array => signature.bytes;

function recoverable(signature: RawSignature): Uint8Array {
  if (signature.recovery === undefined) throw new TypeError('a recoverable signature is needed');
  return concatBytes(signature.bytes, Uint8Array.of(27 + signature.recovery));
}

function assertCount(signatures: readonly RawSignature[], count: number): void {
  if (signatures.length !== count)
    throw new RangeError(`${count} signatures are needed, got ${signatures.length}`);
}

function assertAlgorithm(algorithm: SigningAlgorithm, account: SigningAccount): void {
  const curve = curveOfFormat[account.addressFormat];
  if (algorithm !== 'Secp256r1' && (algorithm === 'Ed25519') !== (curve === 'Ed25519'))
    throw new KmsError('curve-mismatch', {
      field: 'params.algorithm',
      detail: `${algorithm} does not sign with a ${curve} key`,
    });
}

function assertEthereum(account: SigningAccount): void {
  if (account.addressFormat !== 'Ethereum')
    throw new KmsError('address-format-unsupported', {
      field: 'params.derivationInfo',
      detail: `The account has an address of format ${account.addressFormat}; this method signs for Ethereum`,
    });
}

/** One key serves every chain of its curve, so a message for one chain must be a transaction of none of them. */
function assertNoTransaction(message: Uint8Array, account: SigningAccount, field: string): void {
  if (looksLikeTransactionOfCurve(message, curveOfFormat[account.addressFormat])) throw isTransaction(field);
}

const isTransaction = (field: string) => new KmsError('message-is-transaction', { field });

/** Codes of the chains that are no codes of an answer become `fallback`. */
function chainRefusal(error: unknown, field: string, fallback: ErrorCode): KmsError {
  if (!(error instanceof ChainError)) return toKmsError(error);
  return new KmsError(isErrorCode(error.code) ? error.code : fallback, {
    detail: error.message,
    field: error.field === undefined ? field : `${field}.${error.field}`,
    cause: error,
  });
}
