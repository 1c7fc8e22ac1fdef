/** Calls that make other calls on behalf of whoever calls them. */
import type { AbiValue } from '../abi.ts';
import type { CallContext, Consequences, InnerCall } from '../call-reader.ts';
import type { CallDefinition } from './known.ts';

type Values = readonly AbiValue[];

export const BATCH_CALLS: readonly CallDefinition[] = [
  ['batch.multicall', 'multicall(bytes[] data)', ([data], context) => itself(data, context)],
  [
    'batch.multicall',
    'multicall(uint256 deadline,bytes[] data)',
    ([, data], context) => itself(data, context),
  ],
  [
    'batch.multicall',
    'multicall(bytes32 previousBlockhash,bytes[] data)',
    ([, data], context) => itself(data, context),
  ],
  [
    'multicall3.aggregate',
    'aggregate((address target,bytes callData)[] calls)',
    ([calls], context) => outward(context, calls, ([target, data]) => [target!, 0n, data!]),
  ],
  [
    'multicall3.tryAggregate',
    'tryAggregate(bool requireSuccess,(address target,bytes callData)[] calls)',
    ([, calls], context) => outward(context, calls, ([target, data]) => [target!, 0n, data!]),
  ],
  [
    'multicall3.aggregate3',
    'aggregate3((address target,bool allowFailure,bytes callData)[] calls)',
    ([calls], context) => outward(context, calls, ([target, , data]) => [target!, 0n, data!]),
  ],
  [
    'multicall3.aggregate3Value',
    'aggregate3Value((address target,bool allowFailure,uint256 value,bytes callData)[] calls)',
    ([calls], context) => outward(context, calls, ([target, , value, data]) => [target!, value!, data!]),
  ],
];

/** The contract calls its own functions as though the caller had called them. */
function itself(data: AbiValue | undefined, { caller, target }: CallContext): Consequences {
  return {
    inner: (data as readonly Uint8Array[]).map((each) => ({ caller, target, value: 0n, data: each })),
  };
}

/** The contract calls others, as itself, with what came with the call. */
function outward(
  context: CallContext,
  calls: AbiValue | undefined,
  partsOf: (call: Values) => readonly [target: AbiValue, value: AbiValue, data: AbiValue],
): Consequences {
  const inner = (calls as readonly Values[]).map((each): InnerCall => {
    const [target, value, data] = partsOf(each);
    return {
      caller: context.self,
      target: target as string,
      value: value as bigint,
      data: data as Uint8Array,
    };
  });
  return { inner, passesValue: true };
}
