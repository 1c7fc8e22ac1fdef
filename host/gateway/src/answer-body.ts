import { errorBody, KmsError } from '@keystead/protocol/errors';
import type { Answer } from './waiting.ts';

export interface HttpAnswer {
  readonly status: number;
  /** One character per byte: together with the head it leaves in one write. */
  readonly body: string;
  /** base64url of the answer signature, for answers without an envelope. */
  readonly signature?: string;
}

const seconds = '1';

/** `Retry-After` of a status, or undefined. */
export function retryAfter(status: number): string | undefined {
  return status === 503 || status === 429 ? seconds : undefined;
}

/** An enclave's answer as HTTP. The bytes of a result are put into the envelope as the enclave wrote them. */
export function httpAnswer(answer: Answer, requestId: string, bare: boolean): HttpAnswer {
  const { status, body, submission } = answer;
  const signature =
    answer.signature.length === 0 ? undefined : bufferOf(answer.signature).toString('base64url');
  if (status !== 200) return refusal(answer, requestId, signature);
  const result = bufferOf(body).toString('latin1');
  if (bare) return { status, body: result, ...(signature === undefined ? {} : { signature }) };
  const stated = signature === undefined ? '' : `,"signature":"${signature}"`;
  const submitted =
    submission === undefined ? '' : `,"rpc_submission_result":${bytesOfText(JSON.stringify(submission))}`;
  return { status, body: `{"result":${result}${stated}${submitted}}` };
}

/** An enclave's error body with the two members that the host adds. */
function refusal({ status, body }: Answer, requestId: string, signature: string | undefined): HttpAnswer {
  let stated: unknown;
  try {
    stated = JSON.parse(bufferOf(body).toString('utf8'));
  } catch {
    stated = undefined;
  }
  const isError = status >= 400 && status <= 599 && Number.isInteger(status);
  if (!isError || typeof stated !== 'object' || stated === null || Array.isArray(stated))
    return errorAnswer(new KmsError('internal', {}), requestId);
  const added = { ...stated, requestId, ...(signature === undefined ? {} : { signature }) };
  return { status, body: bytesOfText(JSON.stringify(added)) };
}

/** An error of the gateway itself. */
export function errorAnswer(error: KmsError, requestId: string): HttpAnswer {
  return { status: error.status, body: bytesOfText(JSON.stringify(errorBody(error, requestId))) };
}

const idMark = '00000000-0000-0000-0000-000000000000';

/** As `errorAnswer`, for an error that is answered often: its body is written once. */
export function preparedErrorAnswer(error: KmsError): (requestId: string) => HttpAnswer {
  const { status, body } = errorAnswer(error, idMark);
  const [before, after] = body.split(idMark) as [string, string];
  return (requestId) => ({ status, body: `${before}${requestId}${after}` });
}

/** The UTF-8 bytes of a text, one character per byte. */
export function bytesOfText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
