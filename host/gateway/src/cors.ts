import type { ServerResponse } from 'node:http';

/** Headers that published clients and our SDK send. */
const allowedHeaders = [
  'content-type',
  'authorization',
  'x-phantom-stamp',
  'x-rpc-method',
  'x-auth-user-id',
  'x-app-id',
  'x-api-key',
  'x-api-version',
  'x-phantom-sdk-type',
  'x-phantom-sdk-version',
  'x-phantom-platform',
  'x-phantom-platform-version',
  'x-phantom-wallet-type',
  'x-phantom-client',
  'x-phantom-version',
  'signature',
  'signature-input',
  'content-digest',
  'keystead-deployment',
  'keystead-origin',
  'keystead-seen',
].join(', ');

/**
 * Any page may call: a request carries its stamp and no cookie, so a browser adds no authority of its own
 * (docs/threat-model.md). Which origins a key may be used from is what its stamp says.
 */
export function allowAnyOrigin(response: ServerResponse): void {
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', 'x-request-id, keystead-signature, retry-after');
}

export function answerPreflight(response: ServerResponse, methods: string): void {
  response.setHeader('access-control-allow-methods', methods);
  response.setHeader('access-control-allow-headers', allowedHeaders);
  response.setHeader('access-control-max-age', '600');
}
