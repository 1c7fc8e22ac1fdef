import { KmsError } from '@keystead/protocol/errors';
import type { RawRequest } from '@keystead/protocol/frames';
import type { ReceivedMessage, StampFields } from './received-message.ts';
import type { EnclaveRoute } from './routes.ts';

/**
 * The stamp headers of a request, byte for byte as they came. Throws KmsError: `stamp-malformed` for a header that
 * stands twice, `request-malformed` for one that is too long, a query, a transfer coding or an upgrade,
 * `not-supported` for a content coding. Nothing of the body has been read by then.
 */
export function readHead({ head, url = '' }: ReceivedMessage): StampFields {
  const { actedOn, stamp, fault } = head;
  if (url.includes('?')) throw malformed('The path takes no query.');
  // A length before the body leaves two servers in a row nothing to disagree about (RFC 9112 §11.2).
  if (actedOn['transfer-encoding'] !== undefined)
    throw malformed('Send a Content-Length; a transfer coding is not accepted.', 'Transfer-Encoding');
  const coding = actedOn['content-encoding'];
  if (coding !== undefined && coding.trim().toLowerCase() !== 'identity')
    throw new KmsError('not-supported', {
      field: 'Content-Encoding',
      detail: 'The body is taken as it is stamped, without a content coding.',
    });
  if (fault !== undefined) throw fault;
  return stamp;
}

/** RFC 9112 §3.2: a request of HTTP/1.1 has exactly one Host header. */
export function namesOneHost({ httpVersion, head }: ReceivedMessage): boolean {
  return head.hosts === 1 || (head.hosts === 0 && httpVersion === '1.0');
}

/** The request as the enclaves get it: nothing parsed, nothing added. */
export function rawRequest(
  route: EnclaveRoute,
  path: string,
  stamp: StampFields,
  body: Uint8Array,
): RawRequest {
  return {
    surface: route.surface,
    route: route.route,
    path,
    signatureInput: stamp.signatureInput,
    signature: stamp.signature,
    contentDigest: stamp.contentDigest,
    deployment: stamp.deployment,
    origin: stamp.origin,
    seen: stamp.seen,
    phantomStamp: stamp.phantomStamp,
    body,
  };
}

function malformed(detail: string, field?: string): KmsError {
  return new KmsError('request-malformed', { detail, field });
}
