import { base58Encode } from '@keystead/crypto/base58';
import type { ParseContext } from '../chain.ts';
import type { Call, Grant, Outflow, Takeover, Unresolved } from '../effects.ts';
import type { StepBudget } from '../step-budget.ts';
import { associatedTokenAddress, DERIVATION_STEPS } from './address.ts';

/** One account as an instruction names it. */
export interface AccountReference {
  /** Address text, or null when it stands in a lookup table whose contents are not in the bytes. */
  readonly address: string | null;
  /** Address text, or `table#index`. */
  readonly label: string;
  readonly signer: boolean;
  readonly ours: boolean;
}

/** An instruction, or one of a batch inside an instruction. */
export interface Instruction {
  /** `instructions[2]` or `instructions[2].batch[0]`. */
  readonly field: string;
  readonly program: string;
  readonly accounts: readonly AccountReference[];
  readonly data: Uint8Array;
}

/** True when our key is the authority at `index`, or one of the signers of a multisignature authority after it. */
export function authorisedByUs(instruction: Instruction, index: number): boolean {
  return instruction.accounts.slice(index).some((account) => account.ours);
}

/** Reads instruction data; past the end it yields zeros and remembers that it did. */
export class DataReader {
  readonly #data: Uint8Array;
  #offset = 0;
  #short = false;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get remaining(): number {
    return Math.max(0, this.#data.length - this.#offset);
  }

  get short(): boolean {
    return this.#short;
  }

  u8(): number {
    return this.bytes(1)[0]!;
  }

  u16(): number {
    const bytes = this.bytes(2);
    return bytes[0]! | (bytes[1]! << 8);
  }

  u32(): number {
    const bytes = this.bytes(4);
    return (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0;
  }

  u64(): bigint {
    const low = this.u32();
    return (BigInt(this.u32()) << 32n) | BigInt(low);
  }

  key(): string {
    return base58Encode(this.bytes(32));
  }

  bytes(length: number): Uint8Array {
    if (length > this.remaining) {
      this.#short = true;
      this.#offset = this.#data.length;
      return new Uint8Array(Math.min(length, 32));
    }
    this.#offset += length;
    return this.#data.subarray(this.#offset - length, this.#offset);
  }
}

/** Owners at whose associated token accounts a recipient is looked for. */
const MOST_KNOWN_OWNERS = 64;

/** What is known of a token account because an instruction of the same transaction made it. */
export interface TokenAccount {
  readonly owner: string | null;
  readonly mint: string | null;
}

/** Gathers the effects of a transaction on the account that is asked to sign, instruction by instruction. */
export class EffectsCollector {
  readonly ours: string;
  readonly outflows: Outflow[] = [];
  readonly grants: Grant[] = [];
  readonly takeovers: Takeover[] = [];
  readonly unresolved: Unresolved[] = [];
  readonly calls: Call[] = [];
  /** Token accounts made by an earlier instruction of this transaction. */
  readonly tokenAccounts = new Map<string, TokenAccount>();
  /** Token accounts that an earlier instruction of this transaction gave to somebody else. */
  readonly disowned = new Set<string>();
  /** Token accounts whose lamports some instruction of this transaction turns into wrapped SOL. */
  readonly wrapped = new Set<string>();
  readonly #associated = new Map<string, string>();
  readonly steps: StepBudget;
  readonly context: ParseContext;

  constructor(ours: string, steps: StepBudget, context: ParseContext = {}) {
    this.ours = ours;
    this.steps = steps;
    this.context = context;
  }

  /** `subject` is what a rule names to accept exactly this. */
  doubt(kind: string, field: string, detail: string, subject?: string): void {
    this.unresolved.push(subject === undefined ? { kind, field, detail } : { kind, field, detail, subject });
  }

  /** Address of the associated token account of an owner, charged to the step budget once in a transaction. */
  associated(owner: string, mint: string, tokenProgram: string): string {
    const name = `${owner} ${mint} ${tokenProgram}`;
    const known = this.#associated.get(name);
    if (known !== undefined) return known;
    this.steps.spend(DERIVATION_STEPS);
    const derived = associatedTokenAddress(owner, mint, tokenProgram);
    this.#associated.set(name, derived);
    return derived;
  }

  /** Owner of a token account, where this transaction, a derivation or a trusted statement shows it; else null. */
  ownerOf(account: string, mint: string | null, tokenProgram: string): string | null {
    const made = this.tokenAccounts.get(account);
    if (made !== undefined) return made.owner;
    if (mint === null || this.disowned.has(account)) return null;
    const owners = [this.ours, ...(this.context.knownOwners ?? []).slice(0, MOST_KNOWN_OWNERS)];
    for (const owner of owners) if (account === this.associated(owner, mint, tokenProgram)) return owner;
    const stated = this.context.tokenAccounts?.get(account);
    return stated?.mint === mint ? stated.owner : null;
  }

  call(instruction: Instruction, name: string | null, details: Readonly<Record<string, string>> = {}): void {
    this.calls.push({
      target: instruction.program,
      name,
      arguments: { instruction: instruction.field, ...details },
    });
  }

  /**
   * Ends the reading of an instruction that is understood by name: false, with the doubt noted, when accounts or data
   * are missing, so that nothing can be said about it. Extra data is noted and does not end anything.
   */
  complete(instruction: Instruction, reader: DataReader, accounts: number): boolean {
    if (reader.short) {
      this.doubt(
        'malformed-instruction-data',
        `${instruction.field}.data`,
        'the instruction data ends early',
      );
      return false;
    }
    if (reader.remaining > 0) {
      this.doubt(
        'trailing-instruction-data',
        `${instruction.field}.data`,
        `${reader.remaining} bytes follow the instruction's arguments`,
      );
    }
    if (instruction.accounts.length < accounts) {
      this.doubt(
        'missing-accounts',
        `${instruction.field}.accounts`,
        `the instruction needs ${accounts} accounts and names ${instruction.accounts.length}`,
      );
      return false;
    }
    return true;
  }

  /** Address of an account that decides where something goes; null, with the doubt noted, when a table hides it. */
  resolve(instruction: Instruction, index: number): string | null {
    const account = instruction.accounts[index]!;
    if (account.address === null) {
      this.doubt(
        'lookup-table',
        `${instruction.field}.accounts[${index}]`,
        `the account is entry ${account.label} of a lookup table and not in the bytes`,
        account.label,
      );
    }
    return account.address;
  }

  unknownInstruction(instruction: Instruction, program: string, discriminator: number | string): void {
    this.call(instruction, null, { program, discriminator: String(discriminator) });
    this.doubt(
      'unknown-instruction',
      instruction.field,
      `instruction ${discriminator} of the ${program} program has no defined meaning here`,
      `${instruction.program}:${discriminator}`,
    );
  }
}
