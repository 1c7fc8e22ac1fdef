import { ChainError } from '../error.ts';
import { DataReader, type EffectsCollector, type Instruction } from './instruction.ts';
import { COMPUTE_BUDGET_PROGRAM, PRECOMPILES } from './programs.ts';

const LAMPORTS_PER_SIGNATURE = 5_000n;
const MICROLAMPORTS_PER_LAMPORT = 1_000_000n;
const UNITS_LIMIT = 1_400_000n;
const UNITS_PER_INSTRUCTION = 200_000n;
/** What the runtime adds for a built-in program, the compute-budget program itself included (SIMD-170). */
const UNITS_PER_BUILTIN = 3_000n;

const NAMES: readonly (string | null)[] = [
  null,
  'compute-budget.request-heap-frame',
  'compute-budget.set-compute-unit-limit',
  'compute-budget.set-compute-unit-price',
  'compute-budget.set-loaded-accounts-data-size-limit',
];

/**
 * Most lamports that inclusion can cost: 5,000 per signature of the transaction and of its precompile instructions,
 * and price × limit in millionths, rounded up. Notes the calls. Throws ChainError `transaction-malformed` when one
 * kind of request stands twice, which the chain refuses too.
 */
export function readFee(
  instructions: readonly Instruction[],
  signatures: number,
  effects: EffectsCollector,
): bigint {
  let paidSignatures = BigInt(signatures);
  let defaultUnits = 0n;
  let limit: bigint | null = null;
  let price = 0n;
  const seen = new Set<number>();
  for (const instruction of instructions) {
    if (PRECOMPILES.has(instruction.program)) paidSignatures += BigInt(instruction.data[0] ?? 0);
    if (instruction.program !== COMPUTE_BUDGET_PROGRAM) {
      defaultUnits += UNITS_PER_INSTRUCTION;
      continue;
    }
    defaultUnits += UNITS_PER_BUILTIN;
    const reader = new DataReader(instruction.data);
    const discriminator = reader.u8();
    const name = reader.short ? null : (NAMES[discriminator] ?? null);
    if (name === null) {
      effects.unknownInstruction(instruction, 'compute-budget', discriminator);
      continue;
    }
    if (seen.has(discriminator)) {
      throw new ChainError('transaction-malformed', `${name} stands twice`, instruction.field);
    }
    seen.add(discriminator);
    const value = discriminator === 3 ? reader.u64() : BigInt(reader.u32());
    effects.complete(instruction, reader, 0);
    effects.call(instruction, name, { discriminator: String(discriminator), value: String(value) });
    if (discriminator === 2) limit = value;
    if (discriminator === 3) price = value;
  }
  const requested = limit ?? defaultUnits;
  const units = requested > UNITS_LIMIT ? UNITS_LIMIT : requested;
  const priority = (price * units + MICROLAMPORTS_PER_LAMPORT - 1n) / MICROLAMPORTS_PER_LAMPORT;
  return paidSignatures * LAMPORTS_PER_SIGNATURE + priority;
}
