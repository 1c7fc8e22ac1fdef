/** Calls that make a contract account act: Safe, ERC-4337 accounts and entry points, ERC-7579, ERC-7821. */
import { hexEncode } from '@keystead/crypto/hex';
import type { Outflow, Unresolved } from '../../effects.ts';
import { ChainError } from '../../error.ts';
import type { StepBudget } from '../../step-budget.ts';
import { type AbiValue, decodeArguments, parseSignature } from '../abi.ts';
import { checksumAddress } from '../address.ts';
import { nativeAsset, tokenAsset } from '../asset.ts';
import type { CallContext, Consequences, InnerCall } from '../call-reader.ts';
import { ENTRY_POINTS, type EntryPoint } from '../chain-parameters.ts';
import { bytesToInteger } from '../rlp.ts';
import { type OperationTerms, packedTerms, unpackedTerms } from '../user-operation-terms.ts';
import type { CallDefinition } from './known.ts';
import { assetOfToken } from './token.ts';

type Values = readonly AbiValue[];

const CALL_LIST = '(address target,uint256 value,bytes data)[] calls';
const OPERATION = 'address sender,uint256 nonce,bytes initCode,bytes callData';
/** Of entry point 0.6. */
const UNPACKED_OPERATION = `(${OPERATION},uint256 callGasLimit,uint256 verificationGasLimit,uint256 preVerificationGas,uint256 maxFeePerGas,uint256 maxPriorityFeePerGas,bytes paymasterAndData,bytes signature)`;
/** Of entry points from 0.7 on. */
const PACKED_OPERATION = `(${OPERATION},bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData,bytes signature)`;
const ZERO_ADDRESS = `0x${'0'.repeat(40)}`;
/** What a Safe uses around the inner call and charges for: the call itself, its data, events. */
const SAFE_OVERHEAD_GAS = 100_000n;
const SAFE_GAS_PER_BYTE = 32n;

export const ACCOUNT_CALLS: readonly CallDefinition[] = [
  [
    'safe.execTransaction',
    'execTransaction(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,address gasToken,address refundReceiver,bytes signatures)',
    ([to, value, data, operation, safeTxGas, baseGas, gasPrice, gasToken, refundReceiver], context) => {
      const safe = context.self;
      const refund = safeRefund(context.network, safe, {
        gas: (context.gasLimit ?? (safeTxGas as bigint)) + (baseGas as bigint),
        dataLength: (data as Uint8Array).length,
        gasPrice: gasPrice as bigint,
        gasToken: gasToken as string,
        receiver: refundReceiver as string,
      });
      return {
        outflows: refund,
        ...safeCall(safe, to as string, value as bigint, data as Uint8Array, operation as bigint),
      };
    },
  ],
  [
    'safe.execTransactionFromModule',
    'execTransactionFromModule(address to,uint256 value,bytes data,uint8 operation)',
    ([to, value, data, operation], { self }) =>
      safeCall(self, to as string, value as bigint, data as Uint8Array, operation as bigint),
  ],
  [
    'safe.multiSend',
    'multiSend(bytes transactions)',
    // Run by a Safe as its own code, the caller is the Safe; called from outside, it acts for itself.
    ([transactions], context) => unpackMultiSend(transactions as Uint8Array, context),
  ],
  [
    'account.execute',
    'execute(address target,uint256 value,bytes data)',
    ([target, value, data], context) => ({
      inner: [act(context.self, target as string, value as bigint, data as Uint8Array)],
    }),
  ],
  [
    'account.executeBatch',
    'executeBatch(address[] targets,bytes[] data)',
    ([targets, data], context) => together(context, targets, null, data),
  ],
  [
    'account.executeBatch',
    'executeBatch(address[] targets,uint256[] values,bytes[] data)',
    ([targets, values, data], context) => together(context, targets, values, data),
  ],
  [
    'account.executeBatch',
    `executeBatch(${CALL_LIST})`,
    ([calls], context) => ({ inner: listed(context.self, calls as readonly Values[]) }),
  ],
  [
    'erc7821.execute',
    'execute(bytes32 mode,bytes executionData)',
    ([mode, data], context) => readExecution(mode as Uint8Array, data as Uint8Array, context),
  ],
  [
    'erc4337.handleOps',
    `handleOps(${PACKED_OPERATION}[] operations,address beneficiary)`,
    ([operations, beneficiary], context) => handled([[operations!]], beneficiary, 'packed', context),
  ],
  [
    'erc4337.handleOps',
    `handleOps(${UNPACKED_OPERATION}[] operations,address beneficiary)`,
    ([operations, beneficiary], context) => handled([[operations!]], beneficiary, 'unpacked', context),
  ],
  [
    'erc4337.handleAggregatedOps',
    `handleAggregatedOps((${PACKED_OPERATION}[] operations,address aggregator,bytes signature)[] groups,address beneficiary)`,
    ([groups, beneficiary], context) => handled(groups, beneficiary, 'packed', context),
  ],
  [
    'erc4337.handleAggregatedOps',
    `handleAggregatedOps((${UNPACKED_OPERATION}[] operations,address aggregator,bytes signature)[] groups,address beneficiary)`,
    ([groups, beneficiary], context) => handled(groups, beneficiary, 'unpacked', context),
  ],
  [
    'erc4337.depositTo',
    'depositTo(address account)',
    // What comes with the call becomes the gas of another account.
    () => ({}),
  ],
  [
    'erc4337.withdrawTo',
    'withdrawTo(address withdrawAddress,uint256 amount)',
    ([to, amount], context) => {
      const leaves = (asset: string): Outflow => ({
        asset,
        amount: amount as bigint,
        from: context.caller,
        to: to as string,
        kind: 'transfer',
      });
      const coin = leaves(nativeAsset(context.network));
      // A token that wraps another one has the function too, and takes so much of itself.
      return {
        outflows: ENTRY_POINTS.has(context.contract)
          ? [coin]
          : [coin, leaves(tokenAsset(context.network, 'erc20', context.contract))],
      };
    },
  ],
];

/** One call as the contract account `caller` makes it. */
export function act(caller: string, target: string, value: bigint, data: Uint8Array): InnerCall {
  return { caller, target, value, data };
}

/** What a Safe does: a call, or with operation 1 somebody's code as its own. */
export function safeCall(
  safe: string,
  to: string,
  value: bigint,
  data: Uint8Array,
  operation: bigint,
): Consequences {
  if (operation > 1n) {
    return {
      unresolved: [{ kind: 'unknown-mode', detail: `a Safe has no operation ${operation}`, subject: safe }],
    };
  }
  // Code that runs as the Safe gets no value of its own; its calls come from the Safe.
  if (operation === 1n) return { inner: [{ caller: safe, target: to, value: 0n, data, delegated: true }] };
  return { inner: [act(safe, to, value, data)] };
}

/** A Safe with a gas price pays whoever submits the transaction, in a token of its choice. */
export function safeRefund(
  network: string,
  safe: string,
  refund: {
    readonly gas: bigint;
    readonly dataLength: number;
    readonly gasPrice: bigint;
    readonly gasToken: string;
    readonly receiver: string;
  },
): readonly Outflow[] {
  if (refund.gasPrice === 0n) return [];
  const overhead = SAFE_OVERHEAD_GAS + SAFE_GAS_PER_BYTE * BigInt(refund.dataLength);
  return [
    {
      asset: assetOfToken(network, refund.gasToken),
      amount: (refund.gas + overhead) * refund.gasPrice,
      from: safe,
      to: refund.receiver === ZERO_ADDRESS ? null : refund.receiver,
      kind: 'other',
    },
  ];
}

/** Packed: operation (1 byte), target (20), value (32), length (32), data. */
function unpackMultiSend(transactions: Uint8Array, context: CallContext): Consequences {
  const inner: InnerCall[] = [];
  const malformed = (detail: string) => new ChainError('transaction-malformed', detail, context.field);
  let at = 0;
  while (at < transactions.length) {
    if (at + 85 > transactions.length) throw malformed('a transaction of a multiSend ends early');
    const operation = transactions[at]!;
    if (operation > 1) throw malformed('a transaction of a multiSend is neither a call nor a delegatecall');
    const target = checksumAddress(transactions.subarray(at + 1, at + 21));
    const value = bytesToInteger(transactions.subarray(at + 21, at + 53));
    const length = bytesToInteger(transactions.subarray(at + 53, at + 85));
    at += 85;
    if (length > BigInt(transactions.length - at)) {
      throw malformed('a transaction of a multiSend ends early');
    }
    const data = transactions.subarray(at, at + Number(length));
    at += Number(length);
    inner.push({
      caller: context.self,
      target,
      value: operation === 1 ? 0n : value,
      data,
      delegated: operation === 1,
    });
    // The reader refuses so many; what follows need not be unpacked.
    if (inner.length > 128) break;
  }
  return { inner };
}

function listed(account: string, calls: readonly Values[]): InnerCall[] {
  return calls.map(([target, value, data]) =>
    act(account, target as string, value as bigint, data as Uint8Array),
  );
}

/** Lists of unequal length make the call fail. */
function together(
  context: CallContext,
  targets: AbiValue | undefined,
  values: AbiValue | null | undefined,
  data: AbiValue | undefined,
): Consequences {
  const amounts = (values ?? []) as readonly bigint[];
  const bytes = data as readonly Uint8Array[];
  return {
    inner: (targets as readonly string[]).map((target, index) =>
      act(context.self, target, amounts[index] ?? 0n, bytes[index] ?? new Uint8Array(0)),
    ),
  };
}

const CALLS = parseSignature(`f(${CALL_LIST})`).fields;
const CALLS_AND_DATA = parseSignature(`f(${CALL_LIST},bytes opData)`).fields;
const BATCHES = parseSignature('f(bytes[] batches)').fields;

/**
 * ERC-7579 modes (call type, execution type, 4 unused bytes, 4 of mode selector, 22 of payload) and those of ERC-7821,
 * which has the same selector: a list of calls, the same with data for the account's own check, and a list of those.
 */
function readExecution(mode: Uint8Array, data: Uint8Array, context: CallContext): Consequences {
  const account = context.self;
  const [callType, executionType] = mode;
  const selector = hexEncode(mode.subarray(6, 10));
  const unused = [...mode.subarray(2, 6), ...mode.subarray(10)];
  const options = { field: `${context.field}.executionData`, steps: context.steps };
  const ordinary = unused.every((byte) => byte === 0) && executionType! <= 1;
  if (ordinary && callType === 0x01 && selector === '00000000') {
    const [calls] = decodeArguments(CALLS, data, options);
    return { inner: listed(account, ownTargets(calls as readonly Values[], account)) };
  }
  if (ordinary && callType === 0x01 && selector === '78210001') {
    return { inner: listed(account, ownTargets(callsWithData(data, options), account)) };
  }
  if (ordinary && callType === 0x01 && selector === '78210002') {
    const [batches] = decodeArguments(BATCHES, data, options);
    return {
      inner: (batches as readonly Uint8Array[]).flatMap((batch) =>
        listed(account, ownTargets(callsWithData(batch, options), account)),
      ),
    };
  }
  if (ordinary && selector === '00000000' && (callType === 0x00 || callType === 0xff)) {
    const delegated = callType === 0xff;
    const head = delegated ? 20 : 52;
    if (data.length < head) {
      throw new ChainError('transaction-malformed', 'the execution data ends early', options.field);
    }
    const target = checksumAddress(data.subarray(0, 20));
    const value = delegated ? 0n : bytesToInteger(data.subarray(20, 52));
    return { inner: [{ caller: account, target, value, data: data.subarray(head), delegated }] };
  }
  const detail = `the mode 0x${hexEncode(mode)} has no defined meaning here`;
  return { unresolved: [{ kind: 'unknown-mode', detail, subject: account }] };
}

/** The data for the account's check may be left out. */
function callsWithData(
  data: Uint8Array,
  options: { readonly field: string; readonly steps: StepBudget },
): readonly Values[] {
  // The first offset tells both forms apart: one head word, or two.
  const withData = data.length >= 32 && data[31] === 0x40;
  const [calls] = decodeArguments(withData ? CALLS_AND_DATA : CALLS, data, options);
  return calls as readonly Values[];
}

/** ERC-7821 lets the zero address stand for the account itself. */
function ownTargets(calls: readonly Values[], account: string): readonly Values[] {
  return calls.map(([target, value, data]) => [target === ZERO_ADDRESS ? account : target!, value!, data!]);
}

/**
 * Operations of accounts, in groups with an aggregator or without. The entry point calls each on its sender, and pays the
 * beneficiary with the gas that sender or paymaster left with it.
 */
function handled(
  groups: AbiValue | undefined,
  beneficiary: AbiValue | undefined,
  form: EntryPoint['form'],
  context: CallContext,
): Consequences {
  const outflows: Outflow[] = [];
  const unresolved: Omit<Unresolved, 'field'>[] = [];
  const inner: InnerCall[] = [];
  if (ENTRY_POINTS.get(context.contract)?.form !== form) {
    const detail = `${context.contract} is no entry point that is known to take operations of this form`;
    unresolved.push({ kind: 'unknown-entry-point', detail, subject: context.contract });
  }
  for (const [operations, aggregator = ZERO_ADDRESS] of groups as readonly Values[]) {
    if (aggregator !== ZERO_ADDRESS) {
      unresolved.push({
        kind: 'aggregator',
        detail: `${aggregator as string} answers for the signatures of operations`,
        subject: aggregator as string,
      });
    }
    for (const operation of operations as readonly Values[]) {
      const sender = operation[0] as string;
      const { mostCost, paymaster, doubts } = form === 'packed' ? packed(operation) : unpacked(operation);
      for (const { kind, detail, subject } of doubts) unresolved.push({ kind, detail, subject });
      if (mostCost > 0n) {
        outflows.push({
          asset: nativeAsset(context.network),
          amount: mostCost,
          from: paymaster ?? sender,
          to: beneficiary as string,
          kind: 'other',
        });
      }
      inner.push(act(context.self, sender, 0n, operation[3] as Uint8Array));
    }
  }
  return { outflows, unresolved, inner };
}

function packed(operation: Values): OperationTerms {
  const [, , initCode, , accountGasLimits, preVerificationGas, gasFees, paymasterAndData] = operation;
  return packedTerms({
    initCode: initCode as Uint8Array,
    accountGasLimits: accountGasLimits as Uint8Array,
    preVerificationGas: preVerificationGas as bigint,
    gasFees: gasFees as Uint8Array,
    paymasterAndData: paymasterAndData as Uint8Array,
  });
}

function unpacked(operation: Values): OperationTerms {
  const [, , initCode, , callGas, verificationGas, preVerificationGas, maxFeePerGas, , paymasterAndData] =
    operation;
  return unpackedTerms({
    initCode: initCode as Uint8Array,
    callGasLimit: callGas as bigint,
    verificationGasLimit: verificationGas as bigint,
    preVerificationGas: preVerificationGas as bigint,
    maxFeePerGas: maxFeePerGas as bigint,
    paymasterAndData: paymasterAndData as Uint8Array,
  });
}
