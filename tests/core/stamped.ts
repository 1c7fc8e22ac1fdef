import { base64urlEncode } from '@keystead/crypto/base64url';
import * as ed25519 from '@keystead/crypto/ed25519';
import { type RawRequest, routeRpc, surfaceCompatibility } from '@keystead/protocol/frames';

/** A request of the compatibility surface, of now unless told, stamped by the Ed25519 key of a 32-byte seed. */
export function stamped(
  method: string,
  params: unknown,
  seed: Uint8Array,
  timestampMs = Date.now(),
): RawRequest {
  const body = Buffer.from(JSON.stringify({ method, params, timestampMs }));
  const stamp = {
    publicKey: base64urlEncode(ed25519.publicKey(seed)),
    signature: base64urlEncode(ed25519.sign(seed, body)),
    kind: 'PKI',
    algorithm: 'Ed25519',
  };
  return {
    surface: surfaceCompatibility,
    route: routeRpc,
    path: '/v1/wallets/kms/rpc',
    signatureInput: undefined,
    signature: undefined,
    contentDigest: undefined,
    deployment: undefined,
    origin: undefined,
    seen: undefined,
    phantomStamp: Buffer.from(JSON.stringify(stamp)).toString('base64url'),
    body: new Uint8Array(body),
  };
}
