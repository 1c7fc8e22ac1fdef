import { utf8Encode } from '@keystead/crypto/bytes';
import { signature } from '../result-schemas.ts';
import { invalid, type Schema, string, transform } from '../schema.ts';
import { members } from '../surface.ts';
import {
  checkAlgorithm,
  type SigningAlgorithm,
  type SigningParams,
  signingAlgorithm,
  signingOptional,
  signingParams,
  signingRequired,
} from '../parameters/signing.ts';

export const name = 'signUtf8Message';
export const kind = 'use';
export const summary = 'Signs a text message.';

export interface Params extends SigningParams {
  /** UTF-8 bytes of the message, at most 65,536. */
  readonly message: Uint8Array;
  readonly algorithm: SigningAlgorithm;
}

const maxMessageBytes = 65_536;

const message: Schema<Uint8Array> = transform(string({ max: maxMessageBytes }), (text, path) => {
  if (!text.isWellFormed()) throw invalid(path, 'must not hold a lone surrogate');
  const bytes = utf8Encode(text);
  if (bytes.length > maxMessageBytes)
    throw invalid(path, `must have at most ${maxMessageBytes} bytes in UTF-8`);
  return bytes;
});

const normalised = (
  value: Parameters<typeof signingParams>[0] & {
    readonly message: Uint8Array;
    readonly algorithm?: SigningAlgorithm;
  },
): Params => {
  const shared = signingParams(value);
  const algorithm = value.algorithm ?? 'Ed25519';
  checkAlgorithm(algorithm, shared.derivation);
  return { ...shared, message: value.message, algorithm };
};

export const native: Schema<Params> = transform(
  members('native', {
    required: { ...signingRequired('native'), message, algorithm: signingAlgorithm('native') },
    optional: signingOptional('native'),
  }),
  normalised,
);

export const compatibility: Schema<Params> = transform(
  members('compatibility', {
    required: { ...signingRequired('compatibility'), message },
    optional: { ...signingOptional('compatibility'), algorithm: signingAlgorithm('compatibility') },
  }),
  normalised,
);

export const result = signature;
