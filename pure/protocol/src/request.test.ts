import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { utf8Encode } from '@keystead/crypto/bytes';
import fc from 'fast-check';
import { KmsError } from './errors.ts';
import { type MethodName, methodNames, methods } from './method-table.ts';
import { type ParsedRequestOf, parseRequest, type Route } from './request.ts';
import type { Surface } from './surface.ts';

interface Vector {
  readonly surface: Surface;
  readonly name: string;
  readonly route: Route;
  readonly request: { readonly [member: string]: unknown };
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../vectors/requests.json', import.meta.url), 'utf8'),
) as {
  readonly accepted: readonly (Vector & { readonly method: MethodName })[];
  readonly refused: readonly (Vector & { readonly code: string; readonly field: string | null })[];
};

const bytesOf = (value: unknown): Uint8Array => utf8Encode(JSON.stringify(value));

const refusal = (surface: Surface, route: Route, body: Uint8Array): KmsError | undefined => {
  try {
    parseRequest(surface, route, body);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof KmsError, `not a KmsError: ${String(error)}`);
    assert.ok(error.status >= 400 && error.status < 500, `status ${error.status} for ${error.code}`);
    return error;
  }
};

const accepted = <M extends MethodName>(surface: Surface, method: M, name: string): ParsedRequestOf<M> => {
  const found = vectors.accepted.find((v) => v.surface === surface && v.method === method && v.name === name);
  assert.ok(found, `${surface} ${method} ${name}`);
  return parseRequest(surface, found.route, bytesOf(found.request)) as ParsedRequestOf<M>;
};

describe('parseRequest', () => {
  for (const { surface, name, route, method, request } of vectors.accepted) {
    it(`reads ${method} on the ${surface} surface: ${name}`, () => {
      const parsed = parseRequest(surface, route, bytesOf(request));
      assert.equal(parsed.method, method);
      assert.equal(parsed.kind, methods[method].kind);
      assert.equal(parsed.timestampMs, route === 'rpc' && surface === 'compatibility' ? 1795170280293 : null);
    });
  }

  for (const { surface, name, route, request, code, field } of vectors.refused) {
    it(`refuses on the ${surface} surface: ${name}`, () => {
      const error = refusal(surface, route, bytesOf(request));
      assert.deepEqual([error?.code, error?.field ?? null], [code, field]);
    });
  }

  it('has an accepted vector for every method on every surface that offers it', () => {
    for (const method of methodNames) {
      const surfaces = method === 'prepareTransaction' ? ['compatibility'] : ['native', 'compatibility'];
      for (const surface of surfaces) {
        assert.ok(
          vectors.accepted.some((v) => v.method === method && v.surface === surface),
          `${surface} ${method}`,
        );
      }
    }
  });

  it('normalises every form of a key to the same bytes and algorithm', () => {
    const text = accepted('compatibility', 'createOrganization', 'captured createOrganization').params;
    const integers = accepted(
      'compatibility',
      'createOrganization',
      'role instead of policy, key as integers, no algorithm',
    ).params;
    assert.deepEqual(integers.users[0]!.authenticators, text.users[0]!.authenticators);
    assert.deepEqual(integers.users[0]!.policy, { type: 'ROOT' });
    assert.deepEqual(integers.users[1]!.policy, { type: 'CEL', preset: 'LEGACY_USER_ROLE' });
    const [second] = integers.users[1]!.authenticators;
    assert.equal(second!.authenticatorKind === 'keypair' && second!.algorithm, 'Secp256r1');
  });

  it('normalises paths and objects to the same accounts', () => {
    const paths = accepted('compatibility', 'getWalletWithTag', 'derivationPaths instead of accounts').params;
    assert.deepEqual(paths, accepted('compatibility', 'getWalletWithTag', 'objects').params);
    assert.deepEqual(
      paths.accounts,
      accepted('compatibility', 'getAccounts', 'captured getAccounts').params.accounts,
    );
  });

  it('gives the same parameters for the native and the compatibility form of a transaction', () => {
    const native = accepted('native', 'signTransaction', 'sign and send');
    const compatibility = accepted('compatibility', 'signTransaction', 'captured sign and send on Solana');
    assert.deepEqual(compatibility.params, native.params);
    assert.deepEqual(compatibility.submission, { network: 'solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1' });
  });

  it('builds from EIP_1559 fields the bytes that RLP_ENCODED carries', () => {
    const { transaction } = accepted('compatibility', 'signTransaction', 'EIP_1559 fields').params;
    assert.equal(transaction.chain, 'ethereum');
    const encoded = accepted('compatibility', 'signTransaction', 'captured sign and send on EVM').params;
    assert.deepEqual(transaction.bytes, encoded.transaction.bytes);
  });

  it('writes the chain id of typed data in decimal whatever its form', () => {
    const number = accepted('compatibility', 'ethereumSignTypedData', 'chain id as number').params;
    const text = accepted('compatibility', 'ethereumSignTypedData', 'chain id as text').params;
    assert.equal(number.typedData.domain.chainId, '1');
    assert.deepEqual(text.typedData, number.typedData);
  });

  it('names the owner as the organization that stamps a grant', () => {
    const request = accepted('native', 'grantOrganizationAccess', 'grantOrganizationAccess');
    assert.equal(request.organizationId, request.params.ownerOrganizationId);
  });

  it('lets a native key make native stamps only unless the request says otherwise', () => {
    const kinds = (surface: Surface, name: string) =>
      accepted(surface, 'createOrganization', name).params.users[0]!.authenticators[0]!.stampKinds;
    assert.deepEqual(kinds('native', 'with proof of possession'), ['native', 'pki']);
    assert.deepEqual(kinds('compatibility', 'captured createOrganization'), ['native', 'pki']);
    const user = accepted('native', 'addUserToOrganization', 'addUserToOrganization').params.user;
    assert.deepEqual(user.authenticators[0]!.stampKinds, ['native']);
  });

  it('reads upper-case ids on the compatibility surface into lower case', () => {
    const id = '1E7D9A3C-0B1D-4C2E-8F3A-5A6B7C8D9E0F';
    const body = bytesOf({ method: 'getOrganization', params: { organizationId: id }, timestampMs: 1 });
    assert.equal(parseRequest('compatibility', 'rpc', body).organizationId, id.toLowerCase());
  });

  it('refuses bytes that are not strict JSON', () => {
    for (const text of [
      '',
      '{',
      '{"method":"getOrganization","method":"getOrganization","params":{}}',
      '{"method":"getOrganization","\\u006dethod":"x","params":{}}',
      '{"method":"getOrganization","params":{}} ,',
      '{"method":"getOrganization","params":{"__proto__":{"allow":true}}}',
      '{"method":"getOrganization","params":{"a":9007199254740993}}',
      `${'['.repeat(33)}${']'.repeat(33)}`,
      '\ufeff{"method":"getOrganization","params":{}}',
    ]) {
      assert.equal(refusal('native', 'rpc', utf8Encode(text))?.code, 'json-malformed', text.slice(0, 60));
    }
    assert.equal(refusal('native', 'rpc', Uint8Array.of(0x22, 0xff, 0x22))?.code, 'json-malformed');
  });

  it('refuses a body beyond 256 KiB before it parses it', () => {
    assert.equal(refusal('native', 'rpc', new Uint8Array(262_145))?.code, 'request-too-large');
  });

  it('refuses what exceeds 64 KiB of message, 128 KiB of transaction', () => {
    const params = {
      organizationId: '1e7d9a3c-0b1d-4c2e-8f3a-5a6b7c8d9e0f',
      walletId: '9a37c5d1-77aa-4bb1-9cc2-1234567890ab',
    };
    const message = (text: string) =>
      refusal(
        'native',
        'rpc',
        bytesOf({ method: 'signUtf8Message', params: { ...params, message: text, algorithm: 'Ed25519' } }),
      );
    assert.equal(message('x'.repeat(65_536)), undefined);
    assert.equal(message('x'.repeat(65_537))?.field, 'params.message');
    assert.equal(message('é'.repeat(32_769))?.field, 'params.message');
    const transaction = (length: number) => ({
      method: 'signTransaction',
      params: { ...params, chain: 'solana', transaction: 'A'.repeat((length * 4) / 3) },
    });
    assert.equal(refusal('native', 'rpc', bytesOf(transaction(131_070))), undefined);
    assert.equal(refusal('native', 'rpc', bytesOf(transaction(131_073)))?.field, 'params.transaction');
  });

  it('throws nothing but KmsError for any JSON in the place of any part of an accepted request', () => {
    const places = (
      value: unknown,
      path: readonly (string | number)[] = [],
    ): (readonly (string | number)[])[] =>
      typeof value === 'object' && value !== null
        ? [path, ...Object.entries(value).flatMap(([key, inner]) => places(inner, [...path, key]))]
        : [path];
    const replaced = (value: unknown, [key, ...rest]: readonly (string | number)[], by: unknown): unknown => {
      if (key === undefined) return by;
      const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<
        string | number,
        unknown
      >;
      copy[key] = replaced(copy[key], rest, by);
      return copy;
    };
    fc.assert(
      fc.property(
        fc.constantFrom(...vectors.accepted),
        fc.nat(),
        fc.oneof(
          fc.jsonValue(),
          fc.string({ unit: 'binary' }),
          fc.integer(),
          fc.constantFrom('m/', "m/44'", '0x', 'AA', 'ROOT', 'constructor', 'toString'),
        ),
        (vector, pick, by) => {
          const all = places(vector.request);
          refusal(
            vector.surface,
            vector.route,
            bytesOf(replaced(vector.request, all[pick % all.length]!, by)),
          );
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('throws nothing but KmsError for any bytes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Surface>('native', 'compatibility'),
        fc.constantFrom<Route>('rpc', 'prepare', 'simulations'),
        fc.uint8Array({ maxLength: 200 }),
        (surface, route, body) => {
          refusal(surface, route, body);
        },
      ),
    );
  });
});
