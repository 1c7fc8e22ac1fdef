import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorCodes } from './errors.ts';
import { methodNames, namesOf } from './method-table.ts';
import { openApiDocument } from './openapi.ts';

const document = JSON.parse(JSON.stringify(openApiDocument({ version: '1.2.3' })));

describe('openApiDocument', () => {
  it('is OpenAPI 3.1 with the version of the product', () => {
    assert.equal(document.openapi, '3.1.0');
    assert.equal(document.info.version, '1.2.3');
  });

  it('holds every route of the server', () => {
    assert.deepEqual(Object.keys(document.paths), [
      '/v1/rpc',
      '/v1/wallets/kms/rpc',
      '/v1/wallets/prepare',
      '/v1/wallets/simulations',
      '/v1/deployment',
      '/healthz',
      '/readyz',
      '/metrics',
      '/openapi.json',
    ]);
  });

  it('refers only to schemas that it holds', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    assert.ok(references.length > 100);
    for (const [, name] of references) assert.ok(name! in document.components.schemas, name);
  });

  it('offers every method under every name that it is called by', () => {
    for (const [path, surface] of [
      ['/v1/rpc', 'native'],
      ['/v1/wallets/kms/rpc', 'compatibility'],
    ] as const) {
      const alternatives: readonly { $ref: string }[] =
        document.paths[path].post.requestBody.content['application/json'].schema.oneOf;
      const offered = alternatives.flatMap(
        ({ $ref }) => document.components.schemas[$ref.split('/').at(-1)!].properties.method.enum,
      );
      assert.deepEqual(offered.sort(), methodNames.flatMap((method) => namesOf(surface, method)).sort());
    }
  });

  it('lists every error code in the schema of errors and under its status', () => {
    assert.deepEqual(document.components.schemas.Error.properties.code.enum, Object.keys(errorCodes));
    const { responses } = document.paths['/v1/rpc'].post;
    for (const [code, { status }] of Object.entries(errorCodes)) {
      assert.ok(responses[String(status)].description.includes(`\`${code}\``), code);
    }
  });

  it('closes every object that a request is made of', () => {
    const open: string[] = [];
    const walk = (schema: unknown, path: string): void => {
      if (typeof schema !== 'object' || schema === null) return;
      const object = schema as Record<string, unknown>;
      if (object.type === 'object' && 'properties' in object && object.additionalProperties !== false) {
        if (!String(object.description ?? '').startsWith('Refused')) open.push(path);
      }
      for (const [key, inner] of Object.entries(object)) walk(inner, `${path}.${key}`);
    };
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      if (name.endsWith('_Params') || name.endsWith('_Request')) walk(schema, name);
    }
    assert.deepEqual(open, []);
  });
});
