/** What is known of one field of the request: bounds and sets, not values one by one. */
import type { AddressFormat } from '@keystead/chains/chain';
import type { ChainName, Grant, Outflow, Validity } from '@keystead/chains/effects';
import type { Surface } from '@keystead/protocol/surface';
import { infinite } from '../evaluation.ts';
import type { Field } from '../language/fields.ts';
import type { Comparing, Constant, Literal } from './goal.ts';

export interface Known {
  readonly field: Field;
  /** Null: either. */
  readonly present: boolean | null;
  readonly low: bigint;
  readonly high: bigint;
  /** Numbers are multiples of it: the effects hold times in whole seconds. */
  readonly step: bigint;
  /** Null: not narrowed to a set. */
  readonly among: ReadonlySet<Constant> | null;
  readonly not: ReadonlySet<Constant>;
  readonly prefixes: readonly string[];
  readonly notPrefixes: readonly string[];
  readonly holds: ReadonlySet<string>;
  readonly lacks: ReadonlySet<string>;
}

const surfaces: Record<Surface, true> = { native: true, compatibility: true };
const formats: Record<AddressFormat, true> = {
  Solana: true,
  Ethereum: true,
  BitcoinSegwit: true,
  BitcoinTaproot: true,
  Sui: true,
};
const chains: Record<ChainName, true> = { solana: true, ethereum: true, bitcoin: true, sui: true };
const uniqueness: Record<Validity['uniqueness'], true> = {
  nonce: true,
  utxo: true,
  blockhash: true,
  'durable-nonce': true,
  'object-version': true,
  none: true,
};
const outflowKinds: Record<Outflow['kind'], true> = {
  transfer: true,
  rent: true,
  burn: true,
  'call-value': true,
  swap: true,
  other: true,
};
const grantKinds: Record<Grant['kind'], true> = {
  allowance: true,
  operator: true,
  delegate: true,
  authority: true,
  permit: true,
};

/** Values of fields whose type lists them; of elements without their index. */
const domains: Readonly<Record<string, readonly Constant[]>> = {
  'action.surface': Object.keys(surfaces),
  'resource.addressFormat': Object.keys(formats),
  'effects.chain': Object.keys(chains),
  'effects.uniqueness': Object.keys(uniqueness),
  'effects.outflows.kind': Object.keys(outflowKinds),
  'effects.grants.kind': Object.keys(grantKinds),
};

/** The last moment that a date can hold, in milliseconds since 1970. */
const latest = 8_640_000_000_000_000n;

function highest(path: string): bigint {
  if (path.startsWith('usage[')) return infinite;
  if (/^effects\.(?:outflows|grants|spending)\.amount$/.test(path)) return infinite;
  if (path === 'time.now') return latest;
  if (path.startsWith('time.now.getHours')) return 23n;
  return path.startsWith('time.now.getDayOfWeek') ? 6n : infinite - 1n;
}

/** What is known before anything is asked. `largestList` bounds every `size()`. */
export function unknownOf(variable: string, field: Field, largestList: number): Known {
  const path = variable.replace(/\[[0-9]+\]/, '');
  const domain = field.type === 'boolean' ? [true, false] : domains[path];
  return {
    field,
    present: field.optional ? null : true,
    low: 0n,
    high: path.endsWith('.size()') ? BigInt(largestList) : highest(path),
    step: field.type === 'time' && path !== 'time.now' ? 1000n : 1n,
    among: domain === undefined ? null : new Set(domain),
    not: new Set(),
    prefixes: [],
    notPrefixes: [],
    holds: new Set(),
    lacks: new Set(),
  };
}

/** What is known after one more literal, or null when no value is left. */
export function narrowed(before: Known | undefined, goal: Literal, largestList: number): Known | null {
  const known = before ?? unknownOf(goal.variable, goal.field, largestList);
  if (goal.kind === 'presence') {
    if (known.present !== null && known.present !== goal.present) return null;
    return known.present === null ? { ...known, present: goal.present } : known;
  }
  if (known.present === false) return null;
  const next = compared({ ...known, present: true }, goal);
  return next === null || valueFor(next, 'other') === null ? null : next;
}

function compared(known: Known, { operator, constants, truth }: Comparing): Known | null {
  const constant = constants[0]!;
  const number = constant as bigint;
  const least = (low: bigint): Known => ({ ...known, low: low > known.low ? low : known.low });
  const most = (high: bigint): Known => ({ ...known, high: high < known.high ? high : known.high });
  const without = (values: readonly Constant[]): Known => ({
    ...known,
    not: new Set([...known.not, ...values]),
  });
  const among = (values: readonly Constant[]): Known => ({
    ...known,
    among: new Set(known.among === null ? values : values.filter((value) => known.among!.has(value))),
  });
  switch (truth ? operator : `not ${operator}`) {
    case '==':
    case 'not !=':
      return among([constant]);
    case '!=':
    case 'not ==':
      return without([constant]);
    case 'in':
      return among(constants);
    case 'not in':
      return without(constants);
    case '<':
    case 'not >=':
      return most(number - 1n);
    case '<=':
    case 'not >':
      return most(number);
    case '>':
    case 'not <=':
      return least(number + 1n);
    case '>=':
    case 'not <':
      return least(number);
    case 'startsWith':
      return { ...known, prefixes: [...known.prefixes, constant as string] };
    case 'not startsWith':
      return { ...known, notPrefixes: [...known.notPrefixes, constant as string] };
    case 'contains':
      return known.lacks.has(constant as string)
        ? null
        : { ...known, holds: new Set([...known.holds, constant as string]) };
    default:
      return known.holds.has(constant as string)
        ? null
        : { ...known, lacks: new Set([...known.lacks, constant as string]) };
  }
}

/** Whether a value of the field's type is one of those that are left. */
export function fits(known: Known, value: Constant): boolean {
  const { low, high, step, among, not, prefixes, notPrefixes } = known;
  if (not.has(value) || (among !== null && !among.has(value))) return false;
  if (typeof value === 'bigint') return low <= value && value <= high && value % step === 0n;
  if (typeof value === 'boolean') return true;
  return (
    prefixes.every((prefix) => value.startsWith(prefix)) &&
    !notPrefixes.some((prefix) => value.startsWith(prefix))
  );
}

/** The smallest number from `from` that fits, or null. */
export function numberFrom(known: Known, from: bigint): bigint | null {
  if (known.among !== null) {
    const values = [...known.among].filter((value) => (value as bigint) >= from && fits(known, value));
    return (values as bigint[]).reduce<bigint | null>(
      (least, value) => (least === null || value < least ? value : least),
      null,
    );
  }
  const start = from > known.low ? from : known.low;
  let value = ((start + known.step - 1n) / known.step) * known.step;
  while (known.not.has(value)) value += known.step;
  return value <= known.high ? value : null;
}

/** The largest number up to `to` that fits; there has to be one. Its step is 1. */
export function numberUpTo(known: Known, to: bigint): bigint {
  if (known.among !== null) {
    const values = [...known.among].filter((value) => (value as bigint) <= to && fits(known, value));
    return (values as bigint[]).reduce((most, value) => (value > most ? value : most));
  }
  let value = to < known.high ? to : known.high;
  while (known.not.has(value)) value -= 1n;
  return value;
}

/** A value that fits, or null when there is none. `fresh` is part of a string that nothing else prescribes. */
export function valueFor(known: Known, fresh: string): Constant | readonly string[] | null {
  const { field, among, not, prefixes, notPrefixes, holds } = known;
  if (field.type === 'set') return [...holds];
  if (field.type === 'integer' || field.type === 'time') return numberFrom(known, 0n);
  if (among !== null) return [...among].find((value) => fits(known, value)) ?? null;
  // The longest prefix holds all the others or none: a tail of one's own keeps clear of every excluded value.
  const start = prefixes.reduce((longest, prefix) => (prefix.length > longest.length ? prefix : longest), '');
  if (start !== '' && fits(known, start)) return start;
  // Each excluded value or prefix rules out one first character at most.
  for (let character = 0; character <= not.size + notPrefixes.length; character += 1) {
    const value = `${start}${String.fromCodePoint(97 + character)}${fresh}`;
    if (fits(known, value)) return value;
  }
  return null;
}
