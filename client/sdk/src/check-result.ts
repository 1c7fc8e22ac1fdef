import type { AddressFormat, RawSignature, SigningAccount } from '@keystead/chains/chain';
import { chainFor } from '@keystead/chains/registry';
import { base58Decode } from '@keystead/crypto/base58';
import { base64urlDecode, base64urlEncode } from '@keystead/crypto/base64url';
import { equalBytes, utf8Encode } from '@keystead/crypto/bytes';
import * as ed25519 from '@keystead/crypto/ed25519';
import { hexDecode } from '@keystead/crypto/hex';
import * as secp256k1 from '@keystead/crypto/secp256k1';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { approvalSubject } from '@keystead/protocol/approval';
import { formatUuid, walletIdOf } from '@keystead/protocol/ids';
import { curveOfFormat, type Derivation } from '@keystead/protocol/parameters/derivation';
import type { ParsedRequest } from '@keystead/protocol/request';
import { isSigning, type SigningRequestOf, signingRequest } from '@keystead/protocol/signing';
import { unverified } from './check-answer.ts';

/** Whoever approves a subject has seen what it stands for. */
function checkSubjects(approvals: JsonValue | undefined, organization: Uint8Array): void {
  if (!Array.isArray(approvals)) throw unverified('The answer has no list of approvals.');
  for (const approval of approvals) {
    const { method, params, requestedBy, requestedByAuthenticator, subject } = members(approval);
    if (
      typeof method !== 'string' ||
      typeof requestedBy !== 'string' ||
      typeof requestedByAuthenticator !== 'string' ||
      params === undefined
    )
      throw unverified('A subject is shown without what it stands for.');
    const requester = { username: requestedBy, authenticatorId: requestedByAuthenticator };
    const shown = utf8Encode(JSON.stringify({ method, params }));
    if (subject !== base64urlEncode(approvalSubject(organization, requester, shown)))
      throw unverified('A subject is not that of the request and the requester that are shown for it.');
  }
}

type Members = { readonly [name: string]: JsonValue };

const formats = Object.keys(curveOfFormat) as AddressFormat[];

/**
 * What a result must be besides stated: ids that commit to the request, addresses that follow from their keys, accounts
 * that were asked for, and signatures that verify over what was asked. Throws KmsError `answer-unverified`.
 */
export function checkResult(
  request: ParsedRequest,
  result: JsonValue,
  context: { readonly organization: Uint8Array; readonly identity: Uint8Array },
): void {
  const organizationId = formatUuid(context.organization);
  switch (request.method) {
    case 'createOrganization':
    case 'getOrganization':
    case 'addUserToOrganization':
    case 'updateUserInOrganization':
    case 'deleteUserFromOrganization':
      if (members(result).organizationId !== organizationId)
        throw unverified('The answer is about another organization.');
      return;
    case 'getApprovals':
      checkSubjects(members(result).approvals, context.organization);
      return;
    case 'createWallet':
    case 'completeImportWallet': {
      const wallet = members(result);
      if (wallet.walletId !== formatUuid(walletIdOf(context.organization, context.identity)))
        throw unverified('The wallet is not the one that this request makes.');
      const { wallet: asked } = request.params;
      checkWallet(wallet, asked.type === 'MNEMONIC' ? asked.accounts : null);
      return;
    }
    case 'getOrCreateWalletWithTag':
      checkWallet(members(result), null);
      return;
    case 'getWalletWithTag':
      checkWallet(members(result), request.params.accounts ?? null);
      return;
    case 'getAccounts':
      checkAccounts(result, request.params.accounts.length === 0 ? null : request.params.accounts);
      return;
    case 'initWalletImport':
      if (bytesOf(members(result), 'publicKey').length !== 32)
        throw unverified('The import key has not 32 bytes.');
      return;
    default:
      if (isSigning(request)) checkSignatures(request, members(result));
  }
}

function checkWallet(wallet: Members, asked: readonly Derivation[] | null): void {
  if (wallet.type === 'KEYPAIR') readAccount(members(wallet.account));
  else checkAccounts(wallet.accounts, asked);
}

/** Each account's address is that of its key; with `asked`, they are the accounts asked for, in order. */
function checkAccounts(value: JsonValue | undefined, asked: readonly Derivation[] | null): void {
  if (!Array.isArray(value)) throw unverified('The answer has no accounts.');
  const single = value.length === 1 && members(value[0]).derivationPath === undefined;
  if (asked !== null && !single && value.length !== asked.length)
    throw unverified('The answer has not the accounts that were asked for.');
  for (const [index, item] of value.entries()) {
    const account = members(item);
    readAccount(account);
    const wanted = single ? undefined : asked?.[index];
    if (
      wanted !== undefined &&
      (account.derivationPath !== wanted.derivationPath || account.addressFormat !== wanted.addressFormat)
    )
      throw unverified('The answer has not the accounts that were asked for.');
  }
}

function readAccount(account: Members): SigningAccount {
  const format = formats.find((known) => known === account.addressFormat);
  if (format === undefined || account.curve !== curveOfFormat[format])
    throw unverified('An account has no known address format.');
  const known = accountIn(account, format);
  if (known === undefined) throw unverified('An address does not belong to its public key.');
  return known;
}

/** The account when its address is that of its public key in this format. */
function accountIn(account: Members, format: AddressFormat): SigningAccount | undefined {
  const { address, publicKey: text, derivationPath } = account;
  if (typeof address !== 'string' || typeof text !== 'string') return undefined;
  try {
    const publicKey = format === 'Solana' ? base58Decode(text) : hexDecode(text);
    if (chainFor(format).address(publicKey, format) !== address) return undefined;
    const path = typeof derivationPath === 'string' ? derivationPath : null;
    return { publicKey, addressFormat: format, address, derivationPath: path };
  } catch {
    return undefined;
  }
}

function checkSignatures(request: SigningRequestOf, result: Members): void {
  const wanted = request.params.derivation;
  const account = (wanted === null ? formats : [wanted.addressFormat])
    .map((format) => accountIn(result, format))
    .find((found) => found !== undefined);
  if (account === undefined) throw unverified('The address is not that of the public key.');
  let asked: ReturnType<typeof signingRequest>;
  try {
    asked = signingRequest(request, account);
  } catch (cause) {
    throw unverified('Nothing could have been signed for this request.', cause);
  }
  // A PSBT carries its signatures inside; a signature for each of its inputs is for the chain to check.
  if (result.kind === 'BITCOIN') {
    if (asked.effects?.chain !== 'bitcoin') throw unverified('A transaction of another chain was answered.');
    return;
  }
  const [input, ...others] = asked.inputs;
  if (input === undefined || others.length > 0) throw unverified('More than one signature was asked for.');
  const signature = rawSignature(bytesOf(result, 'signature'));
  if (signature === undefined) throw unverified('The signature has a wrong length.');
  const valid =
    input.algorithm === 'ed25519'
      ? ed25519.verify(account.publicKey, input.bytes, signature.bytes)
      : input.algorithm === 'ecdsa'
        ? secp256k1.ecdsaVerify(account.publicKey, input.bytes, signature.bytes)
        : secp256k1.schnorrVerify(account.publicKey.subarray(1), input.bytes, signature.bytes);
  if (!valid || !recovers(account.publicKey, input.bytes, signature))
    throw unverified('The signature is not over what was asked.');
  let signed: ReturnType<typeof asked.finish>;
  try {
    signed = asked.finish([signature]);
  } catch (cause) {
    throw unverified('The signature has not the form of its chain.', cause);
  }
  if (!equalBytes(signed.signature, bytesOf(result, 'signature')))
    throw unverified('The signature has not the form of its chain.');
  if (signed.transaction === null) return;
  if (result.kind !== signed.kind || !equalBytes(signed.transaction, bytesOf(result, 'transaction')))
    throw unverified('The signed transaction is not the one that was asked for.');
}

/** True unless a recovery bit stands beside the signature and leads to another key. */
function recovers(publicKey: Uint8Array, digest: Uint8Array, signature: RawSignature): boolean {
  if (signature.recovery === undefined) return true;
  const recovered = secp256k1.ecdsaRecover({ bytes: signature.bytes, recovery: signature.recovery }, digest);
  return equalBytes(recovered, publicKey);
}

/** From 64 bytes; 65 with v 27 or 28 behind; or 97 of Sui, with flag before and public key behind. */
function rawSignature(bytes: Uint8Array): RawSignature | undefined {
  if (bytes.length === 64) return { bytes };
  if (bytes.length === 97) return { bytes: bytes.slice(1, 65) };
  const v = bytes[64];
  return bytes.length === 65 && (v === 27 || v === 28)
    ? { bytes: bytes.slice(0, 64), recovery: v === 28 ? 1 : 0 }
    : undefined;
}

function bytesOf(value: Members, name: string): Uint8Array {
  try {
    return base64urlDecode(String(value[name]));
  } catch (cause) {
    throw unverified(`The member ${name} is not base64url.`, cause);
  }
}

function members(value: JsonValue | undefined): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw unverified('The result has not the shape of its method.');
}
