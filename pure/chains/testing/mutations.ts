/**
 * Mutated and padded encodings. A decoder that is lenient anywhere shows it here: what is accepted has to encode again
 * to the same bytes, everything else has to be a ChainError, and no input may take more steps than the budget.
 */
import { concatBytes, equalBytes } from '@keystead/crypto/bytes';
import { hexDecode, hexEncode } from '@keystead/crypto/hex';
import { bytesName } from '@keystead/crypto/recent';
import { decodePsbt, encodePsbt } from '../src/bitcoin/psbt.ts';
import type { SigningAccount } from '../src/chain.ts';
import type { ChainName } from '../src/effects.ts';
import { ChainError } from '../src/error.ts';
import { decodeArguments } from '../src/ethereum/abi.ts';
import { knownCall } from '../src/ethereum/calls/known.ts';
import { encodeCallData } from '../src/ethereum/selector.ts';
import {
  decodeAuthorizationPreimage,
  decodeUnsignedTransaction,
  type EthereumTransaction,
  encodeAuthorizationPreimage,
  encodeUnsignedTransaction,
} from '../src/ethereum/transaction.ts';
import { chainFor } from '../src/registry.ts';
import { decodeEnvelope, encodeMessage, encodeTransaction } from '../src/solana/message.ts';
import { StepBudget } from '../src/step-budget.ts';
import { decodeTransaction as decodeSui, encodeTransaction as encodeSui } from '../src/sui/transaction.ts';
import { accountOf, readCases } from './effects-cases.ts';

export const STEP_LIMIT = 60_000;

/** Numbers from a seed, the same on every machine (xorshift, 32 bits). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

export interface Sample {
  readonly name: string;
  readonly account: SigningAccount;
  readonly bytes: Uint8Array;
}

export function samplesOf(chain: ChainName): readonly Sample[] {
  return readCases()
    .filter((each) => each.chain === chain)
    .map((each) => ({ name: each.name, account: accountOf(each), bytes: hexDecode(each.bytes) }));
}

const INTERESTING = [0x00, 0x01, 0x05, 0x7f, 0x80, 0x81, 0xb8, 0xc0, 0xf8, 0xfd, 0xfe, 0xff];

/** One to three edits of a sample: padding, cuts, other bytes, runs that are repeated, moved, or of another sample. */
export function mutate(bytes: Uint8Array, other: Uint8Array, random: (below: number) => number): Uint8Array {
  let result = bytes;
  const edits = 1 + random(3);
  for (let edit = 0; edit < edits; edit++) {
    const at = random(result.length + 1);
    const before = result.subarray(0, at);
    const after = result.subarray(at);
    const length = random(Math.min(40, result.length) + 1);
    switch (random(9)) {
      case 0:
        result = concatBytes(before, Uint8Array.of(random(256)), after.subarray(1));
        break;
      case 1:
        result = concatBytes(
          before,
          Uint8Array.of(INTERESTING[random(INTERESTING.length)]!),
          after.subarray(1),
        );
        break;
      case 2:
        result = concatBytes(before, Uint8Array.of(INTERESTING[random(INTERESTING.length)]!), after);
        break;
      case 3:
        result = concatBytes(before, after.subarray(1 + random(3)));
        break;
      case 4:
        result = concatBytes(before, after.subarray(0, length), after);
        break;
      case 5:
        result = concatBytes(result, new Uint8Array(random(66)).fill(random(2) === 0 ? 0 : random(256)));
        break;
      case 6:
        result = before;
        break;
      case 7: {
        const from = random(other.length);
        result = concatBytes(before, other.subarray(from, from + length), after.subarray(length));
        break;
      }
      default: {
        const flipped = result.slice();
        if (at < flipped.length) flipped[at]! ^= 1 << random(8);
        result = flipped;
      }
    }
  }
  return result;
}

/** Edits what is in the outermost RLP list and gives the list the length that it then has, so that reading goes on. */
function mutateInside(bytes: Uint8Array, other: Uint8Array, random: (below: number) => number): Uint8Array {
  const typed = bytes[0]! < 0x80 ? 1 : 0;
  const prefix = bytes[typed]!;
  const start = typed + (prefix > 0xf7 ? 1 + prefix - 0xf7 : 1);
  const inside = mutate(bytes.subarray(start), other, random);
  return concatBytes(bytes.subarray(0, typed), rlpListHeader(inside.length), inside);
}

function rlpListHeader(length: number): Uint8Array {
  if (length <= 55) return Uint8Array.of(0xc0 + length);
  if (length <= 0xff) return Uint8Array.of(0xf8, length);
  return Uint8Array.of(0xf9, length >> 8, length & 0xff);
}

/** The call of a transaction decoded and encoded again, where it is of a function that is known. */
function withCallData(transaction: EthereumTransaction): EthereumTransaction {
  const { to, data } = transaction;
  const known = data.length < 4 ? undefined : knownCall(bytesName(data.subarray(0, 4)));
  if (to === null || known === undefined) return transaction;
  const options = { field: 'data', steps: new StepBudget(STEP_LIMIT) };
  const values = decodeArguments(known.fields, data.subarray(4), options);
  return { ...transaction, data: encodeCallData(known.signature, values) };
}

/** Decodes and encodes again. */
export function roundTrip(chain: ChainName, bytes: Uint8Array): Uint8Array {
  switch (chain) {
    case 'solana': {
      const { form, signatures, message } = decodeEnvelope(bytes);
      const messageBytes = encodeMessage(message);
      return form === 'message' ? messageBytes : encodeTransaction(signatures, messageBytes);
    }
    case 'ethereum':
      if (bytes[0] === 0x05) return encodeAuthorizationPreimage(decodeAuthorizationPreimage(bytes));
      return encodeUnsignedTransaction(withCallData(decodeUnsignedTransaction(bytes)));
    case 'bitcoin':
      return encodePsbt(decodePsbt(bytes));
    case 'sui': {
      // The intent may stand before the transaction.
      const intent = bytes.length > 5 && bytes.subarray(0, 5).every((byte) => byte === 0) ? 3 : 0;
      return concatBytes(bytes.subarray(0, intent), encodeSui(decodeSui(bytes.subarray(intent))));
    }
  }
}

export interface Outcome {
  readonly accepted: number;
  readonly refused: number;
  readonly byCode: Readonly<Record<string, number>>;
  readonly mostSteps: number;
}

/**
 * Parses `count` mutations of the chain's samples. Throws with the seed and the bytes when one raises anything but a
 * ChainError, round-trips to other bytes, or takes more steps than the limit.
 */
export function tryMutations(
  chain: ChainName,
  count: number,
  seed: number,
  each: (parse: () => void, bytes: Uint8Array) => void = (parse) => parse(),
): Outcome {
  const random = randomFrom(seed);
  const samples = samplesOf(chain);
  const byCode: Record<string, number> = {};
  let accepted = 0;
  let mostSteps = 0;
  for (let index = 0; index < count; index++) {
    const { account, bytes: original } = samples[random(samples.length)]!;
    const other = samples[random(samples.length)]!.bytes;
    const bytes =
      chain === 'ethereum' && random(2) === 0
        ? mutateInside(original, other, random)
        : mutate(original, other, random);
    const steps = new StepBudget(STEP_LIMIT);
    const fails = (why: string, cause?: unknown): Error =>
      new Error(`${chain}, seed ${seed}, mutation ${index}: ${why}: ${hexEncode(bytes)}`, { cause });
    let code: string | null = null;
    try {
      each(() => chainFor(account.addressFormat).parseTransaction(bytes, account, { steps }), bytes);
    } catch (error) {
      if (!(error instanceof ChainError)) throw fails('raised something else', error);
      code = error.code;
    }
    if (code !== 'transaction-too-complex') {
      if (steps.used > STEP_LIMIT) throw fails(`took ${steps.used} steps`);
      mostSteps = Math.max(mostSteps, steps.used);
    }
    if (code !== null) {
      byCode[code] = (byCode[code] ?? 0) + 1;
      continue;
    }
    accepted += 1;
    let again: Uint8Array;
    try {
      again = roundTrip(chain, bytes);
    } catch (error) {
      throw fails('was accepted and does not decode', error);
    }
    if (!equalBytes(again, bytes)) throw fails('encodes to other bytes');
  }
  return { accepted, refused: count - accepted, byCode, mostSteps };
}
