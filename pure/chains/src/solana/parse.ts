import { base58Encode } from '@keystead/crypto/base58';
import { equalBytes, utf8Decode } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import type { ParseContext, ParsedTransaction, RawSignature, SigningAccount } from '../chain.ts';
import { checkEffectsSize } from '../effects-size.ts';
import { ChainError } from '../error.ts';
import { StepBudget } from '../step-budget.ts';
import { readAssociatedToken } from './associated-token.ts';
import { readFee } from './compute-budget.ts';
import { readDescribed } from './described-instruction.ts';
import { type AccountReference, EffectsCollector, type Instruction } from './instruction.ts';
import { decodeEnvelope, encodeTransaction, type Message } from './message.ts';
import {
  ASSOCIATED_TOKEN_PROGRAM,
  COMPUTE_BUDGET_PROGRAM,
  MEMO_PROGRAMS,
  PRECOMPILES,
  SOL,
  STAKE_PROGRAM,
  SYSTEM_PROGRAM,
  TOKEN_2022_PROGRAM,
  TOKEN_PROGRAM,
} from './programs.ts';
import { readStake } from './stake.ts';
import { durableNonceAccount, readSystem } from './system.ts';
import { collectWrapped, readToken } from './token.ts';

const LONGEST_MEMO_BYTES = 1000;
/** Data of unknown instructions that stands in the effects. */
const MOST_SHOWN_BYTES = 256;
/** A packet of 1,232 bytes with a hundred derivations stays below. */
const MOST_STEPS = 60_000;

/**
 * Accounts in the order in which instructions number them. An entry of a lookup table has an address only where the
 * context gives the table's contents.
 */
function referencesOf(
  message: Message,
  ours: number,
  tables: ParseContext['lookupTables'],
): AccountReference[] {
  const references: AccountReference[] = message.accountKeys.map((key, i) => {
    const address = base58Encode(key);
    return { address, label: address, signer: i < message.header.requiredSignatures, ours: i === ours };
  });
  // The runtime appends the writable entries of all tables, then the read-only ones of all tables.
  for (const kind of ['writableIndexes', 'readonlyIndexes'] as const) {
    for (const lookup of message.lookups) {
      const table = base58Encode(lookup.table);
      const entries = tables?.get(table);
      for (const index of lookup[kind]) {
        const address = entries?.[index] || null;
        if (address !== null && references.some((each) => each.address === address)) {
          throw new ChainError(
            'transaction-malformed',
            'a lookup table gives an account that is listed already',
            'addressTableLookups',
          );
        }
        const label = address ?? `${table}#${index}`;
        references.push({ address, label, signer: false, ours: false });
      }
    }
  }
  return references;
}

function readMemo(instruction: Instruction, effects: EffectsCollector): void {
  let text: string | null = null;
  try {
    text = instruction.data.length <= LONGEST_MEMO_BYTES ? utf8Decode(instruction.data) : null;
  } catch {
    text = null;
  }
  if (text === null) {
    effects.doubt(
      'malformed-instruction-data',
      `${instruction.field}.data`,
      `a memo is UTF-8 of at most ${LONGEST_MEMO_BYTES} bytes`,
    );
  }
  effects.call(instruction, 'memo', text === null ? {} : { text });
}

function readUnknownProgram(instruction: Instruction, effects: EffectsCollector): void {
  for (const description of effects.context.calls ?? []) {
    if (description.chain === 'solana' && readDescribed(instruction, effects, description)) return;
  }
  const signs = instruction.accounts.some((account) => account.ours);
  effects.call(instruction, null, {
    accounts: instruction.accounts.map((account) => account.label).join(','),
    data: hexEncode(instruction.data.subarray(0, MOST_SHOWN_BYTES)),
    discriminator: String(instruction.data[0] ?? ''),
    usesSigner: String(signs),
  });
  effects.doubt(
    'unknown-program',
    instruction.field,
    signs
      ? `program ${instruction.program} receives our signature and can move whatever it authorises`
      : `program ${instruction.program} has no defined meaning here`,
    instruction.program,
  );
}

const READERS: ReadonlyMap<string, (instruction: Instruction, effects: EffectsCollector) => void> = new Map([
  [SYSTEM_PROGRAM, readSystem],
  [TOKEN_PROGRAM, readToken],
  [TOKEN_2022_PROGRAM, readToken],
  [ASSOCIATED_TOKEN_PROGRAM, readAssociatedToken],
  [STAKE_PROGRAM, readStake],
]);

function readInstruction(instruction: Instruction, effects: EffectsCollector): void {
  effects.steps.spend(1 + instruction.accounts.length + instruction.data.length, instruction.field);
  const read = READERS.get(instruction.program);
  const precompile = PRECOMPILES.get(instruction.program);
  if (read !== undefined) {
    read(instruction, effects);
  } else if (precompile !== undefined) {
    effects.call(instruction, precompile, { signatures: String(instruction.data[0] ?? 0) });
  } else if (MEMO_PROGRAMS.includes(instruction.program)) {
    readMemo(instruction, effects);
  } else if (instruction.program !== COMPUTE_BUDGET_PROGRAM) {
    readUnknownProgram(instruction, effects);
  }
}

/**
 * Effects and signing input of a wire transaction or of a bare legacy or v0 message. The signing input is the message.
 * Throws ChainError `transaction-malformed`, `transaction-version-unsupported`, `transaction-not-ours`,
 * `transaction-unsafe` or `transaction-too-complex`.
 */
export function parseTransaction(
  bytes: Uint8Array,
  account: SigningAccount,
  context: ParseContext = {},
): ParsedTransaction {
  const steps = context.steps ?? new StepBudget(MOST_STEPS);
  const envelope = decodeEnvelope(bytes, steps);
  const { message, messageBytes } = envelope;
  const slot = message.accountKeys.findIndex((key) => equalBytes(key, account.publicKey));
  if (slot < 0 || slot >= message.header.requiredSignatures) {
    throw new ChainError('transaction-not-ours', 'our key is not among the signers', 'accountKeys');
  }
  const references = referencesOf(message, slot, context.lookupTables);
  const instructions: Instruction[] = message.instructions.map((compiled, i) => ({
    field: `instructions[${i}]`,
    program: references[compiled.programIndex]!.label,
    accounts: Array.from(compiled.accountIndexes, (index) => references[index]!),
    data: compiled.data,
  }));

  const effects = new EffectsCollector(references[slot]!.label, steps, context);
  const fee = readFee(instructions, message.header.requiredSignatures, effects);
  for (const instruction of instructions) {
    steps.spend(1);
    if (instruction.program === TOKEN_PROGRAM) collectWrapped(instruction, effects.wrapped);
  }
  for (const instruction of instructions) readInstruction(instruction, effects);

  const blockhash = base58Encode(message.recentBlockhash);
  const first = instructions[0];
  const nonceAccount = first?.program === SYSTEM_PROGRAM ? durableNonceAccount(first) : null;
  if (nonceAccount !== null) {
    effects.doubt(
      'durable-nonce',
      'instructions[0]',
      'the transaction never expires and can be used at any later time',
      nonceAccount,
    );
  }

  return {
    chain: 'solana',
    effects: checkEffectsSize({
      chain: 'solana',
      network: null,
      version: message.version,
      signers: references.slice(0, message.header.requiredSignatures).map((each) => each.label),
      feePayer: references[0]!.label,
      maxFee: { asset: SOL, amount: fee },
      outflows: effects.outflows,
      grants: effects.grants,
      takeovers: effects.takeovers,
      validity: {
        uniqueness: nonceAccount === null ? 'blockhash' : 'durable-nonce',
        key: nonceAccount === null ? blockhash : `${nonceAccount}:${blockhash}`,
        notBefore: null,
        notAfter: null,
      },
      unresolved: effects.unresolved,
      calls: effects.calls,
    }),
    signingInputs: [{ algorithm: 'ed25519', bytes: messageBytes }],
    assemble(signatures: readonly RawSignature[]) {
      const ours = signatures[0]?.bytes;
      if (signatures.length !== 1 || ours?.length !== 64) {
        throw new RangeError('one Ed25519 signature of 64 bytes is needed');
      }
      const slots = envelope.signatures.map((signature, i) => (i === slot ? ours : signature));
      const payer = slots[0]!;
      return {
        transaction: encodeTransaction(slots, messageBytes),
        signature: ours,
        id: () => (payer.some((byte) => byte !== 0) ? base58Encode(payer) : null),
      };
    },
  };
}
