import type { NoiseTransport } from '@keystead/crypto/noise-nk';
import { encodeResponse, type SecretsRequest, type SecretsResponse } from '@keystead/juicebox/messages';
import {
  type ClientRefusal,
  type ClientResponse,
  clientRefusals,
  encodeClientResponse,
  padResponse,
} from '@keystead/juicebox/noise-messages';

/** How one request is answered: what the enclave hands to its host. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
  readonly refusal: string;
  readonly retryAfter: number;
}

/** Why a request is refused, with what a published client makes of it (spec/realm.md §7). */
export type Refusal =
  | { readonly type: 'unauthorized'; readonly code: string }
  | { readonly type: 'malformed'; readonly code: string }
  | { readonly type: 'final'; readonly code: string; readonly request: SecretsRequest['type'] }
  | { readonly type: 'limited'; readonly code: string; readonly seconds: number }
  | { readonly type: 'unavailable'; readonly code: string };

/** Whoever waits for an answer, by one of the two transports. Each is answered once. */
export interface Caller {
  respond(response: SecretsResponse): HttpAnswer;
  refuse(refusal: Refusal): HttpAnswer;
}

/** Published clients take the answer to another request as final, and do not ask again. */
function answerToAnother(request: SecretsRequest['type']): Uint8Array {
  return encodeResponse(
    request === 'Recover1'
      ? { type: 'Register1', outcome: 'Ok' }
      : { type: 'Recover1', outcome: 'NotRegistered' },
  );
}

const none = new Uint8Array(0);
const statuses = { unauthorized: 401, malformed: 400, final: 400, limited: 429, unavailable: 503 } as const;

export const plainCaller: Caller = {
  respond: (response) => ({ status: 200, body: encodeResponse(response), refusal: '', retryAfter: 0 }),
  refuse: (refusal) => ({
    status: statuses[refusal.type],
    body: refusal.type === 'final' ? answerToAnother(refusal.request) : none,
    refusal: refusal.code,
    retryAfter: refusal.type === 'limited' ? refusal.seconds : 0,
  }),
};

const clientRefusalOf: Record<Exclude<Refusal['type'], 'final'>, ClientRefusal> = {
  unauthorized: 'InvalidAuth',
  malformed: 'DecodingError',
  limited: 'RateLimitExceeded',
  unavailable: 'Unavailable',
};

/** The answer around a refusal of Noise's own envelope. */
export function noiseRefusal(name: ClientRefusal, code: string, seconds = 0): HttpAnswer {
  const body = encodeClientResponse({ type: 'Refused', refusal: name });
  return { status: clientRefusals[name], body, refusal: code, retryAfter: seconds };
}

export function sealedAnswer(response: ClientResponse, refusal: string): HttpAnswer {
  return { status: 200, body: encodeClientResponse(response), refusal, retryAfter: 0 };
}

/** `seal` is called at most once; `end` when the session must not go on. */
export function noiseCaller(seal: (plaintext: Uint8Array) => ClientResponse, end: () => void): Caller {
  const sealed = (response: Uint8Array, refusal: string) =>
    sealedAnswer(seal(padResponse(response)), refusal);
  return {
    respond: (response) => sealed(encodeResponse(response), ''),
    refuse: (refusal) => {
      if (refusal.type === 'final') return sealed(answerToAnother(refusal.request), refusal.code);
      end();
      const seconds = refusal.type === 'limited' ? refusal.seconds : 0;
      return noiseRefusal(clientRefusalOf[refusal.type], refusal.code, seconds);
    },
  };
}

/** Seals answers of an open session. */
export function transportSeal(transport: NoiseTransport): (plaintext: Uint8Array) => ClientResponse {
  return (plaintext) => ({ type: 'Transport', ciphertext: transport.toInitiator.seal(plaintext) });
}
