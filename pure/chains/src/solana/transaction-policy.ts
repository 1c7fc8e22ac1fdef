import { base58Encode } from '@keystead/crypto/base58';
import { decodeEnvelope, type Message } from './message.ts';
import {
  COMPUTE_BUDGET_PROGRAM,
  STAKE_PROGRAM,
  SYSTEM_PROGRAM,
  TOKEN_2022_PROGRAM,
  TOKEN_PROGRAM,
} from './programs.ts';

/**
 * Rules about the instructions of a Solana transaction, as published clients write them in `transactionPolicy`
 * (spec/policy.md §8.1). Amounts are decimal strings.
 */
export type TransactionRule =
  | { readonly rule: 'NoSignerAccountUsage'; readonly allowlist: readonly InstructionMatcher[] }
  | { readonly rule: 'BundleSizeLimit'; readonly max: number }
  | {
      readonly rule: 'ComputeBudgetLimit';
      readonly maxComputeUnits: string | null;
      readonly maxComputeUnitPrice: string | null;
    }
  | { readonly rule: 'NoAddressLookupTables' | 'AllowAll' }
  | {
      readonly rule: 'InstructionAllowlist' | 'InstructionDenylist';
      readonly instructions: readonly InstructionMatcher[];
    };

export interface InstructionMatcher {
  readonly programId: string;
  readonly discriminator: 'Any' | { readonly Exact: number } | { readonly In: readonly number[] };
  readonly validate: readonly InstructionValidation[];
}

export type InstructionValidation =
  | {
      readonly rule: 'SystemInstructionLamportsThreshold';
      readonly min: string | null;
      readonly max: string | null;
    }
  | { readonly rule: 'SystemInstructionRecipientAllowlist'; readonly allowlist: readonly string[] }
  | {
      readonly rule: 'TransferCheckedConstraints';
      readonly min: string | null;
      readonly max: string | null;
      readonly mintAllowlist: readonly string[] | null;
      readonly recipientAllowlist: readonly string[] | null;
    };

export interface TransactionRuleBroken {
  readonly rule: TransactionRule['rule'];
  /** The part of the transaction. */
  readonly field: string;
  readonly why: string;
}

/** An instruction as rules see it. `discriminator` is null without data that holds one. */
interface Seen {
  readonly field: string;
  readonly program: string;
  readonly discriminator: number | null;
  readonly data: Uint8Array;
  /** Addresses; null for an entry of a lookup table, which the message does not carry. */
  readonly accounts: readonly (string | null)[];
}

/**
 * The first rule that a transaction breaks, or null. `ours` is the address that signs. Throws ChainError for bytes that are no
 * transaction.
 */
export function brokenTransactionRule(
  rules: readonly TransactionRule[],
  bytes: Uint8Array,
  ours: string,
): TransactionRuleBroken | null {
  const { message } = decodeEnvelope(bytes);
  const instructions = instructionsOf(message);
  for (const rule of rules) {
    const broken = brokenBy(rule, message, instructions, ours);
    if (broken !== null) return { rule: rule.rule, ...broken };
  }
  return null;
}

function brokenBy(
  rule: TransactionRule,
  message: Message,
  instructions: readonly Seen[],
  ours: string,
): { readonly field: string; readonly why: string } | null {
  switch (rule.rule) {
    case 'AllowAll':
      return null;
    case 'BundleSizeLimit':
      return rule.max >= 1 ? null : { field: 'transaction', why: 'no transaction is allowed in a request' };
    case 'NoAddressLookupTables':
      return message.lookups.length === 0
        ? null
        : { field: 'addressTableLookups', why: 'accounts come from a lookup table' };
    case 'ComputeBudgetLimit':
      return computeBudgetBroken(rule, instructions);
    case 'NoSignerAccountUsage': {
      const uses = instructions.find(
        (instruction) =>
          instruction.accounts.includes(ours) &&
          !rule.allowlist.some((matcher) => matches(matcher, instruction, false)),
      );
      return uses === undefined
        ? null
        : { field: uses.field, why: `${uses.program} receives the account that signs` };
    }
    case 'InstructionAllowlist': {
      const other = instructions.find(
        (instruction) => !rule.instructions.some((matcher) => matches(matcher, instruction, false)),
      );
      return other === undefined
        ? null
        : { field: other.field, why: `instruction ${shown(other)} is not on the list` };
    }
    case 'InstructionDenylist': {
      const denied = instructions.find((instruction) =>
        rule.instructions.some((matcher) => matches(matcher, instruction, true)),
      );
      return denied === undefined
        ? null
        : { field: denied.field, why: `instruction ${shown(denied)} is on the list` };
    }
  }
}

const shown = ({ program, discriminator }: Seen): string => `${program}:${discriminator ?? 'without data'}`;

/** Bincode programs number their instructions by 4 bytes, the others by the first byte. */
const wideDiscriminators: ReadonlySet<string> = new Set([SYSTEM_PROGRAM, STAKE_PROGRAM]);

function instructionsOf({ accountKeys, instructions }: Message): Seen[] {
  const addresses = accountKeys.map(base58Encode);
  return instructions.map(({ programIndex, accountIndexes, data }, index) => {
    const program = addresses[programIndex]!;
    const width = wideDiscriminators.has(program) ? 4 : 1;
    return {
      field: `instructions[${index}]`,
      program,
      discriminator: data.length < width ? null : Number(littleEndian(data, 0, width)),
      data,
      accounts: Array.from(accountIndexes, (place) => addresses[place] ?? null),
    };
  });
}

function littleEndian(data: Uint8Array, offset: number, width: number): bigint {
  let value = 0n;
  for (let index = width - 1; index >= 0; index -= 1) value = (value << 8n) | BigInt(data[offset + index]!);
  return value;
}

const setLimit = 2;
const setPrice = 3;
const largestUnits = 1_400_000n;
/** Of an instruction where no limit is set; built-in programs cost the runtime less, never more. */
const unitsByDefault = 200_000n;
const unitsOfBudget = 3_000n;

function computeBudgetBroken(
  rule: Extract<TransactionRule, { rule: 'ComputeBudgetLimit' }>,
  instructions: readonly Seen[],
): { readonly field: string; readonly why: string } | null {
  const budget = instructions.filter(({ program }) => program === COMPUTE_BUDGET_PROGRAM);
  const limit = budget.find(({ discriminator, data }) => discriminator === setLimit && data.length === 5);
  const price = budget.find(({ discriminator, data }) => discriminator === setPrice && data.length === 9);
  const others =
    BigInt(instructions.length - budget.length) * unitsByDefault + BigInt(budget.length) * unitsOfBudget;
  const units =
    limit === undefined ? (others < largestUnits ? others : largestUnits) : littleEndian(limit.data, 1, 4);
  if (rule.maxComputeUnits !== null && units > BigInt(rule.maxComputeUnits))
    return {
      field: limit?.field ?? 'instructions',
      why: `${units} compute units are more than ${rule.maxComputeUnits}`,
    };
  const perUnit = price === undefined ? 0n : littleEndian(price.data, 1, 8);
  if (rule.maxComputeUnitPrice !== null && perUnit > BigInt(rule.maxComputeUnitPrice))
    return {
      field: price!.field,
      why: `a compute unit price of ${perUnit} is more than ${rule.maxComputeUnitPrice}`,
    };
  return null;
}

/** `unclear`: what counts where a validation cannot be made on an instruction, so that doubt denies. */
function matches(matcher: InstructionMatcher, instruction: Seen, unclear: boolean): boolean {
  const { programId, discriminator, validate } = matcher;
  if (programId !== instruction.program) return false;
  if (discriminator !== 'Any') {
    if (instruction.discriminator === null) return unclear;
    const named = 'Exact' in discriminator ? [discriminator.Exact] : discriminator.In;
    if (!named.includes(instruction.discriminator)) return false;
  }
  return validate.every((validation) => holds(validation, instruction) ?? unclear);
}

/** Null where the instruction has nothing that the validation is about. */
function holds(validation: InstructionValidation, instruction: Seen): boolean | null {
  switch (validation.rule) {
    case 'SystemInstructionLamportsThreshold': {
      const lamports = systemPayment(instruction)?.lamports;
      return lamports === undefined ? null : isBetween(lamports, validation.min, validation.max);
    }
    case 'SystemInstructionRecipientAllowlist': {
      const recipient = systemPayment(instruction)?.recipient;
      return recipient == null ? null : validation.allowlist.includes(recipient);
    }
    case 'TransferCheckedConstraints': {
      const { program, discriminator, data, accounts } = instruction;
      const isTransfer =
        (program === TOKEN_PROGRAM || program === TOKEN_2022_PROGRAM) &&
        discriminator === 12 &&
        data.length === 10;
      const [, mint, recipient] = accounts;
      if (!isTransfer || mint == null || recipient == null) return null;
      const { min, max, mintAllowlist, recipientAllowlist } = validation;
      return (
        isBetween(littleEndian(data, 1, 8), min, max) &&
        (mintAllowlist === null || mintAllowlist.includes(mint)) &&
        (recipientAllowlist === null || recipientAllowlist.includes(recipient))
      );
    }
  }
}

const isBetween = (value: bigint, min: string | null, max: string | null): boolean =>
  (min === null || value >= BigInt(min)) && (max === null || value <= BigInt(max));

/** Lamports that an instruction of the System program moves, and the account that receives them. */
function systemPayment({
  program,
  discriminator,
  data,
  accounts,
}: Seen): { readonly lamports: bigint; readonly recipient: string | null } | undefined {
  if (program !== SYSTEM_PROGRAM) return undefined;
  const payment = (offset: number, recipient: number) =>
    data.length < offset + 8
      ? undefined
      : { lamports: littleEndian(data, offset, 8), recipient: accounts[recipient] ?? null };
  switch (discriminator) {
    // CreateAccount and Transfer pay the second account; WithdrawNonceAccount does too.
    case 0:
    case 2:
    case 5:
      return payment(4, 1);
    // CreateAccountWithSeed: base, then a string, then lamports.
    case 3: {
      const seedAt = 4 + 32;
      if (data.length < seedAt + 8) return undefined;
      const length = littleEndian(data, seedAt, 8);
      return length > 32n ? undefined : payment(seedAt + 8 + Number(length), 1);
    }
    // TransferWithSeed pays the third account.
    case 11:
      return payment(4, 2);
    default:
      return undefined;
  }
}
