import { base58Encode } from '@keystead/crypto/base58';
import type { Call, Grant, Outflow, Takeover, Unresolved } from '../effects.ts';

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

  unsigned(length: 1 | 2 | 4 | 8): bigint {
    let value = 0n;
    for (const byte of this.bytes(length).toReversed()) value = (value << 8n) | BigInt(byte);
    return value;
  }

  u8(): number {
    return Number(this.unsigned(1));
  }

  u32(): number {
    return Number(this.unsigned(4));
  }

  u64(): bigint {
    return this.unsigned(8);
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
  /** Token accounts whose lamports some instruction of this transaction turns into wrapped SOL. */
  readonly wrapped = new Set<string>();

  constructor(ours: string) {
    this.ours = ours;
  }

  doubt(kind: string, field: string, detail: string): void {
    this.unresolved.push({ kind, field, detail });
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
      );
    }
    return account.address;
  }

  unknownInstruction(instruction: Instruction, program: string, discriminator: number): void {
    this.call(instruction, null, { program, discriminator: String(discriminator) });
    this.doubt(
      'unknown-instruction',
      instruction.field,
      `instruction ${discriminator} of the ${program} program has no defined meaning here`,
    );
  }
}
