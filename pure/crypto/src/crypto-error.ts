/** Stable codes of failures that data from outside can cause. Misuse by the caller is a TypeError or RangeError. */
export type CryptoErrorCode =
  | 'base58-malformed'
  | 'base64-malformed'
  | 'bech32-malformed'
  | 'cbor-malformed'
  | 'decryption-failed'
  | 'frontier-malformed'
  | 'hex-malformed'
  | 'json-malformed'
  | 'mnemonic-malformed'
  | 'node-malformed'
  | 'node-mismatch'
  | 'note-malformed'
  | 'note-unverified'
  | 'pack-malformed'
  | 'path-malformed'
  | 'point-malformed'
  | 'proof-malformed'
  | 'scalar-malformed'
  | 'signature-malformed'
  | 'utf8-malformed';

/**
 * A refusal of data. `code` is stable; `detail` says where or what, never a secret.
 * `decryption-failed` never has a detail, so that it is no oracle.
 */
export class CryptoError extends Error {
  override readonly name: string = 'CryptoError';
  readonly code: CryptoErrorCode;
  readonly detail: string | undefined;

  constructor(code: CryptoErrorCode, detail?: string) {
    super(detail === undefined ? code : `${code}: ${detail}`);
    this.code = code;
    this.detail = detail;
  }
}
