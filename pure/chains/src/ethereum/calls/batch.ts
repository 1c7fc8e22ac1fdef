/** Calls that make other calls on behalf of whoever calls them. */
import type { AbiValue } from '../abi.ts';
import type { CallContext, Consequences, InnerCall } from '../call-reader.ts';
import { isMulticall3 } from '../chain-parameters.ts';
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
    ([calls], context) => outward(context, calls, ([target, data]) => [target!, true, 0n, data!]),
  ],
  [
    'multicall3.tryAggregate',
    'tryAggregate(bool requireSuccess,(address target,bytes callData)[] calls)',
    ([, calls], context) => outward(context, calls, ([target, data]) => [target!, true, 0n, data!]),
  ],
  [
    'multicall3.aggregate3',
    'aggregate3((address target,bool allowFailure,bytes callData)[] calls)',
    ([calls], context) =>
      outward(context, calls, ([target, mayFail, data]) => [target!, mayFail!, 0n, data!]),
  ],
  [
    'multicall3.aggregate3Value',
    'aggregate3Value((address target,bool allowFailure,uint256 value,bytes callData)[] calls)',
    ([calls], context) =>
      outward(context, calls, ([target, mayFail, value, data]) => [target!, mayFail!, value!, data!]),
  ],
];

/** The contract calls its own functions as though the caller had called them. */
function itself(data: AbiValue | undefined, { caller, target }: CallContext): Consequences {
  return {
    inner: (data as readonly Uint8Array[]).map((each) => ({ caller, target, value: 0n, data: each })),
  };
}

/**
 * The contract calls others, as itself, with what came with the call. Of Multicall3 alone it is known that it does, or
 * fails: another contract may keep what it is sent, whoever its data names. What a call that may fail was to get stays.
 */
function outward(
  context: CallContext,
  calls: AbiValue | undefined,
  partsOf: (call: Values) => readonly [target: AbiValue, mayFail: AbiValue, value: AbiValue, data: AbiValue],
): Consequences {
  const parts = (calls as readonly Values[]).map(partsOf);
  const inner = parts.map(
    ([target, , value, data]): InnerCall => ({
      caller: context.self,
      target: target as string,
      value: value as bigint,
      data: data as Uint8Array,
    }),
  );
  if (!isMulticall3(context.network, context.contract)) return { inner };
  const passesOn = parts.reduce(
    (sum, [, mayFail, value]) => (mayFail === true ? sum : sum + (value as bigint)),
    0n,
  );
  return { inner, passesOn };
}
