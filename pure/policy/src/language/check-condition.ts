/** Types of conditions: what cannot be evaluated is refused when a policy is written, not when it decides. */
import { invalid } from '@keystead/protocol/schema';
import { isTimeZone } from '../calendar.ts';
import { infinite } from '../evaluation.ts';
import { checksumAddress, parseAddress } from '@keystead/chains/ethereum/address';
import { addressText, assetText } from './address-text.ts';
import { bounds, type Comparison, type Condition, type Operator } from './document.ts';
import { type Field, type FieldType, fieldNamed, type ListField, listNamed } from './fields.ts';
import type { Lists } from './compile-condition.ts';

export interface ConditionFacts {
  /** The condition names what only signed effects have. */
  readonly needsEffects: boolean;
  /** Limits whose usage it names. */
  readonly usage: readonly string[];
  /** Time zones whose local time it names. */
  readonly zones: readonly string[];
  readonly nodes: number;
  /** Of its parts those inside of `every` and `some`, by the name of the list. */
  readonly nodesWithin: ReadonlyMap<string, number>;
}

const operatorsOf: Readonly<Record<FieldType, readonly Operator[]>> = {
  boolean: ['==', '!='],
  integer: ['==', '!=', '<', '<=', '>', '>=', 'in'],
  time: ['==', '!=', '<', '<=', '>', '>='],
  string: ['==', '!=', 'in', 'startsWith'],
  address: ['==', '!=', 'in'],
  asset: ['==', '!=', 'in'],
  set: ['contains'],
};

/** Checks one condition. `at` is its path in the document. Throws KmsError `parameter-invalid`. */
export function checkCondition(condition: Condition, lists: Lists, at: string): ConditionFacts {
  const checker = new Checker(lists);
  checker.check(condition, at, null, 1);
  const { needsEffects, nodes, nodesWithin } = checker;
  return { needsEffects, usage: [...checker.usage], zones: [...checker.zones], nodes, nodesWithin };
}

class Checker {
  readonly #lists: Lists;
  needsEffects = false;
  nodes = 0;
  readonly nodesWithin = new Map<string, number>();
  readonly usage = new Set<string>();
  readonly zones = new Set<string>();

  constructor(lists: Lists) {
    this.#lists = lists;
  }

  check(condition: Condition, at: string, over: ListField | null, depth: number): void {
    this.nodes += 1;
    if (this.nodes > bounds.conditionNodes) throw invalid(at, `has more than ${bounds.conditionNodes} parts`);
    if (depth > bounds.conditionDepth) throw invalid(at, `is nested deeper than ${bounds.conditionDepth}`);
    if ('constant' in condition) return;
    if ('not' in condition) this.check(condition.not, `${at}.not`, over, depth + 1);
    else if ('all' in condition)
      for (const [index, part] of condition.all.entries())
        this.check(part, `${at}.all[${index}]`, over, depth + 1);
    else if ('any' in condition)
      for (const [index, part] of condition.any.entries())
        this.check(part, `${at}.any[${index}]`, over, depth + 1);
    else if ('every' in condition)
      this.#quantified(condition.every, condition.where, at, 'every', over, depth);
    else if ('some' in condition) this.#quantified(condition.some, condition.where, at, 'some', over, depth);
    else if ('has' in condition) {
      if (condition.has.includes('(')) throw invalid(`${at}.has`, 'must be a field, not what is made of one');
      const list = listNamed(condition.has);
      if (list === undefined) this.#field(condition.has, `${at}.has`, over);
      else this.needsEffects ||= list.needsEffects;
    } else this.#comparison(condition, at, over);
  }

  #quantified(
    name: string,
    where: Condition,
    at: string,
    member: string,
    over: ListField | null,
    depth: number,
  ): void {
    if (over !== null) throw invalid(`${at}.${member}`, 'must not stand inside another list');
    const list = listNamed(name);
    if (list === undefined) throw invalid(`${at}.${member}`, `${name} is not a list`);
    this.needsEffects ||= list.needsEffects;
    const before = this.nodes;
    this.check(where, `${at}.where`, list, depth + 1);
    this.nodesWithin.set(name, (this.nodesWithin.get(name) ?? 0) + this.nodes - before);
  }

  #field(path: string, at: string, over: ListField | null): Field {
    const field = fieldNamed(path, over);
    if (field === undefined) throw invalid(at, `${path} is not a field that stands here`);
    this.needsEffects ||= field.needsEffects;
    const zone = /^time\.now\.[A-Za-z]+\("([^"]*)"\)$/.exec(path);
    if (zone !== null) {
      if (!isTimeZone(zone[1]!)) throw invalid(at, `${zone[1]} is not a time zone`);
      this.zones.add(zone[1]!);
    }
    const usage = /^usage\["([^"]*)"\]$/.exec(path);
    if (usage !== null) this.usage.add(usage[1]!);
    return field;
  }

  #comparison(condition: Comparison, at: string, over: ListField | null): void {
    const field = this.#field(condition.field, `${at}.field`, over);
    const { operator, value, list } = condition;
    if (!operatorsOf[field.type].includes(operator))
      throw invalid(`${at}.operator`, `${operator} does not compare a field of type ${field.type}`);
    if (operator !== 'in') {
      if (list !== undefined) throw invalid(`${at}.list`, 'stands only with in');
      checkConstant(field.type, value, `${at}.value`);
      if (operator !== 'startsWith') assertOneText(condition.field, value, `${at}.value`);
      return;
    }
    if (list === undefined) {
      if (!Array.isArray(value)) throw invalid(`${at}.value`, 'must be an array');
      for (const [index, each] of value.entries()) {
        checkConstant(field.type, each, `${at}.value[${index}]`);
        assertOneText(condition.field, each, `${at}.value[${index}]`);
      }
      return;
    }
    if (value !== undefined) throw invalid(`${at}.value`, 'must not stand beside list');
    const named = Object.hasOwn(this.#lists, list) ? this.#lists[list] : undefined;
    if (named === undefined) throw invalid(`${at}.list`, `no list is named ${list}`);
    for (const [index, each] of named.entries()) {
      checkConstant(field.type, each, `lists.${list}[${index}]`);
      assertOneText(condition.field, each, `lists.${list}[${index}]`);
    }
  }
}

/**
 * What a call is given has no type here, and is compared as text: an EVM address that is not written as effects write it
 * would be equal to nothing, and a denial that names it would deny nothing. Throws KmsError.
 */
function assertOneText(field: string, value: unknown, at: string): void {
  const text = String(value);
  if (!field.startsWith('item.arguments[') || !/^0[xX][0-9a-fA-F]{40}$/.test(text)) return;
  // A wrong checksum is no address.
  const written = checksumAddress(parseAddress(text.toLowerCase()));
  if (written !== value) throw invalid(at, `an address of an argument is written ${written}`);
}

/** Throws KmsError when a constant is none of the type. */
export function checkConstant(type: FieldType, value: unknown, at: string): void {
  if (type === 'boolean') {
    if (typeof value !== 'boolean') throw invalid(at, 'must be true or false');
    return;
  }
  if (typeof value !== 'string') throw invalid(at, 'must be a string');
  if (value.length > bounds.textLength)
    throw invalid(at, `must have at most ${bounds.textLength} characters`);
  switch (type) {
    case 'integer':
      if (!/^(0|[1-9][0-9]{0,77})$/.test(value) || BigInt(value) >= infinite)
        throw invalid(at, 'must be a decimal integer from 0 to 2^256 - 1');
      return;
    case 'time':
      if (!isTimestamp(value)) throw invalid(at, 'must be a time such as 2026-01-31T00:00:00Z');
      return;
    case 'address':
    case 'asset':
      try {
        (type === 'address' ? addressText : assetText)(value);
      } catch (cause) {
        throw invalid(at, (cause as RangeError).message, cause);
      }
      return;
    default:
  }
}

/** RFC 3339 in UTC, whole seconds or milliseconds, of a date that exists. */
export function isTimestamp(text: string): boolean {
  if (!/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z$/.test(text)) return false;
  const moment = Date.parse(text);
  if (Number.isNaN(moment)) return false;
  const whole = new Date(moment).toISOString();
  return whole === text || whole.replace('.000Z', 'Z') === text;
}
