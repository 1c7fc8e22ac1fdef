import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KmsError } from './errors.ts';
import {
  array,
  boolean,
  enumeration,
  integer,
  literal,
  nullable,
  object,
  oneOf,
  record,
  refine,
  invalid,
  type Schema,
  string,
  transform,
  union,
} from './schema.ts';

const fieldOf = (schema: Schema<unknown>, value: unknown): string | undefined => {
  try {
    schema.parse(value, 'p');
    return undefined;
  } catch (error) {
    assert.ok(error instanceof KmsError && error.code === 'parameter-invalid');
    return error.field;
  }
};

describe('schema', () => {
  it('refuses unknown, missing and inherited members and names them', () => {
    const schema = object({ required: { a: boolean() }, optional: { b: boolean() } });
    assert.deepEqual(schema.parse({ a: true }, 'p'), { a: true });
    assert.equal(fieldOf(schema, { a: true, c: 1 }), 'p.c');
    assert.equal(fieldOf(schema, {}), 'p.a');
    assert.equal(fieldOf(schema, Object.create({ a: true })), 'p.a');
    assert.equal(fieldOf(schema, { a: true, b: null }), 'p.b');
    assert.equal(fieldOf(schema, [true]), 'p');
    assert.equal(fieldOf(schema, JSON.parse('{"a":true,"__proto__":{}}')), 'p.__proto__');
  });

  it('reads null as absence only where the schema says so', () => {
    const schema = object({ optional: { b: boolean() } }, { nullIsAbsent: true });
    assert.deepEqual(schema.parse({ b: null }, 'p'), {});
  });

  it('holds integers to safe whole numbers within bounds', () => {
    const schema = integer({ min: 0, max: 9 });
    for (const value of [-1, 10, 0.5, -0, Number.NaN, '1', null, 2 ** 60])
      assert.equal(fieldOf(schema, value), 'p');
    assert.equal(schema.parse(9, 'p'), 9);
  });

  it('holds strings and arrays to their lengths', () => {
    assert.equal(fieldOf(string({ min: 1, max: 2 }), ''), 'p');
    assert.equal(fieldOf(string({ min: 1, max: 2 }), 'abc'), 'p');
    assert.equal(fieldOf(array(string({ max: 1 }), { max: 2 }), ['a', 'bc']), 'p[1]');
    assert.equal(fieldOf(array(string({ max: 1 }), { max: 2 }), ['a', 'b', 'c']), 'p');
  });

  it('gives records no prototype and refuses keys that could reach one', () => {
    const schema = record(string({ max: 9 }), { maxKeys: 2, key: string({ max: 9 }) });
    assert.equal(Object.getPrototypeOf(schema.parse({ a: 'b' }, 'p')), null);
    for (const key of ['__proto__', 'constructor', 'prototype']) {
      assert.equal(fieldOf(schema, JSON.parse(`{"${key}":"x"}`)), `p.${key}`);
    }
    assert.equal(fieldOf(schema, { a: '', b: '', c: '' }), 'p');
  });

  it('tells objects apart by one member and never by an inherited name', () => {
    const schema = union('t', {
      a: object({ required: { t: literal('a') } }),
      b: object({ required: { t: literal('b'), n: boolean() } }),
    });
    assert.equal(fieldOf(schema, { t: 'toString' }), 'p.t');
    assert.equal(fieldOf(schema, { t: 'b' }), 'p.n');
    assert.deepEqual(schema.parse({ t: 'a' }, 'p'), { t: 'a' });
  });

  it('reports the alternative that got furthest', () => {
    const schema = oneOf(
      string({ max: 3 }),
      object({ required: { a: object({ required: { b: boolean() } }) } }),
      object({ required: { z: boolean() } }),
    );
    assert.equal(fieldOf(schema, { a: { b: 1 } }), 'p.a.b');
    assert.equal(fieldOf(schema, 'long'), 'p');
    assert.equal(fieldOf(schema, 5), 'p');
  });

  it('applies checks and changes after the shape', () => {
    const even = refine(integer({ min: 0, max: 9 }), (value, path) => {
      if (value % 2 === 1) throw invalid(path, 'must be even');
    });
    assert.equal(fieldOf(even, 3), 'p');
    assert.equal(transform(even, (value) => value / 2).parse(4, 'p'), 2);
    assert.equal(nullable(even).parse(null, 'p'), null);
  });

  it('describes what it accepts in JSON Schema', () => {
    const schema = object({
      required: { a: enumeration(['x', 'y']) },
      optional: { b: array(integer({ min: 1, max: 2 }), { max: 3 }) },
    });
    assert.deepEqual(schema.toJSONSchema(), {
      type: 'object',
      properties: {
        a: { enum: ['x', 'y'] },
        b: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 2 }, maxItems: 3 },
      },
      required: ['a'],
      additionalProperties: false,
    });
  });

  it('shows a hostile key in an error only shortened and printable', () => {
    const field = fieldOf(object({}), { [`\u202e${'x'.repeat(500)}`]: 1 });
    assert.ok(field !== undefined && field.length < 60 && /^[\x20-\x7e]+$/.test(field));
  });
});
