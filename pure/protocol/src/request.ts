/** Raw body to typed request (spec/methods.md). Policy engine and signer each call this on the bytes they got. */
import { CryptoError } from '@keystead/crypto/crypto-error';
import { parseStrictJson } from '@keystead/crypto/strict-json';
import { KmsError } from './errors.ts';
import { type KindOf, type MethodName, methodNamed, methods, type ParamsOf } from './method-table.ts';
import type { Submission } from './parameters/network.ts';
import { base64url } from './parameters/bytes.ts';
import { array, integer, type Schema } from './schema.ts';
import type { Surface } from './surface.ts';

/** `rpc`: a method by name. `prepare` and `simulations`: routes of the compatibility surface with a body of their own. */
export type Route = 'rpc' | 'prepare' | 'simulations';

interface RequestOf<M extends MethodName> {
  readonly surface: Surface;
  readonly route: Route;
  readonly method: M;
  readonly kind: KindOf<M>;
  readonly params: ParamsOf<M>;
  /** Milliseconds since 1970 as the caller wrote them; null where the body has none. */
  readonly timestampMs: number | null;
  /** The organization whose authenticator stamps: for grants and transfer the owner. Null where none is named. */
  readonly organizationId: string | null;
  /** Where to send the signed transaction. */
  readonly submission: Submission | null;
  /** Encoded raw requests of others who agree (spec/approval.md); native surface only. */
  readonly approvals: readonly Uint8Array[];
}

/** A request whose shape is right; `method` tells the type of `params`. */
export type ParsedRequest = { readonly [M in MethodName]: RequestOf<M> }[MethodName];

/** The request of one method. */
export type ParsedRequestOf<M extends MethodName> = Extract<ParsedRequest, { readonly method: M }>;

/** Bounds of a body: 256 KiB, 32 levels. */
export const bodyLimits = { maxBytes: 262_144, maxDepth: 32 } as const;

const approvals: Schema<readonly Uint8Array[]> = array(base64url({ min: 1, max: 8192 }), { min: 1, max: 16 });
const timestamp: Schema<number> = integer({ min: 0, max: 8_640_000_000_000_000 });

/**
 * Parses the bytes that were stamped. Throws nothing but KmsError: `request-too-large`, `json-malformed`,
 * `request-malformed` (envelope), `method-unknown`, `parameter-invalid` and the codes of single parameters.
 */
export function parseRequest(surface: Surface, route: Route, body: Uint8Array): ParsedRequest {
  const document = parseDocument(body);
  if (route === 'prepare')
    return requestOf('compatibility', route, 'prepareTransaction', document, null, 'body');
  if (route === 'simulations')
    return requestOf('compatibility', route, 'simulateTransaction', document, null, 'body');

  const withTime = surface === 'compatibility';
  const members = withTime ? ['method', 'params', 'timestampMs'] : ['method', 'params'];
  const optional = withTime ? undefined : 'approvals';
  for (const key of Object.keys(document)) {
    if (!members.includes(key) && key !== optional)
      throw malformed(`The request has a member besides ${members.join(', ')}.`);
  }
  for (const key of members) {
    if (!Object.hasOwn(document, key)) throw malformed(`The request has no ${key}.`, key);
  }
  const { method: name, params } = document;
  if (typeof name !== 'string') throw malformed('method must be a string.', 'method');
  const method = methodNamed(surface, name);
  if (method === undefined) {
    throw new KmsError('method-unknown', {
      field: 'method',
      detail: 'No method of this surface has that name.',
    });
  }
  let timestampMs: number | null = null;
  if (withTime) {
    try {
      timestampMs = timestamp.parse(document.timestampMs, 'timestampMs');
    } catch (cause) {
      throw new KmsError('request-malformed', {
        field: 'timestampMs',
        detail: 'timestampMs must be an integer, milliseconds since 1970.',
        cause,
      });
    }
  }
  // Methods without required parameters are called with null by published clients.
  const given = withTime && params === null ? Object.create(null) : params;
  const request = requestOf(surface, route, method, given, timestampMs, 'params');
  return document.approvals === undefined
    ? request
    : { ...request, approvals: approvals.parse(document.approvals, 'approvals') };
}

const none: readonly Uint8Array[] = [];

function requestOf(
  surface: Surface,
  route: Route,
  method: MethodName,
  value: unknown,
  timestampMs: number | null,
  path: string,
): ParsedRequest {
  const definition = methods[method];
  const schema: Schema<unknown> = definition[surface];
  const params = schema.parse(value, path) as {
    readonly organizationId?: string | null;
    readonly ownerOrganizationId?: string;
    readonly submission?: Submission | null;
  };
  return {
    surface,
    route,
    method,
    kind: definition.kind,
    params,
    timestampMs,
    organizationId: params.organizationId ?? params.ownerOrganizationId ?? null,
    submission: params.submission ?? null,
    approvals: none,
  } as ParsedRequest;
}

function parseDocument(body: Uint8Array): Readonly<Record<string, unknown>> {
  if (body.length > bodyLimits.maxBytes) {
    throw new KmsError('request-too-large', {
      detail: `The body has more than ${bodyLimits.maxBytes} bytes.`,
    });
  }
  let value: unknown;
  try {
    value = parseStrictJson(body, bodyLimits);
  } catch (error) {
    if (error instanceof CryptoError) {
      throw new KmsError('json-malformed', {
        detail:
          error.detail === undefined
            ? 'The body is not strict JSON.'
            : `The body is not strict JSON: ${error.detail}.`,
        cause: error,
      });
    }
    throw error;
  }
  if (Array.isArray(value)) throw malformed('The body is an array; send one request at a time.');
  if (typeof value !== 'object' || value === null) throw malformed('The body is not a JSON object.');
  return value as Readonly<Record<string, unknown>>;
}

function malformed(detail: string, field?: string): KmsError {
  return new KmsError('request-malformed', { detail, field });
}
