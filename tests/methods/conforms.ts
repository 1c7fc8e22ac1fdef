import { type MethodName, methods } from '@keystead/protocol/method-table';

type Schema = { readonly [keyword: string]: unknown };

/** What of `value` does not follow a result schema, as paths; empty when all of it does. */
function deviations(schema: Schema, value: unknown, path: string): string[] {
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) return [`${path} is not in the list`];
  const types = schema.type === undefined ? [] : [schema.type].flat();
  if (types.length > 0 && !types.includes(typeOf(value)))
    return [`${path} is ${typeOf(value)}, not ${types}`];
  if (Array.isArray(value)) {
    const items = schema.items as Schema | undefined;
    return items === undefined ? [] : value.flatMap((item, i) => deviations(items, item, `${path}[${i}]`));
  }
  if (typeof value !== 'object' || value === null) return [];
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const required = (schema.required ?? []) as string[];
  const missing = required.filter((name) => !(name in value)).map((name) => `${path}.${name} is missing`);
  const wrong = Object.entries(value).flatMap(([name, inner]) => {
    const property = properties[name];
    if (property !== undefined) return deviations(property, inner, `${path}.${name}`);
    return schema.properties === undefined ? [] : [`${path}.${name} is not in the schema`];
  });
  return [...missing, ...wrong];
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (Number.isSafeInteger(value)) return 'integer';
  return typeof value;
}

/** The value, when it has exactly the members that the method's documented result has. Throws Error. */
export function conforming<T>(method: MethodName, value: T): T {
  const found = deviations(methods[method].result, value, 'result');
  if (found.length > 0) throw new Error(`${method}: ${found.join('; ')}`);
  return value;
}
