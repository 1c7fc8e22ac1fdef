import { KmsError } from '@keystead/protocol/errors';
import { bodyLimits } from '@keystead/protocol/request';
import { type HttpAnswer, httpAnswer } from './answer-body.ts';
import type { Pipeline } from './pipeline.ts';
import { rawRequest, readHead } from './raw-request.ts';
import type { ReceivedMessage } from './received-message.ts';
import type { EnclaveRoute } from './routes.ts';
import { keyOf } from './senders.ts';
import type { Answer } from './waiting.ts';

export interface EnclaveRequest {
  readonly request: ReceivedMessage;
  readonly path: string;
  readonly route: EnclaveRoute;
  readonly requestId: string;
}

/**
 * Takes a POST to a route of the enclaves and calls `done` once: with the answer, or with what was thrown. Shed and
 * malformed requests are refused before their body is read: that is what overload is about.
 */
export function takeEnclaveRequest(
  { request, path, route, requestId }: EnclaveRequest,
  pipeline: Pipeline,
  done: (answer: HttpAnswer | Error) => void,
): void {
  let stamp: ReturnType<typeof readHead>;
  let key: string | undefined;
  try {
    stamp = readHead(request);
    key = keyOf(stamp);
    pipeline.admit(key);
    // A body without a length has none: a transfer coding is refused.
    if (Number(request.headers['content-length'] ?? 0) > bodyLimits.maxBytes)
      throw new KmsError('request-too-large', {
        detail: `The body has more than ${bodyLimits.maxBytes} bytes.`,
      });
  } catch (error) {
    done(error as Error);
    return;
  }
  const settle = (outcome: Answer | KmsError) => {
    try {
      done(outcome instanceof KmsError ? outcome : httpAnswer(outcome, requestId, route.bare));
    } catch (error) {
      done(error as Error);
    }
  };
  const submit = (body: Uint8Array) => {
    try {
      pipeline.submit(rawRequest(route, path, stamp, body), key, settle);
    } catch (error) {
      done(error as Error);
    }
  };
  const chunks: Uint8Array[] = [];
  request.on('data', (chunk: Uint8Array) => chunks.push(chunk));
  request.on('end', () => submit(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
}
