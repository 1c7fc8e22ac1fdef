import { hexEncode } from '@keystead/crypto/hex';
import { bytesName } from '@keystead/crypto/recent';
import type { ContractCallDescription } from '../call-description.ts';
import type { ParseContext } from '../chain.ts';
import type { Call, Grant, Outflow, Takeover, Unresolved } from '../effects.ts';
import { ChainError } from '../error.ts';
import type { StepBudget } from '../step-budget.ts';
import { type AbiField, type AbiValue, decodeArguments, parseSignature } from './abi.ts';
import { sameAddress } from './address.ts';
import { nativeAsset } from './asset.ts';
import { knownCall } from './calls/known.ts';
import { selectorOf } from './selector.ts';

/** Calls inside calls, and calls in one transaction altogether. */
export const DEEPEST_CALL = 4;
export const MOST_CALLS = 64;
/** What one call is charged beside its data: hashes of the addresses that it names. */
const STEPS_PER_CALL = 100;
const LONGEST_ARGUMENT_TEXT = 1024;

/** One call as it is made; addresses are EIP-55 text. */
export interface ContractCall {
  readonly caller: string;
  readonly target: string;
  readonly value: bigint;
  readonly data: Uint8Array;
  /** The code at `target` runs as the caller itself, with all that it has. */
  readonly delegated?: boolean;
  /** Where it stands, `data` or `data.calls[1].calls[0]`. */
  readonly field: string;
}

/** Facts about a call that its meaning may depend on. */
export interface CallContext extends ContractCall {
  readonly network: string;
  /** The same as `target`. */
  readonly contract: string;
  /** The account as which the code runs: the caller for delegated code, else the target. */
  readonly self: string;
  readonly steps: StepBudget;
  /** Gas that the whole transaction can use, or null for a signed message. */
  readonly gasLimit: bigint | null;
}

/** A call that a call makes in turn. */
export type InnerCall = Omit<ContractCall, 'field'>;

/** What a call does, apart from the value sent with it. */
export interface Consequences {
  readonly outflows?: readonly Outflow[];
  readonly grants?: readonly Grant[];
  readonly takeovers?: readonly Takeover[];
  readonly unresolved?: readonly Omit<Unresolved, 'field'>[];
  readonly inner?: readonly InnerCall[];
  /** So much of the value that came with this call is known to leave again with the inner calls. */
  readonly passesOn?: bigint;
}

interface Described {
  readonly selector: string;
  readonly fields: readonly AbiField[];
}

// A policy's descriptions are the same objects from one request to the next.
const described = new WeakMap<ContractCallDescription, Described>();

/** Gathers what the calls of one transaction or signed message do, calls inside calls included. */
export class CallReader {
  readonly outflows: Outflow[] = [];
  readonly grants: Grant[] = [];
  readonly takeovers: Takeover[] = [];
  readonly unresolved: Unresolved[] = [];
  readonly calls: Call[] = [];
  readonly network: string;
  readonly steps: StepBudget;
  readonly #context: ParseContext;
  readonly #gasLimit: bigint | null;
  #count = 0;

  constructor(options: {
    readonly network: string;
    readonly gasLimit: bigint | null;
    readonly steps: StepBudget;
    readonly context?: ParseContext;
  }) {
    this.network = options.network;
    this.steps = options.steps;
    this.#gasLimit = options.gasLimit;
    this.#context = options.context ?? {};
  }

  /**
   * Reads one call and all that it calls. A known selector whose arguments are not in their canonical encoding is
   * refused; an unknown one is unresolved.
   * @throws ChainError `transaction-malformed`, `transaction-too-complex`
   */
  read(call: ContractCall, depth = 0): void {
    if (depth > DEEPEST_CALL) throw tooComplex(`calls are read ${DEEPEST_CALL} levels deep`, call.field);
    if (++this.#count > MOST_CALLS + 1) throw tooComplex(`at most ${MOST_CALLS} calls are read`, call.field);
    this.steps.spend(STEPS_PER_CALL, call.field);
    const paid = this.#pay(call);
    if (call.data.length === 0) return;
    const consequences = this.#meaning(call);
    this.outflows.push(...(consequences.outflows ?? []));
    this.grants.push(...(consequences.grants ?? []));
    this.takeovers.push(...(consequences.takeovers ?? []));
    for (const doubt of consequences.unresolved ?? []) this.unresolved.push({ ...doubt, field: call.field });
    const inner = consequences.inner ?? [];
    if (consequences.passesOn !== undefined && paid !== null) this.#passOn(paid, consequences.passesOn);
    for (const [index, each] of inner.entries()) {
      const field = `${call.field}.calls[${index}]`;
      if (each.delegated === true) {
        this.unresolved.push({
          kind: 'delegatecall',
          field,
          detail: `the code at ${each.target} runs with everything that ${each.caller} has`,
          subject: each.target,
        });
      }
      this.read({ ...each, field }, depth + 1);
    }
  }

  #pay({ caller, target, value, data }: ContractCall): number | null {
    if (value === 0n) return null;
    return (
      this.outflows.push({
        asset: nativeAsset(this.network),
        amount: value,
        from: caller,
        to: target,
        kind: data.length === 0 ? 'transfer' : 'call-value',
      }) - 1
    );
  }

  /** What is passed on leaves at the inner calls, under the names of those who get it, and is not counted twice. */
  #passOn(paid: number, passed: bigint): void {
    const outflow = this.outflows[paid]!;
    const kept = (outflow.amount as bigint) > passed ? (outflow.amount as bigint) - passed : 0n;
    this.outflows[paid] = { ...outflow, amount: kept };
  }

  #meaning(call: ContractCall): Consequences {
    const selector = call.data.length < 4 ? null : bytesName(call.data.subarray(0, 4));
    const known = selector === null ? undefined : knownCall(selector);
    if (known === undefined) return this.#unknown(call);
    const options = { field: call.field, steps: this.steps };
    const values = decodeArguments(known.fields, call.data.subarray(4), options);
    this.#note(call, known.name, known.fields, values);
    return known.consequences(values, {
      ...call,
      network: this.network,
      contract: call.target,
      self: call.delegated === true ? call.caller : call.target,
      steps: this.steps,
      gasLimit: this.#gasLimit,
    });
  }

  #note(
    call: ContractCall,
    name: string,
    fields: readonly AbiField[],
    values: readonly AbiValue[],
    more: Readonly<Record<string, string>> = {},
  ): void {
    const details: Record<string, string> = { ...more };
    for (const [index, field] of fields.entries()) {
      details[field.name === '' ? String(index) : field.name] = argumentText(values[index]!);
    }
    // The outermost call needs no place.
    if (call.field.includes('.')) details['call.field'] = call.field;
    this.calls.push({ target: call.target, name, arguments: details });
  }

  #unknown(call: ContractCall): Consequences {
    const selector = hexEncode(call.data.subarray(0, 4));
    for (const description of this.#context.calls ?? []) {
      if (description.chain !== 'ethereum' || description.network !== this.network) continue;
      if (!sameAddress(description.contract, call.target)) continue;
      const { selector: expected, fields } = compiled(description);
      if (expected === selector) return this.#described(call, description, fields);
    }
    const details: Record<string, string> = { selector: `0x${selector}` };
    if (call.field.includes('.')) details['call.field'] = call.field;
    this.calls.push({ target: call.target, name: null, arguments: details });
    return {
      unresolved: [
        {
          kind: 'unknown-call',
          detail: `selector 0x${selector}`,
          subject: `${call.target}:0x${selector}`,
        },
      ],
    };
  }

  #described(
    call: ContractCall,
    { name }: ContractCallDescription,
    fields: readonly AbiField[],
  ): Consequences {
    const options = { field: call.field, steps: this.steps };
    const values = decodeArguments(fields, call.data.subarray(4), options);
    this.#note(call, name, fields, values);
    return {
      unresolved: [{ kind: 'described-call', detail: `the policy describes this as ${name}`, subject: name }],
    };
  }
}

function compiled(description: ContractCallDescription): Described {
  const known = described.get(description);
  if (known !== undefined) return known;
  const { fields, canonical } = parseSignature(description.signature);
  const entry = { selector: selectorOf(canonical), fields };
  described.set(description, entry);
  return entry;
}

/** Elements of lists are separated by commas, those of tuples stand in parentheses; long text is cut, with a mark. */
export function argumentText(value: AbiValue): string {
  const text = fullText(value);
  return text.length > LONGEST_ARGUMENT_TEXT
    ? `${text.slice(0, LONGEST_ARGUMENT_TEXT).toWellFormed()}…`
    : text;
}

function fullText(value: AbiValue): string {
  if (value instanceof Uint8Array) {
    const shown = hexEncode(value.subarray(0, LONGEST_ARGUMENT_TEXT / 2));
    return `0x${shown}`;
  }
  if (typeof value !== 'object') return String(value);
  let text = '';
  for (const [index, each] of value.entries()) {
    if (index > 0) text += ',';
    text += Array.isArray(each) ? `(${fullText(each as readonly AbiValue[])})` : fullText(each);
    if (text.length > LONGEST_ARGUMENT_TEXT) break;
  }
  return text;
}

function tooComplex(detail: string, field: string): ChainError {
  return new ChainError('transaction-too-complex', detail, field);
}
