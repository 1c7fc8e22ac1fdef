/** Conditions as closures over a request. A condition is true, false, or an error; no error is ever either of the two. */
import type { EvaluationContext } from '../evaluation.ts';
import { addressText, assetText } from './address-text.ts';
import type { Comparison, Condition } from './document.ts';
import { type Field, fieldNamed, type ListField, listNamed } from './fields.ts';

export const isFalse = 0;
export const isTrue = 1;
/** A field is missing, or holds what has no value. */
export const isError = 2;
export type Truth = typeof isFalse | typeof isTrue | typeof isError;
export type Test = (context: EvaluationContext) => Truth;

export type Lists = Readonly<Record<string, readonly string[]>>;

/** Compiles a checked condition (check-condition.ts). */
export function compileCondition(condition: Condition, lists: Lists, over: ListField | null = null): Test {
  if ('constant' in condition) {
    const truth = condition.constant ? isTrue : isFalse;
    return () => truth;
  }
  if ('not' in condition) {
    const inner = compileCondition(condition.not, lists, over);
    return (context) => {
      const truth = inner(context);
      return truth === isError ? isError : truth === isTrue ? isFalse : isTrue;
    };
  }
  if ('all' in condition)
    return conjunction(condition.all.map((part) => compileCondition(part, lists, over)));
  if ('any' in condition)
    return disjunction(condition.any.map((part) => compileCondition(part, lists, over)));
  if ('every' in condition) {
    const list = listNamed(condition.every)!;
    return every(list, compileCondition(condition.where, lists, list));
  }
  if ('some' in condition) {
    const list = listNamed(condition.some)!;
    return some(list, compileCondition(condition.where, lists, list));
  }
  if ('has' in condition) {
    const list = listNamed(condition.has);
    if (list !== undefined) return (context) => (list.read(context) === undefined ? isFalse : isTrue);
    const field = fieldNamed(condition.has, over)!;
    return (context) => (field.read(context) === undefined ? isFalse : isTrue);
  }
  return comparison(condition, fieldNamed(condition.field, over)!, lists);
}

/** False as soon as one part is false, whatever the others are: the order of the parts does not matter. */
function conjunction(parts: readonly Test[]): Test {
  return (context) => {
    let result: Truth = isTrue;
    for (let index = 0; index < parts.length; index += 1) {
      const truth = parts[index]!(context);
      if (truth === isFalse) return isFalse;
      if (truth === isError) result = isError;
    }
    return result;
  };
}

function disjunction(parts: readonly Test[]): Test {
  return (context) => {
    let result: Truth = isFalse;
    for (let index = 0; index < parts.length; index += 1) {
      const truth = parts[index]!(context);
      if (truth === isTrue) return isTrue;
      if (truth === isError) result = isError;
    }
    return result;
  };
}

function every(list: ListField, where: Test): Test {
  return (context) => {
    const elements = list.read(context);
    if (elements === undefined) return isError;
    let result: Truth = isTrue;
    for (let index = 0; index < elements.length; index += 1) {
      context.item = elements[index];
      const truth = where(context);
      if (truth === isFalse) return isFalse;
      if (truth === isError) result = isError;
    }
    return result;
  };
}

function some(list: ListField, where: Test): Test {
  return (context) => {
    const elements = list.read(context);
    if (elements === undefined) return isError;
    let result: Truth = isFalse;
    for (let index = 0; index < elements.length; index += 1) {
      context.item = elements[index];
      const truth = where(context);
      if (truth === isTrue) return isTrue;
      if (truth === isError) result = isError;
    }
    return result;
  };
}

/** A constant in the form in which requests hold values of the field's type. */
export function constantOf(field: Field, value: string | boolean): string | boolean | bigint {
  switch (field.type) {
    case 'integer':
      return BigInt(value);
    case 'time':
      return BigInt(Date.parse(String(value)));
    case 'address':
      return addressText(String(value));
    case 'asset':
      return assetText(String(value));
    default:
      return value;
  }
}

/** The values that `in` compares with. */
export function valuesOf(condition: Comparison, field: Field, lists: Lists): readonly (string | bigint)[] {
  const values =
    condition.list === undefined ? (condition.value as readonly string[]) : lists[condition.list]!;
  return values.map((value) => constantOf(field, value) as string | bigint);
}

function comparison(condition: Comparison, field: Field, lists: Lists): Test {
  const { operator } = condition;
  const read = field.read;
  if (operator === 'in') {
    const values = new Set<unknown>(valuesOf(condition, field, lists));
    return (context) => {
      const actual = read(context);
      return actual === undefined ? isError : values.has(actual) ? isTrue : isFalse;
    };
  }
  const expected = constantOf(field, condition.value as string | boolean);
  switch (operator) {
    case '==':
      return (context) => {
        const actual = read(context);
        return actual === undefined ? isError : actual === expected ? isTrue : isFalse;
      };
    case '!=':
      return (context) => {
        const actual = read(context);
        return actual === undefined ? isError : actual === expected ? isFalse : isTrue;
      };
    case '<':
      return (context) => {
        const actual = read(context);
        return actual === undefined ? isError : actual < expected ? isTrue : isFalse;
      };
    case '<=':
      return (context) => {
        const actual = read(context);
        return actual === undefined ? isError : actual <= expected ? isTrue : isFalse;
      };
    case '>':
      return (context) => {
        const actual = read(context);
        return actual === undefined ? isError : actual > expected ? isTrue : isFalse;
      };
    case '>=':
      return (context) => {
        const actual = read(context);
        return actual === undefined ? isError : actual >= expected ? isTrue : isFalse;
      };
    case 'contains':
      return (context) => {
        const actual = read(context) as readonly string[] | undefined;
        return actual === undefined ? isError : actual.includes(expected as string) ? isTrue : isFalse;
      };
    case 'startsWith':
      return (context) => {
        const actual = read(context) as string | undefined;
        return actual === undefined ? isError : actual.startsWith(expected as string) ? isTrue : isFalse;
      };
  }
}
