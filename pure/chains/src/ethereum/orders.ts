/** Orders that exchanges fill on a signature alone: what is offered leaves, what comes back is not looked at. */
import type { Outflow } from '../effects.ts';
import { checksumAddress, parseAddress } from './address.ts';
import { atLeastOne, nativeAsset, tokenAsset } from './asset.ts';
import type { Decoded, Struct } from './typed-data-effects.ts';

const SEAPORT_ITEMS =
  'ConsiderationItem(uint8 itemType,address token,uint256 identifierOrCriteria,uint256 startAmount,uint256 endAmount,address recipient)OfferItem(uint8 itemType,address token,uint256 identifierOrCriteria,uint256 startAmount,uint256 endAmount)';
const SEAPORT = `OrderComponents(address offerer,address zone,OfferItem[] offer,ConsiderationItem[] consideration,uint8 orderType,uint256 startTime,uint256 endTime,bytes32 zoneHash,uint256 salt,bytes32 conduitKey,uint256 counter)${SEAPORT_ITEMS}`;
const COW =
  'Order(address sellToken,address buyToken,address receiver,uint256 sellAmount,uint256 buyAmount,uint32 validTo,bytes32 appData,uint256 feeAmount,string kind,bool partiallyFillable,string sellTokenBalance,string buyTokenBalance)';
const ZERO_EX_LIMIT =
  'LimitOrder(address makerToken,address takerToken,uint128 makerAmount,uint128 takerAmount,uint128 takerTokenFeeAmount,address maker,address taker,address sender,address feeRecipient,bytes32 pool,uint64 expiry,uint256 salt)';
const ZERO_EX_RFQ =
  'RfqOrder(address makerToken,address takerToken,uint128 makerAmount,uint128 takerAmount,address maker,address taker,address txOrigin,bytes32 pool,uint64 expiry,uint256 salt)';

/** `encodeType` of every order that is read, by the name of its call. */
export const ORDER_TYPES: ReadonlyMap<string, string> = new Map([
  ['seaport.Order', SEAPORT],
  ['cow.Order', COW],
  ['0x.LimitOrder', ZERO_EX_LIMIT],
  ['0x.RfqOrder', ZERO_EX_RFQ],
]);

/** What an order offers, or null when the type is of no known order. `signer` may be empty. */
export function orderOf(
  typeText: string,
  message: Struct,
  networkId: string,
  signer: string,
): Decoded | null {
  switch (typeText) {
    case SEAPORT:
      return seaportOrder(message, networkId);
    case COW:
      return {
        name: 'cow.Order',
        owner: signer === '' ? undefined : signer,
        outflows: [
          swap(
            tokenAsset(networkId, 'erc20', address(message.sellToken)),
            integer(message.sellAmount) + integer(message.feeAmount),
            signer,
          ),
        ],
        nonce: String(message.appData).toLowerCase(),
        notAfter: integer(message.validTo),
      };
    case ZERO_EX_LIMIT:
    case ZERO_EX_RFQ:
      return {
        name: typeText === ZERO_EX_RFQ ? '0x.RfqOrder' : '0x.LimitOrder',
        owner: address(message.maker),
        outflows: [
          swap(
            tokenAsset(networkId, 'erc20', address(message.makerToken)),
            integer(message.makerAmount),
            address(message.maker),
          ),
        ],
        nonce: String(integer(message.salt)),
        notAfter: integer(message.expiry),
      };
    default:
      return null;
  }
}

function seaportOrder(message: Struct, networkId: string): Decoded {
  const offerer = address(message.offerer);
  return {
    name: 'seaport.Order',
    owner: offerer,
    outflows: (message.offer as readonly Struct[]).map((item) => offered(item, networkId, offerer)),
    nonce: `${integer(message.counter)}:${integer(message.salt)}`,
    notBefore: integer(message.startTime),
    notAfter: integer(message.endTime),
  };
}

/** Item types: 0 native, 1 ERC-20, 2 ERC-721, 3 ERC-1155, 4 and 5 any token of a collection that meets a criterion. */
function offered(item: Struct, networkId: string, offerer: string): Outflow {
  const type = integer(item.itemType);
  const contract = address(item.token);
  const [start, end] = [integer(item.startAmount), integer(item.endAmount)];
  // The amount moves from one to the other in the order's time.
  const amount = start > end ? start : end;
  const id = integer(item.identifierOrCriteria);
  switch (type) {
    case 0n:
      return swap(nativeAsset(networkId), amount, offerer);
    case 1n:
      return swap(tokenAsset(networkId, 'erc20', contract), amount, offerer);
    case 2n:
      return swap(tokenAsset(networkId, 'erc721', contract, id), amount, offerer);
    case 3n:
      return swap(tokenAsset(networkId, 'erc1155', contract, id), amount, offerer);
    case 4n:
      return swap(tokenAsset(networkId, 'erc721', contract), amount, offerer);
    case 5n:
      return swap(tokenAsset(networkId, 'erc1155', contract), amount, offerer);
    default:
      return swap(tokenAsset(networkId, 'erc20', contract), 'unbounded', offerer);
  }
}

function swap(asset: string, amount: Outflow['amount'], from: string): Outflow {
  const counted = amount === 'unbounded' ? amount : atLeastOne(amount);
  return { asset, amount: counted, from, to: null, kind: 'swap' };
}

function address(value: unknown): string {
  return checksumAddress(parseAddress(value as string));
}

function integer(value: unknown): bigint {
  return BigInt(value as string | number | bigint);
}
