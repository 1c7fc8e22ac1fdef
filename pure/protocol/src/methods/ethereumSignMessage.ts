import { signature } from '../result-schemas.ts';
import { type Schema, transform } from '../schema.ts';
import { members, type Surface } from '../surface.ts';
import { base64OrBase64url, base64url } from '../parameters/bytes.ts';
import {
  type SigningParams,
  signingOptional,
  signingParams,
  signingRequired,
} from '../parameters/signing.ts';

export const name = 'ethereumSignMessage';
export const kind = 'use';
export const summary = 'Signs a personal message (EIP-191 version 45).';

export interface Params extends SigningParams {
  /** The message without the EIP-191 prefix. */
  readonly message: Uint8Array;
}

const limits = { max: 65_536 };

const params = (surface: Surface): Schema<Params> =>
  transform(
    members(surface, {
      required: {
        ...signingRequired(surface),
        message: surface === 'native' ? base64url(limits) : base64OrBase64url(limits),
      },
      optional: signingOptional(surface),
    }),
    (value) => ({ ...signingParams(value), message: value.message }),
  );

export const native = params('native');
export const compatibility = params('compatibility');
export const result = signature;
