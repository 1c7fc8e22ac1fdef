/**
 * Strict schemas: one value says how JSON is parsed into a typed value and how it is described in JSON Schema.
 * The signer parses requests with it, so it is small, has no dependency, and refuses whatever it does not know.
 */
import { KmsError } from './errors.ts';

export type JsonSchema = { readonly [keyword: string]: unknown };
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonType = 'null' | 'boolean' | 'number' | 'string' | 'array' | 'object';

export interface Schema<T> {
  /** JSON types that can ever parse; lets alternatives be chosen without trying each. */
  readonly types: readonly JsonType[];
  /** Returns the typed value or throws KmsError `parameter-invalid` whose `field` is `path` or below it. */
  parse(value: unknown, path: string): T;
  /** JSON Schema (2020-12) of what is accepted. */
  toJSONSchema(): JsonSchema;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;
type Fields = Readonly<Record<string, Schema<unknown>>>;
type Flat<T> = { [K in keyof T]: T[K] };
type ObjectOf<R extends Fields, O extends Fields> = Flat<
  { readonly [K in keyof R]: Infer<R[K]> } & { readonly [K in keyof O]?: Infer<O[K]> }
>;

/** The error of a value that does not fit. */
export function invalid(path: string, detail: string, cause?: unknown): KmsError {
  return new KmsError('parameter-invalid', { field: path, detail: `${path} ${detail}`, cause });
}

function typeOf(value: unknown): JsonType | 'other' {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  const type = typeof value;
  return type === 'boolean' || type === 'number' || type === 'string' || type === 'object' ? type : 'other';
}

/** A key from outside as it may stand in an error: short and printable. */
function shown(key: string): string {
  const quoted = JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
  return /^"[A-Za-z0-9_]+"$/.test(quoted) ? quoted.slice(1, -1) : quoted.replace(/[^\x20-\x7e]/g, '?');
}

/** Objects with exactly these members. `nullIsAbsent` reads null in an optional member as its absence. */
export function object<R extends Fields, O extends Fields = Record<never, never>>(
  fields: { readonly required?: R; readonly optional?: O },
  options: { readonly nullIsAbsent?: boolean } = {},
): Schema<ObjectOf<R, O>> {
  const required: Fields = fields.required ?? {};
  const optional: Fields = fields.optional ?? {};
  return {
    types: ['object'],
    parse(value, path) {
      if (typeOf(value) !== 'object') throw invalid(path, 'must be an object');
      const source = value as Readonly<Record<string, unknown>>;
      for (const key of Object.keys(source)) {
        if (!Object.hasOwn(required, key) && !Object.hasOwn(optional, key)) {
          throw invalid(`${path}.${shown(key)}`, 'is not a known member');
        }
      }
      const result: Record<string, unknown> = {};
      for (const key of Object.keys(required)) {
        if (!Object.hasOwn(source, key)) throw invalid(`${path}.${key}`, 'is required');
        result[key] = required[key]!.parse(source[key], `${path}.${key}`);
      }
      for (const key of Object.keys(optional)) {
        if (!Object.hasOwn(source, key)) continue;
        if (source[key] === null && options.nullIsAbsent === true) continue;
        result[key] = optional[key]!.parse(source[key], `${path}.${key}`);
      }
      return result as ObjectOf<R, O>;
    },
    toJSONSchema() {
      const properties: Record<string, JsonSchema> = {};
      for (const [key, schema] of [...Object.entries(required), ...Object.entries(optional)]) {
        properties[key] = schema.toJSONSchema();
      }
      const names = Object.keys(required);
      return {
        type: 'object',
        properties,
        ...(names.length === 0 ? {} : { required: names }),
        additionalProperties: false,
      };
    },
  };
}

/** `min` and `max` count UTF-16 code units. `format` only describes; `pattern` is checked. */
export function string(limits: {
  readonly min?: number;
  readonly max: number;
  readonly pattern?: RegExp;
  readonly format?: string;
  readonly description?: string;
}): Schema<string> {
  const { min = 0, max, pattern, format, description } = limits;
  return {
    types: ['string'],
    parse(value, path) {
      if (typeof value !== 'string') throw invalid(path, 'must be a string');
      if (value.length < min)
        throw invalid(path, min === 1 ? 'must not be empty' : `must have at least ${min} characters`);
      if (value.length > max) throw invalid(path, `must have at most ${max} characters`);
      if (pattern !== undefined && !pattern.test(value)) {
        throw invalid(
          path,
          description === undefined ? `must match ${pattern.source}` : `must be ${description}`,
        );
      }
      return value;
    },
    toJSONSchema: () => ({
      type: 'string',
      ...(min > 0 ? { minLength: min } : {}),
      maxLength: max,
      ...(pattern === undefined ? {} : { pattern: pattern.source }),
      ...(format === undefined ? {} : { format }),
      ...(description === undefined ? {} : { description }),
    }),
  };
}

/** Safe integers from `min` to `max`; neither a string nor a fraction nor negative zero is one. */
export function integer(limits: { readonly min: number; readonly max: number }): Schema<number> {
  return {
    types: ['number'],
    parse(value, path) {
      if (typeof value !== 'number' || !Number.isSafeInteger(value) || Object.is(value, -0)) {
        throw invalid(path, 'must be an integer');
      }
      if (value < limits.min || value > limits.max) {
        throw invalid(path, `must be from ${limits.min} to ${limits.max}`);
      }
      return value;
    },
    toJSONSchema: () => ({ type: 'integer', minimum: limits.min, maximum: limits.max }),
  };
}

export function boolean(): Schema<boolean> {
  return {
    types: ['boolean'],
    parse(value, path) {
      if (typeof value !== 'boolean') throw invalid(path, 'must be true or false');
      return value;
    },
    toJSONSchema: () => ({ type: 'boolean' }),
  };
}

/** Exactly one value. */
export function literal<const T extends string | number | boolean | null>(expected: T): Schema<T> {
  return {
    types: [expected === null ? 'null' : (typeof expected as JsonType)],
    parse(value, path) {
      if (value !== expected) throw invalid(path, `must be ${JSON.stringify(expected)}`);
      return expected;
    },
    toJSONSchema: () => ({ const: expected }),
  };
}

/** One of these strings or numbers. */
export function enumeration<const T extends readonly (string | number)[]>(values: T): Schema<T[number]> {
  return {
    types: [...new Set(values.map((value) => typeof value as JsonType))],
    parse(value, path) {
      const found = values.find((candidate) => candidate === value);
      if (found === undefined) throw invalid(path, `must be one of ${values.join(', ')}`);
      return found;
    },
    toJSONSchema: () => ({ enum: [...values] }),
  };
}

export function array<T>(
  item: Schema<T>,
  limits: { readonly min?: number; readonly max: number },
): Schema<readonly T[]> {
  const { min = 0, max } = limits;
  return {
    types: ['array'],
    parse(value, path) {
      if (!Array.isArray(value)) throw invalid(path, 'must be an array');
      if (value.length < min) throw invalid(path, `must have at least ${min} items`);
      if (value.length > max) throw invalid(path, `must have at most ${max} items`);
      return value.map((element: unknown, index) => item.parse(element, `${path}[${index}]`));
    },
    toJSONSchema: () => ({
      type: 'array',
      items: item.toJSONSchema(),
      ...(min > 0 ? { minItems: min } : {}),
      maxItems: max,
    }),
  };
}

/** Objects with free keys. The result has no prototype, so that no key means more than itself. */
export function record<T>(
  item: Schema<T>,
  limits: { readonly maxKeys: number; readonly key: Schema<string> },
): Schema<Readonly<Record<string, T>>> {
  return {
    types: ['object'],
    parse(value, path) {
      if (typeOf(value) !== 'object') throw invalid(path, 'must be an object');
      const source = value as Readonly<Record<string, unknown>>;
      const keys = Object.keys(source);
      if (keys.length > limits.maxKeys) throw invalid(path, `must have at most ${limits.maxKeys} members`);
      const result = Object.create(null) as Record<string, T>;
      for (const key of keys) {
        const below = `${path}.${shown(key)}`;
        if (key === '__proto__' || key === 'constructor' || key === 'prototype') {
          throw invalid(below, 'is not an acceptable key');
        }
        limits.key.parse(key, below);
        result[key] = item.parse(source[key], below);
      }
      return result;
    },
    toJSONSchema: () => ({
      type: 'object',
      additionalProperties: item.toJSONSchema(),
      maxProperties: limits.maxKeys,
      propertyNames: limits.key.toJSONSchema(),
    }),
  };
}

/** Any JSON value; depth and size are bounded by the parse of the request. */
export function json(): Schema<Json> {
  return {
    types: ['null', 'boolean', 'number', 'string', 'array', 'object'],
    parse(value, path) {
      if (typeOf(value) === 'other') throw invalid(path, 'must be a JSON value');
      return value as Json;
    },
    toJSONSchema: () => ({}),
  };
}

export function nullable<T>(schema: Schema<T>): Schema<T | null> {
  return {
    types: ['null', ...schema.types],
    parse: (value, path) => (value === null ? null : schema.parse(value, path)),
    toJSONSchema: () => ({ anyOf: [schema.toJSONSchema(), { type: 'null' }] }),
  };
}

/** Objects told apart by the value of one member; `absent` names the case of a missing member. */
export function union<C extends Fields>(
  discriminator: string,
  cases: C,
  options: { readonly absent?: keyof C & string } = {},
): Schema<Infer<C[keyof C]>> {
  return {
    types: ['object'],
    parse(value, path) {
      if (typeOf(value) !== 'object') throw invalid(path, 'must be an object');
      const source = value as Readonly<Record<string, unknown>>;
      const tag = Object.hasOwn(source, discriminator) ? source[discriminator] : options.absent;
      if (typeof tag !== 'string' || !Object.hasOwn(cases, tag)) {
        throw invalid(`${path}.${discriminator}`, `must be one of ${Object.keys(cases).join(', ')}`);
      }
      return cases[tag]!.parse(value, path) as Infer<C[keyof C]>;
    },
    toJSONSchema: () => ({ oneOf: Object.values(cases).map((schema) => schema.toJSONSchema()) }),
  };
}

/** The first alternative that parses; otherwise the error of the one that got furthest into the value. */
export function oneOf<S extends readonly Schema<unknown>[]>(...alternatives: S): Schema<Infer<S[number]>> {
  const types = [...new Set(alternatives.flatMap((schema) => schema.types))];
  const byType = new Map<string, readonly Schema<unknown>[]>(
    types.map((type) => [type, alternatives.filter((schema) => schema.types.includes(type))]),
  );
  return {
    types,
    parse(value, path) {
      const fitting = byType.get(typeOf(value));
      if (fitting === undefined) throw invalid(path, `must be of type ${types.join(' or ')}`);
      let closest: KmsError | undefined;
      for (const schema of fitting) {
        try {
          return schema.parse(value, path) as Infer<S[number]>;
        } catch (error) {
          if (!(error instanceof KmsError)) throw error;
          if (closest === undefined || (error.field ?? '').length > (closest.field ?? '').length)
            closest = error;
        }
      }
      throw closest;
    },
    toJSONSchema: () => ({ anyOf: alternatives.map((schema) => schema.toJSONSchema()) }),
  };
}

/** `check` throws (see `invalid`) when a parsed value breaks a rule that its shape does not show. */
export function refine<T>(schema: Schema<T>, check: (value: T, path: string) => void): Schema<T> {
  return transform(schema, (value, path) => {
    check(value, path);
    return value;
  });
}

/** Normalises a parsed value. `change` throws KmsError only. */
export function transform<T, U>(schema: Schema<T>, change: (value: T, path: string) => U): Schema<U> {
  return {
    types: schema.types,
    parse: (value, path) => change(schema.parse(value, path), path),
    toJSONSchema: () => schema.toJSONSchema(),
  };
}
