import type { JsonValue } from './strict-json.ts';

// Deeper values are a mistake or an attack, and the recursion must end before the stack does.
const MAX_DEPTH = 256;

/**
 * The JSON Canonicalization Scheme (RFC 8785): no whitespace, members sorted by UTF-16 code units, numbers in ECMAScript's
 * shortest form, minimal escapes. Hash its UTF-8. TypeError for what JSON does not hold (undefined, bigint, functions,
 * objects of other classes), RangeError for NaN, infinities, lone surrogates and more than 256 levels.
 */
export function canonicalize(value: JsonValue): string {
  return serialize(value, 0);
}

function serialize(value: JsonValue, depth: number): string {
  if (value === null || value === true || value === false) return String(value);
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError('number must be finite');
    return value === 0 ? '0' : String(value);
  }
  if (typeof value !== 'object') throw new TypeError(`JSON holds no ${typeof value}`);
  if (depth === MAX_DEPTH) throw new RangeError('nested too deeply');
  if (Array.isArray(value)) {
    let text = '[';
    // A hole reads as undefined and is refused.
    for (let i = 0; i < value.length; i++) text += (i === 0 ? '' : ',') + serialize(value[i]!, depth + 1);
    return `${text}]`;
  }
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) throw new TypeError('object must be plain');
  let text = '{';
  // The default order of sort() is that of UTF-16 code units, as RFC 8785 §3.2.3 wants.
  for (const name of Object.keys(value).sort()) {
    text += `${text === '{' ? '' : ','}${quoted(name)}:${serialize(value[name]!, depth + 1)}`;
  }
  return `${text}}`;
}

function quoted(text: string): string {
  if (!text.isWellFormed()) throw new RangeError('lone surrogate');
  return JSON.stringify(text);
}
