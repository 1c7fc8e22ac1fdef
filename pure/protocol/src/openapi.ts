/** The OpenAPI 3.1 document, generated from the schemas that requests are parsed with. */
import { errorCodes } from './errors.ts';
import { type MethodName, methodNames, methods, namesOf } from './method-table.ts';
import type { JsonSchema } from './schema.ts';
import type { Surface } from './surface.ts';

const json = (schema: JsonSchema) => ({ 'application/json': { schema } });
const text = { 'text/plain': { schema: { type: 'string' } } };
const reference = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
const componentName = (surface: Surface, method: MethodName, part: string) =>
  `${surface === 'native' ? 'Native' : 'Compatibility'}_${method}_${part}`;

/** Methods that can be called by name on a surface. */
const callable = (surface: Surface) => methodNames.filter((method) => namesOf(surface, method).length > 0);

function requestSchema(surface: Surface, method: MethodName): JsonSchema {
  const definition = methods[method];
  const withTime = surface === 'compatibility';
  const params = reference(componentName(surface, method, 'Params'));
  return {
    type: 'object',
    title: method,
    description: definition.summary,
    properties: {
      method: { enum: namesOf(surface, method) },
      params: withTime ? { anyOf: [params, { type: 'null' }] } : params,
      ...(withTime
        ? { timestampMs: { type: 'integer', minimum: 0, description: 'Milliseconds since 1970' } }
        : {}),
    },
    required: withTime ? ['method', 'params', 'timestampMs'] : ['method', 'params'],
    additionalProperties: false,
    'x-kind': definition.kind,
  };
}

function resultEnvelope(result: JsonSchema, withSubmission: boolean): JsonSchema {
  return {
    type: 'object',
    properties: {
      result,
      signature: {
        type: 'string',
        contentEncoding: 'base64url',
        description: 'What an enclave states about this answer (spec/answer.md)',
      },
      ...(withSubmission
        ? { rpc_submission_result: { type: 'object', description: 'What the network said; only when sent' } }
        : {}),
    },
    required: ['result'],
  };
}

/** One schema per method and part, so that each can be referred to. */
function methodComponents(): Record<string, JsonSchema> {
  const components: Record<string, JsonSchema> = {};
  for (const method of methodNames) {
    const definition = methods[method];
    for (const surface of ['native', 'compatibility'] as const) {
      components[componentName(surface, method, 'Params')] = definition[surface].toJSONSchema();
      if (namesOf(surface, method).length > 0) {
        components[componentName(surface, method, 'Request')] = requestSchema(surface, method);
      }
    }
    components[`${method}_Result`] = definition.result;
    components[`${method}_Answer`] = resultEnvelope(
      reference(`${method}_Result`),
      method === 'signTransaction',
    );
  }
  return components;
}

const errorSchema: JsonSchema = {
  type: 'object',
  properties: {
    type: { type: 'string', description: 'Equal to code' },
    title: { type: 'string' },
    detail: { type: 'string' },
    message: { type: 'string', description: 'Detail, hint and code in one text' },
    error: { type: 'string', description: 'Equal to detail' },
    code: { enum: Object.keys(errorCodes) },
    requestId: { type: 'string' },
    field: { type: 'string', description: 'Path of the parameter or part that caused it' },
    hint: { type: 'string', description: 'What to do next' },
    rule: { type: 'string', description: 'The rule that denied' },
    trace: { type: 'array', items: { type: 'string' } },
  },
  required: ['type', 'title', 'detail', 'message', 'error', 'code', 'requestId', 'hint'],
};

/** One response per status that a code has; each lists its codes with their meaning. */
function errorResponses(): Record<string, unknown> {
  const responses: Record<string, unknown> = {};
  const statuses = [...new Set(Object.values(errorCodes).map(({ status }) => status))].sort((a, b) => a - b);
  for (const status of statuses) {
    const lines = Object.entries(errorCodes)
      .filter(([, known]) => known.status === status)
      .map(([code, known]) => `- \`${code}\`: ${known.meaning}`);
    responses[String(status)] = { description: lines.join('\n'), content: json(reference('Error')) };
  }
  return responses;
}

function rpcOperation(surface: Surface): Record<string, unknown> {
  const offered = callable(surface);
  return {
    post: {
      operationId: surface === 'native' ? 'rpc' : 'compatibilityRpc',
      summary:
        surface === 'native' ? 'Calls a method' : 'Calls a method, as published third-party clients do',
      security: [surface === 'native' ? { httpMessageSignature: [] } : { phantomStamp: [] }],
      requestBody: {
        required: true,
        content: json({
          oneOf: offered.map((method) => reference(componentName(surface, method, 'Request'))),
        }),
      },
      responses: {
        '200': {
          description: 'The result of the method; which shape it has follows from the method called',
          content: json({ anyOf: offered.map((method) => reference(`${method}_Answer`)) }),
        },
        ...errorResponses(),
      },
    },
  };
}

function bodyOperation(operationId: string, method: MethodName): Record<string, unknown> {
  return {
    post: {
      operationId,
      summary: methods[method].summary,
      security: [{ phantomStamp: [] }],
      requestBody: {
        required: true,
        content: json(reference(componentName('compatibility', method, 'Params'))),
      },
      responses: {
        '200': { description: 'Nothing was changed', content: json(reference(`${method}_Result`)) },
        ...errorResponses(),
      },
    },
  };
}

function readOperation(
  operationId: string,
  summary: string,
  content: Record<string, unknown>,
): Record<string, unknown> {
  return {
    get: {
      operationId,
      summary,
      security: [],
      responses: {
        '200': { description: 'OK', content },
        '503': { description: 'Not able to answer now', content: json(reference('Error')) },
      },
    },
  };
}

const deployment: JsonSchema = {
  type: 'object',
  properties: {
    deploymentId: { type: 'string' },
    keys: {
      type: 'object',
      description:
        'Root public keys of policy, signer and certifier; they hash to the deployment id that a client pins',
    },
    profile: { enum: ['development', 'production'] },
    networks: { type: 'array', items: { type: 'string' }, description: 'CAIP-2 ids with an RPC endpoint' },
  },
  required: ['deploymentId', 'keys'],
};

/** The document that /openapi.json answers with. `version` is that of the product. */
export function openApiDocument(options: { readonly version: string }): JsonSchema {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keystead',
      version: options.version,
      description:
        'Wallet key management. Every request is stamped by an authenticator key; every answer can be verified.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: {
      '/v1/rpc': rpcOperation('native'),
      '/v1/wallets/kms/rpc': rpcOperation('compatibility'),
      '/v1/wallets/prepare': bodyOperation('prepare', 'prepareTransaction'),
      '/v1/wallets/simulations': bodyOperation('simulate', 'simulateTransaction'),
      '/v1/deployment': readOperation(
        'deployment',
        'What a client pins and may send to',
        json(reference('Deployment')),
      ),
      '/healthz': readOperation('health', 'Answers 200 when every enclave answers', text),
      '/readyz': readOperation('readiness', 'Answers 200 when requests are accepted', text),
      '/metrics': readOperation('metrics', 'Prometheus metrics', text),
      '/openapi.json': readOperation('openapi', 'This document', json({ type: 'object' })),
    },
    components: {
      schemas: { Error: errorSchema, Deployment: deployment, ...methodComponents() },
      securitySchemes: {
        httpMessageSignature: {
          type: 'apiKey',
          in: 'header',
          name: 'Signature',
          description:
            'HTTP Message Signatures (RFC 9421) as spec/stamp.md profiles them, with Signature-Input',
        },
        phantomStamp: {
          type: 'apiKey',
          in: 'header',
          name: 'X-Phantom-Stamp',
          description: 'base64url of a JSON stamp over the body (spec/stamp.md)',
        },
      },
    },
  };
}
