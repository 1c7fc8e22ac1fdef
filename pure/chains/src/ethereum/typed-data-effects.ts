import type { Call, Effects, Grant, Outflow, Unresolved, Validity } from '../effects.ts';
import { checksumAddress, parseAddress } from './address.ts';
import { boundedAmount, nativeAsset, network, tokenAsset } from './asset.ts';

/** Typed data that was hashed without an objection: every value has the form its type asks for. */
export interface CheckedTypedData {
  readonly primaryType: string;
  /** `encodeType` of the primary type: a name alone does not say what is signed. */
  readonly typeText: string;
  readonly domain: Readonly<Record<string, unknown>>;
  readonly message: Readonly<Record<string, unknown>>;
  readonly signer: string | undefined;
}

type Struct = Readonly<Record<string, unknown>>;

interface Decoded {
  readonly name: string;
  readonly owner?: string;
  readonly outflows?: readonly Outflow[];
  readonly grants?: readonly Grant[];
  readonly nonce: string;
  readonly notBefore?: bigint;
  readonly notAfter: bigint;
}

/** Names whose signature alone moves assets or control, with a meaning that is not decoded here. */
const DANGEROUS = new Set([
  'Permit',
  'PermitSingle',
  'PermitBatch',
  'PermitTransferFrom',
  'PermitBatchTransferFrom',
  'PermitWitnessTransferFrom',
  'PermitBatchWitnessTransferFrom',
  'PermitForAll',
  'TransferWithAuthorization',
  'ReceiveWithAuthorization',
  'SafeTx',
  'UserOperation',
  'PackedUserOperation',
  'OrderComponents',
  'BulkOrder',
  'Order',
  'OrderStruct',
  'LimitOrder',
  'RfqOrder',
  'OtcOrder',
  'MetaTransaction',
  'MetaTransactionData',
  'ForwardRequest',
  'Delegation',
  'DelegationRequest',
  'SpendPermission',
  'SpendPermissionBatch',
  'Authorization',
  'Execute',
  'Execution',
  'Call',
  'Transaction',
  'TokenPermissions',
  'Agent',
]);

const DETAILS = 'PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)';
const PERMISSIONS = 'TokenPermissions(address token,uint256 amount)';
const AUTHORIZATION =
  'address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce';

/** Effects of signing typed data; what leaves does so when somebody else submits the signature. */
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
  if (decoded === null && isDangerous(data.primaryType)) {
    unresolved.push({ kind: 'typed-data-unknown', field: 'primaryType', detail: data.primaryType });
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
  return {
    chain: 'ethereum',
    network: networkId,
    version: 'typed-data',
    signers: signer === undefined ? [] : [signer],
    feePayer: null,
    maxFee: networkId === null ? null : { asset: nativeAsset(networkId), amount: 0n },
    outflows: decoded?.outflows ?? [],
    grants: decoded?.grants ?? [],
    takeovers: [],
    validity: validity(decoded),
    unresolved,
    calls: [call],
  };
}

function isDangerous(primaryType: string): boolean {
  return DANGEROUS.has(primaryType) || primaryType.startsWith('HyperliquidTransaction:');
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
  }
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
    name: `permit2.${data.primaryType}`,
    owner: signer === '' ? undefined : signer,
    grants: permitted.map((entry) =>
      permit(message.spender, token(entry.token), boundedAmount(integer(entry.amount), 256), deadline),
    ),
    nonce: nonceText(message.nonce, 'uint'),
    notAfter: deadline,
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
  return { kind: 'permit', spender: address(spender), asset, amount, expires };
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
