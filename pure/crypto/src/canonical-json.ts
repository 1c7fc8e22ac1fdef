import type { JsonValue } from './strict-json.ts';

// Deeper values are a mistake or an attack, and the recursion must end before the stack does.
const MAX_DEPTH = 256;

/**
 * The JSON Canonicalization Scheme (RFC 8785): no whitespace, members sorted by UTF-16 code units, numbers in ECMAScript's
 * shortest form, minimal escapes. Hash its UTF-8. TypeError for what JSON does not hold (undefined, bigint, functions,
 * objects of other classes), RangeError for NaN, infinities, lone surrogates and more than 256 levels.
 */
export function canonicalize(value: JsonValue): string {
  return serialize(value, 0, false);
}

/** As `canonicalize`, of a value in which a bigint stands for its decimal text and an undefined member for none. */
export function canonicalizeWithAmounts(value: unknown): string {
  return serialize(value as JsonValue, 0, true);
}

function serialize(value: JsonValue, depth: number, withAmounts: boolean): string {
  if (typeof value === 'string') return quoted(value);
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError('number must be finite');
    return value === 0 ? '0' : String(value);
  }
  if (withAmounts && typeof value === 'bigint') return `"${value}"`;
  if (typeof value !== 'object') throw new TypeError(`JSON holds no ${typeof value}`);
  if (depth === MAX_DEPTH) throw new RangeError('nested too deeply');
  if (Array.isArray(value)) {
    let text = '[';
    // A hole reads as undefined and is refused.
    for (let i = 0; i < value.length; i++)
      text += (i === 0 ? '' : ',') + serialize(value[i]!, depth + 1, withAmounts);
    return `${text}]`;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) throw new TypeError('object must be plain');
  let text = '{';
  for (const name of sorted(Object.keys(value))) {
    const member = value[name];
    if (withAmounts && member === undefined) continue;
    text += `${text === '{' ? '' : ','}${quotedName(name)}:${serialize(member!, depth + 1, withAmounts)}`;
  }
  return `${text}}`;
}

/** In the order of UTF-16 code units (RFC 8785 §3.2.3), which is that of `<` and of sort(). */
function sorted(names: string[]): string[] {
  if (names.length > 16) return names.sort();
  for (let i = 1; i < names.length; i++) {
    const name = names[i]!;
    let at = i;
    for (; at > 0 && name < names[at - 1]!; at--) names[at] = names[at - 1]!;
    names[at] = name;
  }
  return names;
}

// Few names stand in most objects.
const quotedNames = new Map<string, string>();

function quotedName(name: string): string {
  const known = quotedNames.get(name);
  if (known !== undefined) return known;
  const text = quoted(name);
  if (quotedNames.size < 1024 && name.length <= 64) quotedNames.set(name, text);
  return text;
}

// Printable ASCII but the two characters that are escaped.
const PLAIN = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new RangeError('lone surrogate');
  return JSON.stringify(text);
}
