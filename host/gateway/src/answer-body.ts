import { base64urlEncode } from '@keystead/crypto/base64url';
import { errorBody, KmsError } from '@keystead/protocol/errors';
import type { Answer } from './waiting.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
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
  const signature = answer.signature.length === 0 ? undefined : base64urlEncode(answer.signature);
  if (status !== 200) return refusal(answer, requestId, signature);
  if (bare) return { status, body, ...(signature === undefined ? {} : { signature }) };
  const parts: Uint8Array[] = [Buffer.from('{"result":'), body];
  if (signature !== undefined) parts.push(Buffer.from(`,"signature":"${signature}"`));
  if (submission !== undefined)
    parts.push(Buffer.from(`,"rpc_submission_result":${JSON.stringify(submission)}`));
  parts.push(Buffer.from('}'));
  return { status, body: Buffer.concat(parts) };
}

/** An enclave's error body with the two members that the host adds. */
function refusal({ status, body }: Answer, requestId: string, signature: string | undefined): HttpAnswer {
  let stated: unknown;
  try {
    stated = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    stated = undefined;
  }
  const isError = status >= 400 && status <= 599 && Number.isInteger(status);
  if (!isError || typeof stated !== 'object' || stated === null || Array.isArray(stated))
    return errorAnswer(new KmsError('internal', {}), requestId);
  const added = { ...stated, requestId, ...(signature === undefined ? {} : { signature }) };
  return { status, body: Buffer.from(JSON.stringify(added)) };
}

/** An error of the gateway itself. */
export function errorAnswer(error: KmsError, requestId: string): HttpAnswer {
  return { status: error.status, body: Buffer.from(JSON.stringify(errorBody(error, requestId))) };
}
