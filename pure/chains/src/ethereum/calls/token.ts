/** Calls of token contracts: ERC-20, ERC-721, ERC-1155, ERC-777, ERC-1363, ERC-2612, ERC-3009, wrapped coins. */
import type { Grant, Outflow } from '../../effects.ts';
import type { AbiValue } from '../abi.ts';
import { atLeastOne, boundedAmount, nativeAsset, tokenAsset } from '../asset.ts';
import type { CallContext } from '../call-reader.ts';
import type { CallDefinition } from './known.ts';

const MAX_UINT256 = 2n ** 256n - 1n;

export const TOKEN_CALLS: readonly CallDefinition[] = [
  [
    'erc20.transfer',
    'transfer(address to,uint256 amount)',
    ([to, amount], context) => ({ outflows: [fungible(context, context.caller, to, amount)] }),
  ],
  // ERC-20 and ERC-721 share this selector: with ERC-721 the amount is a token id, so a rule should name the contract.
  [
    'erc20.transferFrom',
    'transferFrom(address from,address to,uint256 amount)',
    ([from, to, amount], context) => ({ outflows: [fungible(context, from, to, amount)] }),
  ],
  // Shared with ERC-721 too, where it lets somebody take one token.
  [
    'erc20.approve',
    'approve(address spender,uint256 amount)',
    ([spender, amount], context) => ({ grants: [allowance(context, spender, amount as bigint)] }),
  ],
  [
    'erc20.increaseAllowance',
    'increaseAllowance(address spender,uint256 addedAmount)',
    ([spender, added], context) => ({ grants: [allowance(context, spender, added as bigint)] }),
  ],
  ['erc20.decreaseAllowance', 'decreaseAllowance(address spender,uint256 subtractedAmount)', () => ({})],
  [
    'erc20.burn',
    'burn(uint256 amount)',
    ([amount], context) => ({
      outflows: [{ ...fungible(context, context.caller, '', amount), to: null, kind: 'burn' }],
    }),
  ],
  [
    'erc1363.transferAndCall',
    'transferAndCall(address to,uint256 amount)',
    ([to, amount], context) => ({ outflows: [fungible(context, context.caller, to, amount)] }),
  ],
  [
    'erc1363.transferAndCall',
    'transferAndCall(address to,uint256 amount,bytes data)',
    ([to, amount], context) => ({ outflows: [fungible(context, context.caller, to, amount)] }),
  ],
  [
    'erc1363.approveAndCall',
    'approveAndCall(address spender,uint256 amount)',
    ([spender, amount], context) => ({ grants: [allowance(context, spender, amount as bigint)] }),
  ],
  [
    'erc1363.approveAndCall',
    'approveAndCall(address spender,uint256 amount,bytes data)',
    ([spender, amount], context) => ({ grants: [allowance(context, spender, amount as bigint)] }),
  ],
  [
    'erc2612.permit',
    'permit(address owner,address spender,uint256 amount,uint256 deadline,uint8 v,bytes32 r,bytes32 s)',
    ([, spender, amount], context) => ({
      grants: [{ ...allowance(context, spender, amount as bigint), kind: 'permit' }],
    }),
  ],
  [
    'dai.permit',
    'permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed,uint8 v,bytes32 r,bytes32 s)',
    ([, spender, , , allowed], context) => ({
      grants: allowed === true ? [{ ...allowance(context, spender, MAX_UINT256), kind: 'permit' }] : [],
    }),
  ],
  ...(['transferWithAuthorization', 'receiveWithAuthorization'] as const).flatMap((name) =>
    (['uint8 v,bytes32 r,bytes32 s', 'bytes signature'] as const).map(
      (signature): CallDefinition => [
        `erc3009.${name}`,
        `${name}(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce,${signature})`,
        ([from, to, value], context) => ({ outflows: [fungible(context, from, to, value)] }),
      ],
    ),
  ),
  [
    'erc3009.cancelAuthorization',
    'cancelAuthorization(address authorizer,bytes32 nonce,uint8 v,bytes32 r,bytes32 s)',
    () => ({}),
  ],
  [
    'erc721.safeTransferFrom',
    'safeTransferFrom(address from,address to,uint256 tokenId)',
    ([from, to, tokenId], context) => ({
      outflows: [token(context, 'erc721', from, to, tokenId as bigint, 1n)],
    }),
  ],
  [
    'erc721.safeTransferFrom',
    'safeTransferFrom(address from,address to,uint256 tokenId,bytes data)',
    ([from, to, tokenId], context) => ({
      outflows: [token(context, 'erc721', from, to, tokenId as bigint, 1n)],
    }),
  ],
  [
    'erc1155.safeTransferFrom',
    'safeTransferFrom(address from,address to,uint256 tokenId,uint256 amount,bytes data)',
    ([from, to, tokenId, amount], context) => ({
      outflows: [token(context, 'erc1155', from, to, tokenId as bigint, amount as bigint)],
    }),
  ],
  [
    'erc1155.safeBatchTransferFrom',
    'safeBatchTransferFrom(address from,address to,uint256[] tokenIds,uint256[] amounts,bytes data)',
    ([from, to, tokenIds, amounts], context) => ({
      // Lists of unequal length make the call fail; a missing amount is then no outflow.
      outflows: (tokenIds as readonly bigint[]).map((tokenId, index) =>
        token(context, 'erc1155', from, to, tokenId, (amounts as readonly bigint[])[index] ?? 0n),
      ),
    }),
  ],
  [
    'erc721.setApprovalForAll',
    'setApprovalForAll(address operator,bool approved)',
    ([operator, approved], context) => ({
      grants: approved === true ? [operatorGrant(context, operator, 'erc721')] : [],
    }),
  ],
  [
    'erc777.authorizeOperator',
    'authorizeOperator(address operator)',
    ([operator], context) => ({ grants: [operatorGrant(context, operator, 'erc777')] }),
  ],
  ['erc777.revokeOperator', 'revokeOperator(address operator)', () => ({})],
  [
    'erc777.send',
    'send(address to,uint256 amount,bytes data)',
    ([to, amount], context) => ({ outflows: [fungible(context, context.caller, to, amount)] }),
  ],
  [
    'erc777.burn',
    'burn(uint256 amount,bytes data)',
    ([amount], context) => ({
      outflows: [{ ...fungible(context, context.caller, '', amount), to: null, kind: 'burn' }],
    }),
  ],
  [
    'erc777.operatorSend',
    'operatorSend(address from,address to,uint256 amount,bytes data,bytes operatorData)',
    ([from, to, amount], context) => ({ outflows: [fungible(context, from, to, amount)] }),
  ],
  // The value sent with a deposit is counted like any other.
  ['weth.deposit', 'deposit()', () => ({})],
  [
    'weth.withdraw',
    'withdraw(uint256 amount)',
    ([amount], context) => ({
      outflows: [{ ...fungible(context, context.caller, context.contract, amount), kind: 'swap' }],
    }),
  ],
];

function fungible(
  context: CallContext,
  from: AbiValue | undefined,
  to: AbiValue | undefined,
  amount: AbiValue | undefined,
): Outflow {
  return {
    asset: tokenAsset(context.network, 'erc20', context.contract),
    amount: atLeastOne(amount as bigint),
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
    amount: boundedAmount(atLeastOne(amount), 256),
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

/** The chain's own coin as an asset where a contract writes a zero address for it. */
export function assetOfToken(network: string, contract: string): string {
  return /^0x0+$/.test(contract) ? nativeAsset(network) : tokenAsset(network, 'erc20', contract);
}
