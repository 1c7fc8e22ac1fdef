import { base58Encode } from '@keystead/crypto/base58';
import { utf8Decode } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import type { BorshType, InstructionDescription } from '../call-description.ts';
import type { EffectsCollector, Instruction } from './instruction.ts';

const DEEPEST_TYPE = 8;
/** Longer byte strings stand in the effects by their first bytes; the data itself is in the transaction. */
const MOST_SHOWN_BYTES = 256;

/** Why data is not that of the description. */
class Mismatch extends Error {}

class BorshReader {
  readonly #data: Uint8Array;
  readonly #effects: EffectsCollector;
  #offset = 0;

  constructor(data: Uint8Array, effects: EffectsCollector) {
    this.#data = data;
    this.#effects = effects;
  }

  get remaining(): number {
    return this.#data.length - this.#offset;
  }

  bytes(length: number): Uint8Array {
    this.#effects.steps.spend(1 + length);
    if (length > this.remaining) throw new Mismatch('the data ends early');
    this.#offset += length;
    return this.#data.subarray(this.#offset - length, this.#offset);
  }

  unsigned(length: number): bigint {
    let value = 0n;
    for (const byte of this.bytes(length).slice().reverse()) value = (value << 8n) | BigInt(byte);
    return value;
  }

  length(): number {
    return Number(this.unsigned(4));
  }

  flag(): boolean {
    const [byte] = this.bytes(1);
    if (byte! > 1) throw new Mismatch('a flag is neither 0 nor 1');
    return byte === 1;
  }
}

function readValue(reader: BorshReader, type: BorshType, depth = 0): string {
  if (depth > DEEPEST_TYPE) throw new Mismatch('a type is nested too deeply');
  if (typeof type === 'object') {
    const element = (inner: BorshType, length: number): string => {
      // Every element takes at least a step, so that the budget ends a list of nothings.
      const elements: string[] = [];
      for (let index = 0; index < length; index++) {
        reader.bytes(0);
        elements.push(readValue(reader, inner, depth + 1));
      }
      return elements.join(',');
    };
    if ('option' in type) return reader.flag() ? readValue(reader, type.option, depth + 1) : '';
    if ('vec' in type) return element(type.vec, reader.length());
    return element(type.array[0], type.array[1]);
  }
  switch (type) {
    case 'bool':
      return String(reader.flag());
    case 'publicKey':
      return base58Encode(reader.bytes(32));
    case 'string':
      try {
        return utf8Decode(reader.bytes(reader.length()));
      } catch (error) {
        if (error instanceof Mismatch) throw error;
        throw new Mismatch('a text is not UTF-8');
      }
    case 'bytes': {
      const bytes = reader.bytes(reader.length());
      const shown = hexEncode(bytes.subarray(0, MOST_SHOWN_BYTES));
      return bytes.length > MOST_SHOWN_BYTES ? `0x${shown}…` : `0x${shown}`;
    }
    default: {
      const bits = Number(type.slice(1));
      const value = reader.unsigned(bits / 8);
      return String(type.startsWith('i') ? BigInt.asIntN(bits, value) : value);
    }
  }
}

/**
 * Reads an instruction by a description of it: `described-call` with all its fields when the data fits exactly, a doubt
 * that no rule for the description accepts when it does not. Null when the description is of another instruction.
 */
export function readDescribed(
  instruction: Instruction,
  effects: EffectsCollector,
  description: InstructionDescription,
): boolean {
  if (description.program !== instruction.program) return false;
  const discriminator = hexDecode(description.discriminator);
  if (!discriminator.every((byte, index) => instruction.data[index] === byte)) return false;
  const { name } = description;
  const details: Record<string, string> = { program: instruction.program };
  try {
    const fits = instruction.accounts.length - description.accounts.length;
    if (fits < 0 || (fits > 0 && description.moreAccounts !== true)) {
      throw new Mismatch(
        `${description.accounts.length} accounts are described, ${instruction.accounts.length} given`,
      );
    }
    for (const [index, account] of description.accounts.entries()) {
      const address = effects.resolve(instruction, index);
      details[`account.${account}`] = address ?? instruction.accounts[index]!.label;
    }
    const reader = new BorshReader(instruction.data.subarray(discriminator.length), effects);
    for (const argument of description.arguments) details[argument.name] = readValue(reader, argument.type);
    if (reader.remaining > 0) throw new Mismatch(`${reader.remaining} bytes follow the arguments`);
    effects.doubt('described-call', instruction.field, `the policy describes this as ${name}`, name);
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    effects.doubt('described-call-mismatch', instruction.field, `not ${name}: ${error.message}`);
  }
  details.usesSigner = String(instruction.accounts.some((account) => account.ours));
  effects.call(instruction, name, details);
  return true;
}
