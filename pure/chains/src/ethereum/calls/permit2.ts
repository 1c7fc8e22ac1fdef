/** Calls of Uniswap's Permit2: allowances with an end, and transfers on signed permits. */
import type { Grant, Outflow } from '../../effects.ts';
import type { AbiValue } from '../abi.ts';
import { atLeastOne, boundedAmount, tokenAsset } from '../asset.ts';
import type { CallContext } from '../call-reader.ts';
import type { CallDefinition } from './known.ts';

type Values = readonly AbiValue[];

const DETAILS = '(address token,uint160 amount,uint48 expiration,uint48 nonce)';
const PERMITTED = '(address token,uint256 amount)';
const TRANSFER = '(address to,uint256 requestedAmount)';

export const PERMIT2_CALLS: readonly CallDefinition[] = [
  [
    'permit2.approve',
    'approve(address token,address spender,uint160 amount,uint48 expiration)',
    ([token, spender, amount, expiration], context) => ({
      grants: [allowance(context, 'allowance', spender, [token!, amount!, expiration!])],
    }),
  ],
  [
    'permit2.permit',
    `permit(address owner,(${DETAILS} details,address spender,uint256 sigDeadline) permitSingle,bytes signature)`,
    ([, permit], context) => {
      const [details, spender] = permit as Values;
      return { grants: [allowance(context, 'permit', spender, details as Values)] };
    },
  ],
  [
    'permit2.permitBatch',
    `permit(address owner,(${DETAILS}[] details,address spender,uint256 sigDeadline) permitBatch,bytes signature)`,
    ([, permit], context) => {
      const [details, spender] = permit as Values;
      return {
        grants: (details as readonly Values[]).map((each) => allowance(context, 'permit', spender, each)),
      };
    },
  ],
  [
    'permit2.transferFrom',
    'transferFrom(address from,address to,uint160 amount,address token)',
    ([from, to, amount, token], context) => ({ outflows: [transfer(context, token, from, to, amount)] }),
  ],
  [
    'permit2.transferFromBatch',
    'transferFrom((address from,address to,uint160 amount,address token)[] transferDetails)',
    ([list], context) => ({
      outflows: (list as readonly Values[]).map(([from, to, amount, token]) =>
        transfer(context, token, from, to, amount),
      ),
    }),
  ],
  [
    'permit2.permitTransferFrom',
    `permitTransferFrom((${PERMITTED} permitted,uint256 nonce,uint256 deadline) permit,${TRANSFER} transferDetails,address owner,bytes signature)`,
    ([permit, details, owner], context) => ({ outflows: [permitted(context, permit, details, owner)] }),
  ],
  [
    'permit2.permitTransferFromBatch',
    `permitTransferFrom((${PERMITTED}[] permitted,uint256 nonce,uint256 deadline) permit,${TRANSFER}[] transferDetails,address owner,bytes signature)`,
    ([permit, details, owner], context) => ({ outflows: permittedAll(context, permit, details, owner) }),
  ],
  [
    'permit2.permitWitnessTransferFrom',
    `permitWitnessTransferFrom((${PERMITTED} permitted,uint256 nonce,uint256 deadline) permit,${TRANSFER} transferDetails,address owner,bytes32 witness,string witnessTypeString,bytes signature)`,
    ([permit, details, owner], context) => ({ outflows: [permitted(context, permit, details, owner)] }),
  ],
  [
    'permit2.permitWitnessTransferFromBatch',
    `permitWitnessTransferFrom((${PERMITTED}[] permitted,uint256 nonce,uint256 deadline) permit,${TRANSFER}[] transferDetails,address owner,bytes32 witness,string witnessTypeString,bytes signature)`,
    ([permit, details, owner], context) => ({ outflows: permittedAll(context, permit, details, owner) }),
  ],
  ['permit2.lockdown', 'lockdown((address token,address spender)[] approvals)', () => ({})],
  ['permit2.invalidateNonces', 'invalidateNonces(address token,address spender,uint48 newNonce)', () => ({})],
  [
    'permit2.invalidateUnorderedNonces',
    'invalidateUnorderedNonces(uint256 wordPos,uint256 mask)',
    () => ({}),
  ],
];

function allowance(
  context: CallContext,
  kind: Grant['kind'],
  spender: AbiValue | undefined,
  [token, amount, expiration]: Values,
): Grant {
  return {
    kind,
    spender: spender as string,
    asset: tokenAsset(context.network, 'erc20', token as string),
    amount: boundedAmount(atLeastOne(amount as bigint), 160),
    // Zero means the block of inclusion, whose time the bytes do not bound.
    expires: expiration === 0n ? null : (expiration as bigint),
  };
}

function transfer(
  context: CallContext,
  token: AbiValue | undefined,
  from: AbiValue | undefined,
  to: AbiValue | undefined,
  amount: AbiValue | undefined,
): Outflow {
  return {
    asset: tokenAsset(context.network, 'erc20', token as string),
    // The token is asked with `transferFrom`, which ERC-721 has too.
    amount: atLeastOne(amount as bigint),
    from: from as string,
    to: to as string,
    kind: 'transfer',
  };
}

function permitted(
  context: CallContext,
  permit: AbiValue | undefined,
  details: AbiValue | undefined,
  owner: AbiValue | undefined,
): Outflow {
  const [[token]] = permit as readonly [Values];
  const [to, amount] = details as Values;
  return transfer(context, token, owner, to, amount);
}

/** Lists of unequal length make the call fail. */
function permittedAll(
  context: CallContext,
  permit: AbiValue | undefined,
  details: AbiValue | undefined,
  owner: AbiValue | undefined,
): readonly Outflow[] {
  const [tokens] = permit as readonly [readonly Values[]];
  return (details as readonly Values[]).flatMap(([to, amount], index) => {
    const token = tokens[index];
    return token === undefined ? [] : [transfer(context, token[0], owner, to, amount)];
  });
}
