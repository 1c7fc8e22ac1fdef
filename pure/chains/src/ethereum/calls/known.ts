import { hexDecode } from '@keystead/crypto/hex';
import { bytesName } from '@keystead/crypto/recent';
import { type AbiField, type AbiValue, parseSignature } from '../abi.ts';
import type { CallContext, Consequences } from '../call-reader.ts';
import { selectorOf } from '../selector.ts';
import { ACCOUNT_CALLS } from './account.ts';
import { BATCH_CALLS } from './batch.ts';
import { CONTROL_CALLS } from './control.ts';
import { PERMIT2_CALLS } from './permit2.ts';
import { TOKEN_CALLS } from './token.ts';

/** A function with a defined meaning, whatever contract has it: name, signature with parameter names, and what it does. */
export type CallDefinition = readonly [
  name: string,
  signature: string,
  consequences: (values: readonly AbiValue[], context: CallContext) => Consequences,
];

export interface KnownCall {
  readonly name: string;
  readonly signature: string;
  readonly selector: string;
  readonly fields: readonly AbiField[];
  consequences(values: readonly AbiValue[], context: CallContext): Consequences;
}

/** Every function that is read, in the order of their families. */
export const KNOWN_CALLS: readonly KnownCall[] = [
  ...TOKEN_CALLS,
  ...PERMIT2_CALLS,
  ...BATCH_CALLS,
  ...ACCOUNT_CALLS,
  ...CONTROL_CALLS,
].map(([name, signature, consequences]) => {
  const { fields, canonical } = parseSignature(signature);
  return { name, signature: canonical, selector: selectorOf(canonical), fields, consequences };
});

const BY_SELECTOR: ReadonlyMap<string, KnownCall> = new Map(
  KNOWN_CALLS.map((call) => [bytesName(hexDecode(call.selector)), call]),
);

/** The function of a selector, named by `bytesName` of its four bytes. */
export function knownCall(selector: string): KnownCall | undefined {
  return BY_SELECTOR.get(selector);
}
