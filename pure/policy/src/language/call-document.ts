/** Descriptions of calls as policies hold them (spec/policy.md §2.1): read strictly, bounded, each call described once. */
import type { BorshType, CallDescription } from '@keystead/chains/call-description';
import { ChainError } from '@keystead/chains/error';
import { parseSignature } from '@keystead/chains/ethereum/abi';
import { selectorOf } from '@keystead/chains/ethereum/selector';
import { readCallDescription } from '@keystead/chains/read-call-description';
import { canonicalize } from '@keystead/crypto/canonical-json';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { invalid, type JsonSchema, type Schema } from '@keystead/protocol/schema';
import { bounds } from './document.ts';

export const callDescription: Schema<CallDescription> = {
  types: ['object'],
  parse(value, at) {
    try {
      return readCallDescription(value);
    } catch (cause) {
      if (!(cause instanceof ChainError)) throw cause;
      throw invalid(
        cause.field === undefined || cause.field === '' ? at : `${at}.${cause.field}`,
        cause.message,
      );
    }
  },
  toJSONSchema: () => ({ oneOf: [contractCall, instruction] }),
};

const text: JsonSchema = { type: 'string' };
const described = (properties: Readonly<Record<string, JsonSchema>>, optional: readonly string[] = []) => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
  additionalProperties: false,
});
const contractCall: JsonSchema = described({
  chain: { const: 'ethereum' },
  name: text,
  network: text,
  contract: text,
  signature: text,
});
const instruction: JsonSchema = described(
  {
    chain: { const: 'solana' },
    name: text,
    program: text,
    discriminator: text,
    arguments: { type: 'array', items: described({ name: text, type: {} }) },
    accounts: { type: 'array', items: text },
    moreAccounts: { type: 'boolean' },
  },
  ['moreAccounts'],
);

/** Every name is there once, and no call fits two descriptions, so that their order means nothing. */
export function checkCalls(calls: readonly CallDescription[], at: string): void {
  const size = canonicalize(calls as unknown as JsonValue).length;
  if (size > bounds.callsLength) throw invalid(at, `is longer than ${bounds.callsLength} characters`);
  const names = new Set<string>();
  const targets: string[] = [];
  for (const [index, call] of calls.entries()) {
    if (names.has(call.name)) throw invalid(`${at}[${index}].name`, `${call.name} is there twice`);
    names.add(call.name);
    const target = targetOf(call);
    if (targets.some((other) => other.startsWith(target) || target.startsWith(other)))
      throw invalid(`${at}[${index}]`, 'describes a call that another description is about');
    targets.push(target);
  }
}

function targetOf(call: CallDescription): string {
  return call.chain === 'ethereum'
    ? `${call.network} ${call.contract.toLowerCase()} ${selectorOf(parseSignature(call.signature).canonical)}`
    : `${call.program} ${call.discriminator}`;
}

/** `vec(option(u64))`: a Borsh type in the text form. */
export function borshText(type: BorshType): string {
  if (typeof type === 'string') return type;
  if ('option' in type) return `option(${borshText(type.option)})`;
  if ('vec' in type) return `vec(${borshText(type.vec)})`;
  return `array(${borshText(type.array[0])}, ${type.array[1]})`;
}
