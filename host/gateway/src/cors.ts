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

/** Headers of the answer to a preflight, names and values in turn. */
export function preflightHeaders(methods: string): readonly string[] {
  return [
    'access-control-allow-methods',
    methods,
    'access-control-allow-headers',
    allowedHeaders,
    'access-control-max-age',
    '600',
  ];
}
