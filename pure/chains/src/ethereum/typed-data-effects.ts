import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import { utf8Encode } from '@keystead/crypto/bytes';
import type { ParseContext } from '../chain.ts';
import type { Call, Effects, Grant, Outflow, Unresolved, Validity } from '../effects.ts';
import { checkEffectsSize } from '../effects-size.ts';
import type { StepBudget } from '../step-budget.ts';
import { checksumAddress, parseAddress } from './address.ts';
import { atLeastOne, boundedAmount, nativeAsset, network, tokenAsset } from './asset.ts';
import { CallReader } from './call-reader.ts';
import { safeCall, safeRefund } from './calls/account.ts';
import { orderOf } from './orders.ts';
import { readUserOperation, USER_OPERATION_TYPE } from './user-operation.ts';

/** Typed data that was hashed without an objection: every value has the form its type asks for. */
export interface CheckedTypedData {
  readonly primaryType: string;
  /** `encodeType` of the primary type: a name alone does not say what is signed. */
  readonly typeText: string;
  readonly domain: Readonly<Record<string, unknown>>;
  readonly message: Readonly<Record<string, unknown>>;
  readonly signer: string | undefined;
  readonly steps: StepBudget;
  readonly context: ParseContext;
}

export type Struct = Readonly<Record<string, unknown>>;

/** What a message of a known type does. */
export interface Decoded {
  readonly name: string;
  readonly owner?: string;
  readonly maxFee?: bigint;
  readonly outflows?: readonly Outflow[];
  readonly grants?: readonly Grant[];
  readonly unresolved?: readonly Unresolved[];
  /** The calls that the message leads to, with their own effects. */
  readonly reader?: CallReader;
  readonly nonce: string;
  readonly notBefore?: bigint;
  readonly notAfter: bigint | null;
}

const DETAILS = 'PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)';
const PERMISSIONS = 'TokenPermissions(address token,uint256 amount)';
const AUTHORIZATION =
  'address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce';
const SAFE_TRANSACTION =
  'SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,uint256 nonce)';

/**
 * Effects of signing typed data; what leaves does so when somebody else submits the signature. A message whose type has
 * no defined meaning, or whose domain names no chain or no contract, is unresolved.
 */
export function typedDataEffects(data: CheckedTypedData): Effects {
  const contract =
    typeof data.domain.verifyingContract === 'string' ? address(data.domain.verifyingContract) : null;
  const networkId = data.domain.chainId === undefined ? null : network(integer(data.domain.chainId));
  const unresolved: Unresolved[] = [];
  if (networkId === null || integer(data.domain.chainId) === 0n) {
    unresolved.push({
      kind: 'typed-data-unbound',
      field: 'domain.chainId',
      detail: 'the domain names no chain',
    });
  }
  if (contract === null) {
    unresolved.push({
      kind: 'typed-data-unbound',
      field: 'domain.verifyingContract',
      detail: 'the domain names no contract',
    });
  }
  const decoded = networkId === null || contract === null ? null : decode(data, networkId, contract);
  if (decoded === null) {
    unresolved.push({
      kind: 'typed-data-unknown',
      field: 'primaryType',
      detail: `${data.primaryType}, type hash 0x${hexEncode(keccak256(utf8Encode(data.typeText)))}`,
      subject: `${contract ?? ''}:${data.primaryType}`,
    });
  }
  const call: Call = {
    target: contract ?? '',
    name: decoded?.name ?? data.primaryType,
    arguments: Object.fromEntries(
      Object.entries(data.message).flatMap(([key, value]) =>
        typeof value === 'object' ? [] : [[key, String(value)]],
      ),
    ),
  };
  const signer = data.signer === undefined ? decoded?.owner : address(data.signer);
  const reader = decoded?.reader;
  return checkEffectsSize({
    chain: 'ethereum',
    network: networkId,
    version: 'typed-data',
    signers: signer === undefined ? [] : [signer],
    feePayer: null,
    maxFee: networkId === null ? null : { asset: nativeAsset(networkId), amount: decoded?.maxFee ?? 0n },
    outflows: [...(decoded?.outflows ?? []), ...(reader?.outflows ?? [])],
    grants: [...(decoded?.grants ?? []), ...(reader?.grants ?? [])],
    takeovers: reader?.takeovers ?? [],
    validity: validity(decoded),
    unresolved: [...unresolved, ...(decoded?.unresolved ?? []), ...(reader?.unresolved ?? [])],
    calls: [call, ...(reader?.calls ?? [])],
  });
}

function validity(decoded: Decoded | null): Validity {
  if (decoded === null) return { uniqueness: 'none', key: '', notBefore: null, notAfter: null };
  return {
    uniqueness: 'nonce',
    key: decoded.nonce,
    notBefore: decoded.notBefore ?? null,
    notAfter: decoded.notAfter,
  };
}

function decode(data: CheckedTypedData, networkId: string, contract: string): Decoded | null {
  const { message, typeText } = data;
  const signer = data.signer === undefined ? '' : address(data.signer);
  const token = (text: unknown): string => tokenAsset(networkId, 'erc20', address(text));
  switch (typeText) {
    case 'Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)':
      return {
        name: 'erc2612.Permit',
        owner: address(message.owner),
        grants: [permit(message.spender, token(contract), boundedAmount(integer(message.value), 256), null)],
        nonce: nonceText(message.nonce, 'uint'),
        notAfter: integer(message.deadline),
      };
    case 'Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)':
      return {
        name: 'dai.Permit',
        owner: address(message.holder),
        grants: message.allowed === true ? [permit(message.spender, token(contract), 'unbounded', null)] : [],
        nonce: nonceText(message.nonce, 'uint'),
        // DAI reads an expiry of zero as none.
        notAfter: integer(message.expiry) === 0n ? 2n ** 256n - 1n : integer(message.expiry),
      };
    case `PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)${DETAILS}`:
      return permitAllowances('permit2.PermitSingle', [message.details as Struct], message, token);
    case `PermitBatch(PermitDetails[] details,address spender,uint256 sigDeadline)${DETAILS}`:
      return permitAllowances('permit2.PermitBatch', message.details as readonly Struct[], message, token);
    case `TransferWithAuthorization(${AUTHORIZATION})`:
    case `ReceiveWithAuthorization(${AUTHORIZATION})`:
      return {
        name: `erc3009.${data.primaryType}`,
        owner: address(message.from),
        outflows: [
          {
            asset: token(contract),
            amount: integer(message.value),
            from: address(message.from),
            to: address(message.to),
            kind: 'transfer',
          },
        ],
        nonce: nonceText(message.nonce, 'bytes32'),
        notBefore: integer(message.validAfter),
        notAfter: integer(message.validBefore),
      };
    case SAFE_TRANSACTION:
      return safeTransaction(data, networkId, contract);
    case USER_OPERATION_TYPE:
      return readUserOperation(operationOf(message), {
        entryPoint: contract,
        network: networkId,
        steps: data.steps,
        context: data.context,
      });
  }
  return orderOf(typeText, message, networkId, signer) ?? permit2Transfer(data, signer, token);
}

function permit2Transfer(
  { message, typeText, primaryType }: CheckedTypedData,
  signer: string,
  token: (text: unknown) => string,
): Decoded | null {
  const transfer =
    /^Permit(Batch)?(Witness)?TransferFrom\(TokenPermissions(\[\])? permitted,address spender,uint256 nonce,uint256 deadline(,[^,)]+)?\)/.exec(
      typeText,
    );
  if (transfer === null || !typeText.includes(PERMISSIONS)) return null;
  const [head, batch, witness, list, extra] = transfer;
  if ((batch === undefined) !== (list === undefined) || (witness === undefined) !== (extra === undefined))
    return null;
  if (witness === undefined && typeText !== `${head}${PERMISSIONS}`) return null;
  const permitted = (batch === undefined ? [message.permitted] : message.permitted) as readonly Struct[];
  const deadline = integer(message.deadline);
  return {
    name: `permit2.${primaryType}`,
    owner: signer === '' ? undefined : signer,
    grants: permitted.map((entry) =>
      permit(message.spender, token(entry.token), boundedAmount(integer(entry.amount), 256), deadline),
    ),
    nonce: nonceText(message.nonce, 'uint'),
    notAfter: deadline,
  };
}

/** A transaction of a Safe that somebody else submits: what the Safe then does, and what it pays for that. */
function safeTransaction(data: CheckedTypedData, networkId: string, safe: string): Decoded {
  const { message, steps, context } = data;
  const call = hexDecode((message.data as string).slice(2));
  const reader = new CallReader({ network: networkId, gasLimit: null, steps, context });
  const { inner = [], unresolved = [] } = safeCall(
    safe,
    address(message.to),
    integer(message.value),
    call,
    integer(message.operation),
  );
  for (const doubt of unresolved) reader.unresolved.push({ ...doubt, field: 'message.operation' });
  for (const each of inner) {
    if (each.delegated === true) {
      reader.unresolved.push({
        kind: 'delegatecall',
        field: 'message.operation',
        detail: `the code at ${each.target} runs with everything that ${safe} has`,
        subject: each.target,
      });
    }
    reader.read({ ...each, field: 'message.data' });
  }
  return {
    name: 'safe.SafeTx',
    outflows: safeRefund(networkId, safe, {
      gas: integer(message.safeTxGas) + integer(message.baseGas),
      dataLength: call.length,
      gasPrice: integer(message.gasPrice),
      gasToken: address(message.gasToken),
      receiver: address(message.refundReceiver),
    }),
    reader,
    nonce: nonceText(message.nonce, 'uint'),
    notAfter: null,
  };
}

function operationOf(message: Struct): Parameters<typeof readUserOperation>[0] {
  const bytes = (value: unknown): Uint8Array => hexDecode((value as string).slice(2));
  return {
    sender: address(message.sender),
    nonce: integer(message.nonce),
    initCode: bytes(message.initCode),
    callData: bytes(message.callData),
    accountGasLimits: bytes(message.accountGasLimits),
    preVerificationGas: integer(message.preVerificationGas),
    gasFees: bytes(message.gasFees),
    paymasterAndData: bytes(message.paymasterAndData),
  };
}

function permitAllowances(
  name: string,
  details: readonly Struct[],
  message: Struct,
  token: (text: unknown) => string,
): Decoded {
  const deadline = integer(message.sigDeadline);
  return {
    name,
    grants: details.map((entry) => {
      const expiration = integer(entry.expiration);
      // Zero means the block of inclusion, which is no later than the deadline of the signature.
      const expires = expiration === 0n ? deadline : expiration;
      return permit(message.spender, token(entry.token), boundedAmount(integer(entry.amount), 160), expires);
    }),
    nonce: details.map((entry) => nonceText(entry.nonce, 'uint')).join(','),
    notAfter: deadline,
  };
}

function permit(
  spender: unknown,
  asset: string,
  amount: bigint | 'unbounded',
  expires: bigint | null,
): Grant {
  const counted = amount === 'unbounded' ? amount : atLeastOne(amount);
  return { kind: 'permit', spender: address(spender), asset, amount: counted, expires };
}

function address(value: unknown): string {
  return checksumAddress(parseAddress(value as string));
}

function integer(value: unknown): bigint {
  return BigInt(value as string | number | bigint);
}

/** A nonce as the key of uniqueness: decimal text, or lower-case bytes32. */
function nonceText(value: unknown, type: 'uint' | 'bytes32'): string {
  return type === 'uint' ? String(integer(value)) : String(value).toLowerCase();
}
