import { utf8Encode } from '@keystead/crypto/bytes';
import { canonicalize } from '@keystead/crypto/canonical-json';
import type { JsonValue } from '@keystead/crypto/strict-json';
import { maximumAnswerBytes } from './answer.ts';
import { errorBody, KmsError } from './errors.ts';

/**
 * The body of an error as enclaves answer it: its RFC 8785 form without `requestId`. An error whose words have no such form,
 * or are longer than an answer, is answered by its code alone: whatever a caller made an error quote must not end a program.
 */
export function errorBytes(error: KmsError): Uint8Array {
  try {
    const bytes = encoded(error);
    if (bytes.length <= maximumAnswerBytes) return bytes;
  } catch {
    // What cannot be said is left out.
  }
  return encoded(new KmsError(error.code));
}

function encoded(error: KmsError): Uint8Array {
  const { requestId: _, ...body } = errorBody(error, '');
  return utf8Encode(canonicalize(body as unknown as JsonValue));
}
