import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import type { Call, Grant, Outflow, Unresolved } from '../effects.ts';
import { type AbiType, type AbiValue, decodeArguments, encodeArguments } from './abi.ts';
import { boundedAmount, tokenAsset } from './asset.ts';

/** Where a call goes and who makes it; addresses are EIP-55 text. */
export interface CallContext {
  readonly network: string;
  readonly contract: string;
  readonly account: string;
}

/** What call data does, apart from the native value sent with it. */
export interface CallEffects {
  readonly outflows: readonly Outflow[];
  readonly grants: readonly Grant[];
  readonly unresolved: readonly Unresolved[];
  readonly call: Call;
}

interface KnownCall {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly types: readonly AbiType[];
  effects(
    values: readonly AbiValue[],
    context: CallContext,
  ): { outflows?: readonly Outflow[]; grants?: readonly Grant[] };
}

const known = new Map<string, KnownCall>();

function define(name: string, declaration: string, effects: KnownCall['effects']): void {
  const [functionName, list] = declaration.slice(0, -1).split('(') as [string, string];
  const parts = list === '' ? [] : list.split(',').map((part) => part.split(' ') as [AbiType, string]);
  const types = parts.map(([type]) => type);
  const parameters = parts.map(([, parameter]) => parameter);
  known.set(selectorOf(`${functionName}(${types.join(',')})`), { name, parameters, types, effects });
}

define('erc20.transfer', 'transfer(address to,uint256 amount)', ([to, amount], context) => ({
  outflows: [fungible(context, context.account, to, amount)],
}));
// ERC-20 and ERC-721 share this selector: with ERC-721 the amount is a token id, so a rule must name the contract.
define(
  'erc20.transferFrom',
  'transferFrom(address from,address to,uint256 amount)',
  ([from, to, amount], context) => ({
    outflows: [fungible(context, from, to, amount)],
  }),
);
// Shared with ERC-721 too, where it hands over one token; zero is kept, because it is a valid token id.
define('erc20.approve', 'approve(address spender,uint256 amount)', ([spender, amount], context) => ({
  grants: [allowance(context, spender, amount as bigint)],
}));
define(
  'erc20.increaseAllowance',
  'increaseAllowance(address spender,uint256 addedAmount)',
  ([spender, added], context) => ({
    grants: [allowance(context, spender, added as bigint)],
  }),
);
define('erc20.decreaseAllowance', 'decreaseAllowance(address spender,uint256 subtractedAmount)', () => ({}));
define(
  'erc2612.permit',
  'permit(address owner,address spender,uint256 amount,uint256 deadline,uint8 v,bytes32 r,bytes32 s)',
  ([, spender, amount], context) => ({
    grants: [{ ...allowance(context, spender, amount as bigint), kind: 'permit' }],
  }),
);
define(
  'dai.permit',
  'permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed,uint8 v,bytes32 r,bytes32 s)',
  ([, spender, , , allowed], context) => ({
    grants: allowed === true ? [{ ...allowance(context, spender, 2n ** 256n - 1n), kind: 'permit' }] : [],
  }),
);
define(
  'permit2.approve',
  'approve(address token,address spender,uint160 amount,uint48 expiration)',
  ([token, spender, amount, expiration], context) => ({
    grants: [
      {
        kind: 'allowance',
        spender: spender as string,
        asset: tokenAsset(context.network, 'erc20', token as string),
        amount: boundedAmount(amount as bigint, 160),
        // Zero means the block of inclusion, whose time the bytes do not bound.
        expires: expiration === 0n ? null : (expiration as bigint),
      },
    ],
  }),
);
define(
  'erc721.safeTransferFrom',
  'safeTransferFrom(address from,address to,uint256 tokenId)',
  ([from, to, tokenId], context) => ({
    outflows: [token(context, 'erc721', from, to, tokenId as bigint, 1n)],
  }),
);
define(
  'erc721.safeTransferFrom',
  'safeTransferFrom(address from,address to,uint256 tokenId,bytes data)',
  ([from, to, tokenId], context) => ({
    outflows: [token(context, 'erc721', from, to, tokenId as bigint, 1n)],
  }),
);
define(
  'erc1155.safeTransferFrom',
  'safeTransferFrom(address from,address to,uint256 tokenId,uint256 amount,bytes data)',
  ([from, to, tokenId, amount], context) => ({
    outflows: [token(context, 'erc1155', from, to, tokenId as bigint, amount as bigint)],
  }),
);
define(
  'erc1155.safeBatchTransferFrom',
  'safeBatchTransferFrom(address from,address to,uint256[] tokenIds,uint256[] amounts,bytes data)',
  ([from, to, tokenIds, amounts], context) => ({
    // Lists of unequal length make the call fail; a missing amount is then no outflow.
    outflows: (tokenIds as readonly bigint[]).map((tokenId, index) =>
      token(context, 'erc1155', from, to, tokenId, (amounts as readonly bigint[])[index] ?? 0n),
    ),
  }),
);
define(
  'erc721.setApprovalForAll',
  'setApprovalForAll(address operator,bool approved)',
  ([operator, approved], context) => ({
    grants: approved === true ? [operatorGrant(context, operator, 'erc721')] : [],
  }),
);
define('erc777.authorizeOperator', 'authorizeOperator(address operator)', ([operator], context) => ({
  grants: [operatorGrant(context, operator, 'erc777')],
}));
// The value sent with a deposit is counted by the caller like any other.
define('weth.deposit', 'deposit()', () => ({}));
define('weth.withdraw', 'withdraw(uint256 amount)', ([amount], context) => ({
  outflows: [{ ...fungible(context, context.account, context.contract, amount), kind: 'swap' }],
}));

/** First four bytes of the Keccak-256 of a function signature, as hexadecimal without prefix. */
export function selectorOf(signature: string): string {
  return hexEncode(keccak256(utf8Encode(signature)).subarray(0, 4));
}

/**
 * What non-empty call data does. A known selector whose arguments are not in their canonical encoding is refused;
 * an unknown selector is reported as unresolved.
 * @throws ChainError `transaction-malformed`, field `data`
 */
export function decodeCallData(data: Uint8Array, context: CallContext): CallEffects {
  const selector = hexEncode(data.subarray(0, 4));
  const entry = known.get(selector);
  if (entry === undefined) {
    return {
      outflows: [],
      grants: [],
      unresolved: [{ kind: 'unknown-call', field: 'data', detail: `selector 0x${selector}` }],
      call: { target: context.contract, name: null, arguments: { selector: `0x${selector}` } },
    };
  }
  const values = decodeArguments(entry.types, data.subarray(4));
  const { outflows = [], grants = [] } = entry.effects(values, context);
  return {
    outflows,
    grants,
    unresolved: [],
    call: {
      target: context.contract,
      name: entry.name,
      arguments: Object.fromEntries(
        entry.parameters.map((parameter, index) => [parameter, valueText(values[index]!)]),
      ),
    },
  };
}

/** Call data of a known function, from its signature, e.g. `transfer(address,uint256)`. */
export function encodeCallData(signature: string, values: readonly AbiValue[]): Uint8Array {
  const list = signature.slice(signature.indexOf('(') + 1, -1);
  const types = list === '' ? [] : (list.split(',') as AbiType[]);
  return concatBytes(keccak256(utf8Encode(signature)).subarray(0, 4), encodeArguments(types, values));
}

function valueText(value: AbiValue): string {
  if (value instanceof Uint8Array) return `0x${hexEncode(value)}`;
  return typeof value === 'object' ? value.join(',') : String(value);
}

function fungible(
  context: CallContext,
  from: AbiValue | undefined,
  to: AbiValue | undefined,
  amount: AbiValue | undefined,
): Outflow {
  return {
    asset: tokenAsset(context.network, 'erc20', context.contract),
    amount: amount as bigint,
    from: from as string,
    to: to as string,
    kind: 'transfer',
  };
}

function token(
  context: CallContext,
  namespace: 'erc721' | 'erc1155',
  from: AbiValue | undefined,
  to: AbiValue | undefined,
  tokenId: bigint,
  amount: bigint,
): Outflow {
  return {
    asset: tokenAsset(context.network, namespace, context.contract, tokenId),
    amount,
    from: from as string,
    to: to as string,
    kind: 'transfer',
  };
}

function allowance(context: CallContext, spender: AbiValue | undefined, amount: bigint): Grant {
  return {
    kind: 'allowance',
    spender: spender as string,
    asset: tokenAsset(context.network, 'erc20', context.contract),
    amount: boundedAmount(amount, 256),
    expires: null,
  };
}

function operatorGrant(
  context: CallContext,
  operator: AbiValue | undefined,
  namespace: 'erc721' | 'erc777',
): Grant {
  return {
    kind: 'operator',
    spender: operator as string,
    asset: tokenAsset(context.network, namespace, context.contract),
    amount: 'unbounded',
    expires: null,
  };
}
