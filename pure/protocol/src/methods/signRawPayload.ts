import { signature } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members } from '../surface.ts';
import { base64OrBase64url, base64url } from '../parameters/bytes.ts';
import {
  checkAlgorithm,
  type SigningAlgorithm,
  type SigningParams,
  signingAlgorithm,
  signingOptional,
  signingParams,
  signingRequired,
} from '../parameters/signing.ts';

export const name = 'signRawPayload';
export const kind = 'use';
export const summary =
  'Signs bytes of unknown meaning. Needs the permission signRawPayload, on either surface.';

export interface Params extends SigningParams {
  readonly payload: Uint8Array;
  readonly algorithm: SigningAlgorithm;
}

const limits = { max: 65_536 };

const normalised = (
  value: Parameters<typeof signingParams>[0] & {
    readonly payload: Uint8Array;
    readonly algorithm?: SigningAlgorithm;
  },
): Params => {
  const shared = signingParams(value);
  const algorithm = value.algorithm ?? 'Ed25519';
  checkAlgorithm(algorithm, shared.derivation);
  return { ...shared, payload: value.payload, algorithm };
};

export const native: Schema<Params> = transform(
  members('native', {
    required: {
      ...signingRequired('native'),
      payload: base64url(limits),
      algorithm: signingAlgorithm('native'),
    },
    optional: signingOptional('native'),
  }),
  normalised,
);

export const compatibility: Schema<Params> = transform(
  members('compatibility', {
    required: { ...signingRequired('compatibility'), payload: base64OrBase64url(limits) },
    optional: { ...signingOptional('compatibility'), algorithm: signingAlgorithm('compatibility') },
  }),
  normalised,
);

export const result = signature;
