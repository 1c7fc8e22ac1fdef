import { concatBytes, utf8Encode } from '@keystead/crypto/bytes';
import { hexDecode } from '@keystead/crypto/hex';
import { keccak256 } from '@keystead/crypto/keccak256';
import type { ParseContext } from '../chain.ts';
import type { Unresolved } from '../effects.ts';
import type { StepBudget } from '../step-budget.ts';
import { integerWord, padLeft } from './abi.ts';
import { checksumAddress, parseAddress } from './address.ts';
import { CallReader } from './call-reader.ts';
import { ENTRY_POINTS } from './chain-parameters.ts';
import { bytesToInteger } from './rlp.ts';
import type { Decoded } from './typed-data-effects.ts';

/** A user operation of ERC-4337 as entry points from 0.7 on take it. */
export interface PackedUserOperation {
  /** EIP-55 text. */
  readonly sender: string;
  readonly nonce: bigint;
  /** Factory (20 bytes) and its data, or empty. */
  readonly initCode: Uint8Array;
  readonly callData: Uint8Array;
  /** Gas of verification (16 bytes) and of the call (16). */
  readonly accountGasLimits: Uint8Array;
  readonly preVerificationGas: bigint;
  /** Priority fee (16 bytes) and most per gas (16). */
  readonly gasFees: Uint8Array;
  /** Paymaster (20 bytes), its gas of verification (16) and afterwards (16), and its data; or empty. */
  readonly paymasterAndData: Uint8Array;
}

export const USER_OPERATION_TYPE =
  'PackedUserOperation(address sender,uint256 nonce,bytes initCode,bytes callData,bytes32 accountGasLimits,uint256 preVerificationGas,bytes32 gasFees,bytes paymasterAndData)';
const DOMAIN_TYPE = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)';

/**
 * The 32 bytes that the account's key signs, computed from the fields: for entry point 0.8 the EIP-712 digest of
 * ERC-4337, for 0.7 the hash of the packed fields with entry point and chain. A hash that somebody else computed is
 * never signed.
 * @throws TypeError for an entry point of another version
 */
export function userOperationHash(
  operation: PackedUserOperation,
  entryPoint: string,
  chainId: bigint,
): Uint8Array {
  const version = ENTRY_POINTS.get(checksumAddress(parseAddress(entryPoint)));
  const fields = [
    padLeft(parseAddress(operation.sender)),
    integerWord(operation.nonce),
    keccak256(operation.initCode),
    keccak256(operation.callData),
    operation.accountGasLimits,
    integerWord(operation.preVerificationGas),
    operation.gasFees,
    keccak256(operation.paymasterAndData),
  ];
  const contract = padLeft(parseAddress(entryPoint));
  if (version === '0.7') {
    return keccak256(concatBytes(keccak256(concatBytes(...fields)), contract, integerWord(chainId)));
  }
  if (version !== '0.8') throw new TypeError('user operations are hashed for entry points 0.7 and 0.8');
  const hash = (text: string): Uint8Array => keccak256(utf8Encode(text));
  const domain = keccak256(
    concatBytes(hash(DOMAIN_TYPE), hash('ERC4337'), hash('1'), integerWord(chainId), contract),
  );
  const struct = keccak256(concatBytes(hash(USER_OPERATION_TYPE), ...fields));
  return keccak256(concatBytes(hexDecode('1901'), domain, struct));
}

/**
 * What a signed user operation does: the most it pays for gas, and the calls of the account. An entry point that is not
 * known, a paymaster (who may be paid in tokens) and the making of the account by a factory each need a rule.
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
  const unresolved: Unresolved[] = [];
  const doubt = (kind: string, field: string, detail: string, subject: string): void => {
    unresolved.push({ kind, field: `message.${field}`, detail, subject });
  };
  if (!ENTRY_POINTS.has(entryPoint)) {
    doubt('unknown-entry-point', 'domain', `${entryPoint} is no known entry point`, entryPoint);
  }
  const { paymasterAndData, accountGasLimits, gasFees, initCode } = operation;
  const high = (word: Uint8Array): bigint => bytesToInteger(word.subarray(0, 16));
  const low = (word: Uint8Array): bigint => bytesToInteger(word.subarray(16, 32));
  let gas = high(accountGasLimits) + low(accountGasLimits) + operation.preVerificationGas;
  if (paymasterAndData.length > 0) {
    const short = paymasterAndData.length < 52;
    const paymaster = short ? '' : checksumAddress(paymasterAndData.subarray(0, 20));
    doubt('paymaster', 'paymasterAndData', `${paymaster || 'a paymaster'} may take its pay`, paymaster);
    if (!short) {
      gas +=
        bytesToInteger(paymasterAndData.subarray(20, 36)) + bytesToInteger(paymasterAndData.subarray(36, 52));
    }
  }
  if (initCode.length > 0) {
    const factory = initCode.length < 20 ? '' : checksumAddress(initCode.subarray(0, 20));
    doubt('account-deployment', 'initCode', `${factory || 'a factory'} makes the account`, factory);
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
    maxFee: gas * low(gasFees),
    unresolved,
    reader,
    nonce: String(operation.nonce),
    notAfter: null,
  };
}
