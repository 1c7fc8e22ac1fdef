import type { NoiseMessage } from '@keystead/crypto/noise-nk';
import { type Cbor, cborDecode, cborEncode, malformed } from './cbor.ts';
import { bytesField, readVariant, recordField, textField, unsignedField, variant } from './fields.ts';
import { realmIdBytes } from './messages.ts';

/** spec/realm.md §3: the envelope of requests to a realm that is spoken to with Noise. */

/** The length to which every answer is padded, so that its size does not tell the outcome. */
export const paddedResponseBytes = 436;
const maximumCiphertextBytes = 2048;
const maximumTokenBytes = 2048;

export interface ClientRequest {
  readonly realm: Uint8Array;
  readonly token: string;
  readonly sessionId: number;
  /** Whether the handshake carries no request. */
  readonly kind: 'HandshakeOnly' | 'SecretsRequest';
  readonly encrypted:
    | { readonly type: 'Handshake'; readonly message: NoiseMessage }
    | { readonly type: 'Transport'; readonly ciphertext: Uint8Array };
}

const ciphertext = bytesField(undefined, maximumCiphertextBytes);
const handshake = recordField({
  handshake: [
    'handshake',
    recordField({
      ephemeral: ['client_ephemeral_public', bytesField(32)],
      payload: ['payload_ciphertext', ciphertext],
    }),
  ],
});
const transport = recordField({ ciphertext: ['ciphertext', ciphertext] });
const anything = { write: (value: Cbor): Cbor => value, read: (item: Cbor): Cbor => item };
const clientRequest = recordField({
  realm: ['realm', bytesField(realmIdBytes)],
  token: ['auth_token', textField(maximumTokenBytes)],
  sessionId: ['session_id', unsignedField(0xffffffff)],
  kind: ['kind', textField(32)],
  encrypted: ['encrypted', anything],
});

export function encodeClientRequest(request: ClientRequest): Uint8Array {
  const { encrypted } = request;
  const content =
    encrypted.type === 'Handshake'
      ? handshake.write({ handshake: encrypted.message })
      : transport.write(encrypted);
  return cborEncode(clientRequest.write({ ...request, encrypted: variant(encrypted.type, content) }));
}

/** Throws CryptoError `cbor-malformed`. */
export function decodeClientRequest(bytes: Uint8Array): ClientRequest {
  const { realm, token, sessionId, kind, encrypted } = clientRequest.read(cborDecode(bytes));
  if (kind !== 'HandshakeOnly' && kind !== 'SecretsRequest') throw malformed('an unknown kind');
  const { name, content } = readVariant(encrypted);
  if (content === undefined) throw malformed('nothing encrypted');
  const common = { realm, token, sessionId, kind } as const;
  if (name === 'Handshake')
    return { ...common, encrypted: { type: name, message: handshake.read(content).handshake } };
  if (name === 'Transport') return { ...common, encrypted: { type: name, ...transport.read(content) } };
  throw malformed('an unknown variant');
}

/** Refusals in the envelope, each with its HTTP status. */
export const clientRefusals = {
  Unavailable: 503,
  InvalidAuth: 401,
  MissingSession: 400,
  SessionError: 400,
  DecodingError: 400,
  PayloadTooLarge: 413,
  RateLimitExceeded: 429,
} as const;
export type ClientRefusal = keyof typeof clientRefusals;

export type ClientResponse =
  | { readonly type: 'Handshake'; readonly message: NoiseMessage; readonly sessionSeconds: number }
  | { readonly type: 'Transport'; readonly ciphertext: Uint8Array }
  | { readonly type: 'Refused'; readonly refusal: ClientRefusal };

const lenient = true;
const answeredHandshake = recordField(
  {
    handshake: [
      'handshake',
      recordField(
        {
          ephemeral: ['server_ephemeral_public', bytesField(32)],
          payload: ['payload_ciphertext', ciphertext],
        },
        lenient,
      ),
    ],
    lifetime: [
      'session_lifetime',
      recordField(
        { seconds: ['secs', unsignedField(0xffffffff)], nanos: ['nanos', unsignedField(999_999_999)] },
        lenient,
      ),
    ],
  },
  lenient,
);
const answeredTransport = recordField({ ciphertext: ['ciphertext', ciphertext] }, lenient);

export function encodeClientResponse(response: ClientResponse): Uint8Array {
  if (response.type === 'Refused') return cborEncode(response.refusal);
  const content =
    response.type === 'Handshake'
      ? answeredHandshake.write({
          handshake: response.message,
          lifetime: { seconds: response.sessionSeconds, nanos: 0 },
        })
      : answeredTransport.write(response);
  return cborEncode(variant('Ok', variant(response.type, content)));
}

/** Throws CryptoError `cbor-malformed`. */
export function decodeClientResponse(bytes: Uint8Array): ClientResponse {
  const outer = readVariant(cborDecode(bytes));
  if (outer.content === undefined) {
    if (!Object.hasOwn(clientRefusals, outer.name)) throw malformed('an unknown refusal');
    return { type: 'Refused', refusal: outer.name as ClientRefusal };
  }
  if (outer.name !== 'Ok') throw malformed('an unknown variant');
  const { name, content } = readVariant(outer.content);
  if (content === undefined) throw malformed('no content');
  if (name === 'Handshake') {
    const { handshake: message, lifetime } = answeredHandshake.read(content);
    return { type: name, message, sessionSeconds: lifetime.seconds };
  }
  if (name === 'Transport') return { type: name, ...answeredTransport.read(content) };
  throw malformed('an unknown variant');
}

const padded = recordField({
  length: ['unpadded_length', unsignedField(paddedResponseBytes)],
  bytes: ['padded_bytes', bytesField(paddedResponseBytes)],
});

/** The plaintext of an answer: as long for one outcome as for another. */
export function padResponse(response: Uint8Array): Uint8Array {
  if (response.length > paddedResponseBytes) throw new RangeError('the answer does not fit');
  const bytes = new Uint8Array(paddedResponseBytes);
  bytes.set(response);
  return cborEncode(padded.write({ length: response.length, bytes }));
}

/** Throws CryptoError `cbor-malformed`. */
export function unpadResponse(plaintext: Uint8Array): Uint8Array {
  const { length, bytes } = padded.read(cborDecode(plaintext));
  return bytes.subarray(0, length);
}
