import type { Unresolved } from '../effects.ts';
import { checksumAddress } from './address.ts';
import { bytesToInteger } from './rlp.ts';

/** What a user operation of ERC-4337 costs at most, who pays that, and who else has a say. */
export interface OperationTerms {
  /** Wei. */
  readonly mostCost: bigint;
  /** EIP-55 text of a paymaster, or null where the sender pays. */
  readonly paymaster: string | null;
  readonly doubts: readonly (Required<Omit<Unresolved, 'field'>> & {
    readonly field: 'paymasterAndData' | 'initCode';
  })[];
}

/** Fields as entry point 0.6 takes them. */
export interface UnpackedFields {
  readonly initCode: Uint8Array;
  readonly callGasLimit: bigint;
  readonly verificationGasLimit: bigint;
  readonly preVerificationGas: bigint;
  readonly maxFeePerGas: bigint;
  /** Paymaster (20 bytes) and its data, or empty. */
  readonly paymasterAndData: Uint8Array;
}

/** Fields as entry points from 0.7 on take them. */
export interface PackedFields {
  /** Factory (20 bytes) and its data, or empty. */
  readonly initCode: Uint8Array;
  /** Gas of verification (16 bytes) and of the call (16). */
  readonly accountGasLimits: Uint8Array;
  readonly preVerificationGas: bigint;
  /** Priority fee (16 bytes) and most per gas (16). */
  readonly gasFees: Uint8Array;
  /** Paymaster (20 bytes), its gas of verification (16) and afterwards (16), and its data; or empty. */
  readonly paymasterAndData: Uint8Array;
}

const PAYMASTER_HEAD = 52;

/** With a paymaster entry point 0.6 lets verification, the call and what follows it use the limit of verification each. */
export function unpackedTerms(fields: UnpackedFields): OperationTerms {
  const paid = fields.paymasterAndData.length > 0;
  const gas =
    fields.callGasLimit + fields.preVerificationGas + fields.verificationGasLimit * (paid ? 3n : 1n);
  return terms(fields, gas * fields.maxFeePerGas, 20);
}

export function packedTerms(fields: PackedFields): OperationTerms {
  const { accountGasLimits, paymasterAndData } = fields;
  let gas = halves(accountGasLimits) + fields.preVerificationGas;
  if (paymasterAndData.length >= PAYMASTER_HEAD) gas += halves(paymasterAndData.subarray(20, PAYMASTER_HEAD));
  return terms(fields, gas * bytesToInteger(fields.gasFees.subarray(16)), PAYMASTER_HEAD);
}

function halves(word: Uint8Array): bigint {
  return bytesToInteger(word.subarray(0, 16)) + bytesToInteger(word.subarray(16));
}

function terms(
  { initCode, paymasterAndData }: Pick<PackedFields, 'initCode' | 'paymasterAndData'>,
  mostCost: bigint,
  paymasterHead: number,
): OperationTerms {
  const doubts: OperationTerms['doubts'][number][] = [];
  let paymaster: string | null = null;
  if (paymasterAndData.length > 0) {
    // Entry points refuse what is too short for a paymaster; it has no name then.
    if (paymasterAndData.length >= paymasterHead) {
      paymaster = checksumAddress(paymasterAndData.subarray(0, 20));
    }
    doubts.push({
      kind: 'paymaster',
      field: 'paymasterAndData',
      detail: `${paymaster ?? 'a paymaster'} may take its pay`,
      subject: paymaster ?? '',
    });
  }
  if (initCode.length > 0) {
    const factory = initCode.length < 20 ? '' : checksumAddress(initCode.subarray(0, 20));
    doubts.push({
      kind: 'account-deployment',
      field: 'initCode',
      detail: `${factory || 'a factory'} makes the account`,
      subject: factory,
    });
  }
  return { mostCost, paymaster, doubts };
}
