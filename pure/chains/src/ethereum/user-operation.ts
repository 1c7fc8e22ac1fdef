import type { ParseContext } from '../chain.ts';
import type { Unresolved } from '../effects.ts';
import type { StepBudget } from '../step-budget.ts';
import { CallReader } from './call-reader.ts';
import { ENTRY_POINTS } from './chain-parameters.ts';
import type { Decoded } from './typed-data-effects.ts';
import { type PackedFields, packedTerms } from './user-operation-terms.ts';

/** A user operation of ERC-4337 as it is signed for entry points from 0.8 on. */
export interface PackedUserOperation extends PackedFields {
  /** EIP-55 text. */
  readonly sender: string;
  readonly nonce: bigint;
  readonly callData: Uint8Array;
}

export const USER_OPERATION_TYPE =
  'PackedUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData)';

/**
 * What a signed user operation does: the most it pays for gas, and the calls of the account. An entry point that is not
 * known to verify typed data, a paymaster (who may be paid in tokens) and the making of the account by a factory each
 * need a rule.
 */
export function readUserOperation(
  operation: PackedUserOperation,
  {
    entryPoint,
    network,
    steps,
    context,
  }: {
    readonly entryPoint: string;
    readonly network: string;
    readonly steps: StepBudget;
    readonly context: ParseContext;
  },
): Decoded {
  const { mostCost, doubts } = packedTerms(operation);
  const unresolved: Unresolved[] = doubts.map((doubt) => ({ ...doubt, field: `message.${doubt.field}` }));
  if (ENTRY_POINTS.get(entryPoint)?.signsTypedData !== true) {
    unresolved.unshift({
      kind: 'unknown-entry-point',
      field: 'message.domain',
      detail: `${entryPoint} is no entry point that is known to verify typed data`,
      subject: entryPoint,
    });
  }
  const reader = new CallReader({ network, gasLimit: null, steps, context });
  reader.read({
    caller: entryPoint,
    target: operation.sender,
    value: 0n,
    data: operation.callData,
    field: 'message.callData',
  });
  return {
    name: 'erc4337.UserOperation',
    maxFee: mostCost,
    unresolved,
    reader,
    nonce: String(operation.nonce),
    notAfter: null,
  };
}
