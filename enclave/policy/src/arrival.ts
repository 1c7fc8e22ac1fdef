import { equalBytes } from '@keystead/crypto/bytes';
import { hexEncode } from '@keystead/crypto/hex';
import type { EnclaveContext } from '@keystead/enclave-runtime/program';
import { KmsError } from '@keystead/protocol/errors';
import {
  RawRequest,
  routePrepare,
  routeRpc,
  routeSimulations,
  surfaceCompatibility,
  surfaceNative,
} from '@keystead/protocol/frames';
import { formatUuid, organizationIdOf, parseUuid } from '@keystead/protocol/ids';
import { parseRequest, type Route } from '@keystead/protocol/request';
import { assertFresh, parseStamp, requestIdentity } from '@keystead/protocol/stamp';
import type { Pending } from './pending.ts';

/**
 * A request as it came from the socket, read once: stamp, method and parameters, identity, organization. Nothing of it
 * is believed yet but that its stamp is fresh at `now`. Throws KmsError.
 */
export function arrived(context: EnclaveContext, ref: number, encoded: Uint8Array, now: number): Pending {
  const raw = RawRequest.decodeShared(encoded);
  const stamp = parseStamp(raw);
  const request = parseRequest(surfaceOf(raw), routeOf(raw), raw.body);
  if (stamp.kind === 'native' && !equalBytes(stamp.deployment, context.deploymentId))
    throw new KmsError('deployment-mismatch', { field: 'Keystead-Deployment' });
  assertFresh(stamp, request.timestampMs, now);
  if (request.kind === 'unsupported')
    throw new KmsError('not-supported', {
      field: 'method',
      detail: `${request.method} is not offered here`,
    });
  const identity = requestIdentity(stamp, raw.body);
  const organization =
    request.method === 'createOrganization'
      ? organizationIdOf(context.deploymentId, identity)
      : parseUuid(request.organizationId ?? '');
  if (organization === undefined) throw new KmsError('authenticator-unknown', {});
  return {
    refs: [ref],
    raw,
    encoded,
    request,
    stamp,
    identity,
    identityHex: hexEncode(identity),
    organization,
    // Its text has one form.
    organizationId: request.organizationId ?? formatUuid(organization),
    arrived: context.clock(),
    selfVerified: undefined,
    made: undefined,
    refusal: undefined,
    owner: undefined,
    rows: undefined,
    awaited: 0,
    isCounted: false,
    restarts: 0,
  };
}

function surfaceOf({ surface }: RawRequest): 'native' | 'compatibility' {
  if (surface === surfaceNative) return 'native';
  if (surface === surfaceCompatibility) return 'compatibility';
  throw new KmsError('internal', {});
}

function routeOf({ route }: RawRequest): Route {
  switch (route) {
    case routeRpc:
      return 'rpc';
    case routePrepare:
      return 'prepare';
    case routeSimulations:
      return 'simulations';
    default:
      throw new KmsError('internal', {});
  }
}
