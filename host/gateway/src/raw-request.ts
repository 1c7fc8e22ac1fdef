import type { IncomingMessage } from 'node:http';
import { KmsError } from '@keystead/protocol/errors';
import type { RawRequest } from '@keystead/protocol/frames';
import type { EnclaveRoute } from './routes.ts';

type StampField = Exclude<keyof RawRequest, 'surface' | 'route' | 'path' | 'body'>;

/** Headers that an enclave reads, and the most bytes that its field of RawRequest has room for. */
const stampHeaders: ReadonlyMap<string, { readonly field: StampField; readonly most: number }> = new Map([
  ['signature-input', { field: 'signatureInput', most: 4096 }],
  ['signature', { field: 'signature', most: 16384 }],
  ['content-digest', { field: 'contentDigest', most: 256 }],
  ['keystead-deployment', { field: 'deployment', most: 256 }],
  ['keystead-origin', { field: 'origin', most: 512 }],
  ['keystead-seen', { field: 'seen', most: 256 }],
  ['x-phantom-stamp', { field: 'phantomStamp', most: 16384 }],
]);

/** More than one stamp, with the status that bytes of the wrong shape have. */
export class DuplicateStampError extends KmsError {
  override readonly status = 400;

  constructor(header: string) {
    super('stamp-malformed', { field: header, detail: `The header ${header} stands more than once.` });
  }
}

/**
 * The stamp headers of a request, byte for byte as they came. Throws KmsError: `stamp-malformed` for a header that
 * stands twice, `request-malformed` for one that is too long, a query, a transfer coding or an upgrade,
 * `not-supported` for a content coding. Nothing of the body has been read by then.
 */
export function readHead(message: IncomingMessage): Partial<Pick<RawRequest, StampField>> {
  const { headers, rawHeaders, url = '' } = message;
  if (url.includes('?')) throw malformed('The path takes no query.');
  // A length before the body leaves two servers in a row nothing to disagree about (RFC 9112 §11.2).
  if (headers['transfer-encoding'] !== undefined)
    throw malformed('Send a Content-Length; a transfer coding is not accepted.', 'Transfer-Encoding');
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding.trim().toLowerCase() !== 'identity')
    throw new KmsError('not-supported', {
      field: 'Content-Encoding',
      detail: 'The body is taken as it is stamped, without a content coding.',
    });
  const stamp: Partial<Record<StampField, string>> = {};
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    const known = stampHeaders.get(name.toLowerCase());
    if (known === undefined) continue;
    if (stamp[known.field] !== undefined) throw new DuplicateStampError(name);
    const value = rawHeaders[i + 1]!;
    if (Buffer.byteLength(value, 'utf8') > known.most)
      throw malformed(`The header has more than ${known.most} bytes.`, name);
    stamp[known.field] = value;
  }
  return stamp;
}

/** RFC 9112 §3.2: a request of HTTP/1.1 has exactly one Host header. */
export function namesOneHost({ httpVersion, rawHeaders }: IncomingMessage): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  return hosts === 1 || (hosts === 0 && httpVersion === '1.0');
}

/** The request as the enclaves get it: nothing parsed, nothing added. */
export function rawRequest(
  route: EnclaveRoute,
  path: string,
  stamp: Partial<Pick<RawRequest, StampField>>,
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
